//! What can become of an order: the table that the test plays.

/// What happens to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    // What inventory and payment tell; each event twice.
    Reserved,
    Rejected,
    Released,
    Captured(u32),
    Declined(u32),
    Voided,
    /// All that was captured is back, for the cancel.
    PaidBack,
    /// An admin's refund of a part, the same one each time.
    Refund,
    // What people do.
    Cancel,
    CancelByAdmin,
    Ship,
    Deliver,
    /// What nobody does: the time to pay is over.
    Deadline,
    /// `order.cancelled` comes once more.
    SentAgain,
}

/// What it makes of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// A row of the timeline, and the message that goes with the status.
    Status(&'static str),
    /// A row of the timeline with the same status, and the message of a refund.
    Entered,
    /// 409, with this code.
    Refused(&'static str),
    /// Nothing that the customer sees.
    Nothing,
}

pub(super) struct Path {
    pub(super) name: &'static str,
    pub(super) steps: &'static [(Step, To)],
}

use Step::{
    Cancel, CancelByAdmin, Captured, Deadline, Declined, Deliver, PaidBack, Refund, Rejected, Released, Reserved,
    SentAgain, Ship, Voided,
};
use To::{Entered, Nothing, Refused, Status};

const RESERVED: (Step, To) = (Reserved, Status("reserved"));
const DECLINED: (Step, To) = (Declined(1), Status("payment_failed"));
const CAPTURED: (Step, To) = (Captured(1), Status("confirmed"));
const CANCEL: (Step, To) = (Cancel, Status("cancelling"));
const DEADLINE: (Step, To) = (Deadline, Status("cancelling"));
const SHIP: (Step, To) = (Ship, Status("shipped"));
const DELIVER: (Step, To) = (Deliver, Status("delivered"));
const NOT_CANCELLABLE: (Step, To) = (Cancel, Refused("order_not_cancellable"));

pub(super) const PATHS: &[Path] = &[
    // Paid.
    Path { name: "paid", steps: &[RESERVED, CAPTURED] },
    Path { name: "captured before it is reserved", steps: &[CAPTURED, (Reserved, Nothing)] },
    Path { name: "a late decline demotes nothing", steps: &[RESERVED, CAPTURED, (Declined(1), Nothing)] },
    Path { name: "declined, then paid", steps: &[RESERVED, DECLINED, (Captured(2), Status("confirmed"))] },
    Path {
        name: "declined before it is reserved, then paid",
        steps: &[DECLINED, (Reserved, Nothing), (Captured(2), Status("confirmed"))],
    },
    Path { name: "delivered", steps: &[RESERVED, CAPTURED, SHIP, NOT_CANCELLABLE, DELIVER, NOT_CANCELLABLE] },
    Path {
        name: "neither shipped nor delivered before its time",
        steps: &[
            (Ship, Refused("order_not_shippable")),
            RESERVED,
            (Deliver, Refused("order_not_deliverable")),
            CAPTURED,
            (Deliver, Refused("order_not_deliverable")),
            SHIP,
            (Ship, Refused("order_not_shippable")),
        ],
    },
    // Out of stock.
    Path { name: "rejected", steps: &[(Rejected, Status("rejected")), (Voided, Nothing), NOT_CANCELLABLE] },
    // Cancelled.
    Path {
        name: "cancelled while pending",
        steps: &[CANCEL, (Reserved, Nothing), (Released, Nothing), (Voided, Status("cancelled")), (Released, Nothing)],
    },
    Path {
        name: "cancelled while pending, short of stock",
        steps: &[CANCEL, (Rejected, Nothing), (Voided, Nothing), (Released, Status("cancelled"))],
    },
    Path {
        name: "cancelled while reserved",
        steps: &[RESERVED, (CancelByAdmin, Status("cancelling")), (Voided, Nothing), (Released, Status("cancelled"))],
    },
    Path {
        name: "cancelled while declined",
        steps: &[RESERVED, DECLINED, CANCEL, (Released, Nothing), (Voided, Status("cancelled"))],
    },
    Path {
        name: "cancelled after it was paid",
        steps: &[RESERVED, CAPTURED, CANCEL, (Released, Nothing), (PaidBack, Status("cancelled")), (Cancel, Nothing)],
    },
    Path {
        name: "captured after its cancel",
        steps: &[
            RESERVED,
            CANCEL,
            (Captured(1), Nothing),
            (Ship, Refused("order_not_shippable")),
            (Released, Nothing),
            (PaidBack, Status("cancelled")),
        ],
    },
    Path {
        name: "declined after its cancel",
        steps: &[RESERVED, CANCEL, (Declined(1), Nothing), (Voided, Nothing), (Released, Status("cancelled"))],
    },
    Path {
        name: "the cancel is sent again until both have answered",
        steps: &[
            RESERVED,
            CANCEL,
            (Cancel, Nothing),
            (Released, Nothing),
            (SentAgain, Nothing),
            (Voided, Status("cancelled")),
        ],
    },
    // Not paid in time.
    Path {
        name: "expired while pending",
        steps: &[DEADLINE, (Voided, Nothing), (Released, Status("expired")), NOT_CANCELLABLE],
    },
    Path {
        name: "expired while reserved",
        steps: &[RESERVED, DEADLINE, (Captured(1), Nothing), (Released, Nothing), (PaidBack, Status("expired"))],
    },
    Path {
        name: "expired while declined",
        steps: &[RESERVED, DECLINED, DEADLINE, (Released, Nothing), (Voided, Status("expired"))],
    },
    // Money that an admin gives back: it is entered once, wherever the order is, and changes nothing else.
    Path { name: "refunded while confirmed", steps: &[RESERVED, CAPTURED, (Refund, Entered), (Refund, Nothing), SHIP] },
    Path { name: "refunded while shipped", steps: &[RESERVED, CAPTURED, SHIP, (Refund, Entered), DELIVER] },
    Path { name: "refunded when delivered", steps: &[RESERVED, CAPTURED, SHIP, DELIVER, (Refund, Entered)] },
    Path {
        name: "a refund of a part does not end the cancel",
        steps: &[
            RESERVED,
            CAPTURED,
            CANCEL,
            (Released, Nothing),
            (Refund, Entered),
            (PaidBack, Status("cancelled")),
            (Refund, Nothing),
        ],
    },
    Path {
        name: "a refund is heard of when all is over",
        steps: &[
            RESERVED,
            CAPTURED,
            CANCEL,
            (PaidBack, Nothing),
            (Released, Status("cancelled")),
            (Refund, Entered),
            (Refund, Nothing),
        ],
    },
];
