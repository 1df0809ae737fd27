//! What can become of a payment: the table that the test plays.

/// What every order here costs.
pub(super) const TOTAL_MINOR: i64 = 1000;

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    // What order and inventory tell.
    Created,
    /// With a deadline before which no provider could answer any more.
    CreatedTooLate,
    Reserved,
    Rejected,
    Cancelled,
    // What people ask for.
    Pay(&'static str),
    /// 409 `payment_not_retryable`.
    PayRefused,
    /// A part, or the rest.
    Refund(Option<i64>),
    /// 409, with this code.
    RefundRefused(&'static str),
    // What is waited for.
    Until(&'static str),
    Told(usize),
}

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    pub(super) steps: &'static [Step],
    /// Type, captured/refunded, and why.
    pub(super) told: &'static [&'static str],
    pub(super) ends: Ends,
}

pub(super) struct Ends {
    pub(super) status: &'static str,
    pub(super) attempts: &'static [&'static str],
    pub(super) refunds: &'static [&'static str],
    pub(super) refunded_minor: i64,
}

use Step::{
    Cancelled, Created, CreatedTooLate, Pay, PayRefused, Refund, RefundRefused, Rejected, Reserved, Told, Until,
};

const VISA: &str = "pm_card_visa";
const DECLINED: &str = "pm_card_chargeDeclined";
const NO_FUNDS: &str = "pm_card_chargeDeclinedInsufficientFunds";
const REFUND_REFUSED: &str = "pm_rtoms_refund_refused";

const NEVER_CHARGED: Ends = Ends { status: "voided", attempts: &[], refunds: &[], refunded_minor: 0 };
const CAPTURED: Ends = Ends { status: "captured", attempts: &["captured"], refunds: &[], refunded_minor: 0 };
const PAID_BACK: Ends =
    Ends { status: "refunded", attempts: &["captured"], refunds: &["refunded"], refunded_minor: TOTAL_MINOR };

pub(super) const CASES: &[Case] = &[
    // awaiting → processing → captured, once, whatever comes first and however the provider answers.
    Case {
        name: "created, then reserved",
        method: VISA,
        steps: &[Created, Reserved, Until("captured"), PayRefused, Reserved, Rejected],
        told: &["captured 1000/0"],
        ends: CAPTURED,
    },
    Case {
        name: "reserved, then created",
        method: VISA,
        steps: &[Reserved, Created, Until("captured")],
        told: &["captured 1000/0"],
        ends: CAPTURED,
    },
    Case {
        name: "the provider does not answer",
        method: "pm_rtoms_timeout",
        steps: &[Created, Reserved, PayRefused, Until("captured")],
        told: &["captured 1000/0"],
        ends: CAPTURED,
    },
    Case {
        name: "the provider fails twice",
        method: "pm_rtoms_flaky",
        steps: &[Created, Reserved, Until("captured")],
        told: &["captured 1000/0"],
        ends: CAPTURED,
    },
    // awaiting → voided.
    Case {
        name: "created, then rejected",
        method: VISA,
        steps: &[Created, Rejected, Reserved, PayRefused],
        told: &["voided 0/0 stock_rejected"],
        ends: NEVER_CHARGED,
    },
    Case {
        name: "rejected, then created",
        method: VISA,
        steps: &[Rejected, Created, Reserved],
        told: &["voided 0/0 stock_rejected"],
        ends: NEVER_CHARGED,
    },
    Case {
        name: "cancelled while awaiting",
        method: VISA,
        steps: &[Created, Cancelled, Reserved, Cancelled],
        told: &["voided 0/0 order_cancelled", "voided 0/0 order_cancelled"],
        ends: NEVER_CHARGED,
    },
    Case {
        name: "cancelled before it is created",
        method: VISA,
        steps: &[Cancelled, Created, Reserved, Cancelled],
        told: &["voided 0/0 order_cancelled", "voided 0/0 order_cancelled"],
        ends: NEVER_CHARGED,
    },
    Case {
        name: "reserved, cancelled, and only then created",
        method: VISA,
        steps: &[Reserved, Cancelled, Created],
        told: &["voided 0/0 order_cancelled"],
        ends: NEVER_CHARGED,
    },
    // processing → declined → processing, or voided.
    Case {
        name: "declined, then paid",
        method: NO_FUNDS,
        steps: &[Created, Reserved, Until("declined"), Pay(VISA), Until("captured"), PayRefused],
        told: &["declined 0/0 insufficient_funds", "captured 1000/0"],
        ends: Ends { attempts: &["declined", "captured"], ..CAPTURED },
    },
    Case {
        name: "declined, then cancelled",
        method: DECLINED,
        steps: &[Created, Reserved, Until("declined"), Cancelled, PayRefused],
        told: &["declined 0/0 card_declined", "voided 0/0 order_cancelled"],
        ends: Ends { attempts: &["declined"], ..NEVER_CHARGED },
    },
    Case {
        name: "five attempts and no more",
        method: DECLINED,
        steps: &[
            Created,
            Reserved,
            Until("declined"),
            Pay(DECLINED),
            Until("declined"),
            Pay(DECLINED),
            Until("declined"),
            Pay(DECLINED),
            Until("declined"),
            Pay(DECLINED),
            Until("declined"),
            PayRefused,
        ],
        told: &[
            "declined 0/0 card_declined",
            "declined 0/0 card_declined",
            "declined 0/0 card_declined",
            "declined 0/0 card_declined",
            "declined 0/0 card_declined",
        ],
        ends: Ends { status: "declined", attempts: &["declined"; 5], refunds: &[], refunded_minor: 0 },
    },
    Case {
        name: "too late to pay again",
        method: DECLINED,
        steps: &[CreatedTooLate, Reserved, Until("declined"), PayRefused],
        told: &["declined 0/0 card_declined"],
        ends: Ends { status: "declined", attempts: &["declined"], refunds: &[], refunded_minor: 0 },
    },
    // captured → refunding → refunded, for a cancel.
    Case {
        name: "cancelled after the capture",
        method: VISA,
        steps: &[Created, Reserved, Until("captured"), Cancelled, Until("refunded"), Cancelled],
        told: &["captured 1000/0", "refunded 1000/1000 order_cancelled", "refunded 1000/1000 order_cancelled"],
        ends: PAID_BACK,
    },
    Case {
        name: "cancelled while the provider is asked",
        method: "pm_rtoms_slow",
        steps: &[Created, Reserved, Until("processing"), Cancelled, Cancelled, Told(0), Until("refunded")],
        told: &["captured 1000/0", "refunded 1000/1000 order_cancelled"],
        ends: PAID_BACK,
    },
    Case {
        name: "a refund that the provider refuses is tried again",
        method: REFUND_REFUSED,
        steps: &[Created, Reserved, Until("captured"), Cancelled, Until("refunded")],
        told: &["captured 1000/0", "refunded 1000/1000 order_cancelled"],
        ends: Ends { refunds: &["failed", "refunded"], ..PAID_BACK },
    },
    // captured → refunding → captured | refunded, by an admin.
    Case {
        name: "a part, then the rest",
        method: VISA,
        steps: &[
            Created,
            RefundRefused("refund_exceeds_capture"),
            Reserved,
            Until("captured"),
            Refund(Some(400)),
            Told(2),
            Refund(None),
            Told(3),
            RefundRefused("refund_exceeds_capture"),
        ],
        told: &["captured 1000/0", "refunded 1000/400 scratched", "refunded 1000/1000"],
        ends: Ends { refunds: &["refunded", "refunded"], ..PAID_BACK },
    },
    Case {
        name: "a part, and the rest with a cancel",
        method: VISA,
        steps: &[Created, Reserved, Until("captured"), Refund(Some(400)), Told(2), Cancelled, Until("refunded")],
        told: &["captured 1000/0", "refunded 1000/400 scratched", "refunded 1000/1000 order_cancelled"],
        ends: Ends { refunds: &["refunded", "refunded"], ..PAID_BACK },
    },
    Case {
        name: "an admin's refund that the provider refuses is over, and the next one is another",
        method: REFUND_REFUSED,
        steps: &[
            Created,
            Reserved,
            Until("captured"),
            Refund(Some(400)),
            Until("captured"),
            Refund(Some(400)),
            Told(2),
        ],
        told: &["captured 1000/0", "refunded 1000/400 scratched"],
        ends: Ends { refunds: &["failed", "refunded"], refunded_minor: 400, ..CAPTURED },
    },
    Case {
        name: "cancelled after an admin has paid back all",
        method: VISA,
        steps: &[Created, Reserved, Until("captured"), Refund(None), Until("refunded"), Cancelled],
        told: &["captured 1000/0", "refunded 1000/1000", "refunded 1000/1000 order_cancelled"],
        ends: PAID_BACK,
    },
];
