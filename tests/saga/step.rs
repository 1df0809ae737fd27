//! What can happen next, and how often.

use crate::interned::{CallId, RecordId};

/// A reader of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Consumer {
    InventoryOfOrders,
    PaymentOfOrders,
    OrderOfInventory,
    PaymentOfInventory,
    OrderOfPayments,
}

impl Consumer {
    pub(crate) const ALL: [Self; 5] = [
        Self::InventoryOfOrders,
        Self::PaymentOfOrders,
        Self::OrderOfInventory,
        Self::PaymentOfInventory,
        Self::OrderOfPayments,
    ];

    /// The place of its topic in [`crate::topics::TOPICS`].
    pub(crate) fn topic(self) -> usize {
        match self {
            Self::InventoryOfOrders | Self::PaymentOfOrders => 0,
            Self::OrderOfInventory | Self::PaymentOfInventory => 1,
            Self::OrderOfPayments => 2,
        }
    }

    pub(crate) fn of_topic(topic: usize) -> impl Iterator<Item = Self> + Clone {
        Self::ALL.into_iter().filter(move |consumer| consumer.topic() == topic)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InventoryOfOrders => "inventory",
            Self::PaymentOfOrders | Self::PaymentOfInventory => "payment",
            Self::OrderOfInventory | Self::OrderOfPayments => "order",
        }
    }
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Sees(Consumer, RecordId),
    /// The consumer passes the record by; it may be redriven at any later moment.
    DeadLetter(Consumer, RecordId),
    Redrive(Consumer, RecordId),
    /// A consumer starts again from an older offset.
    Rewind(Consumer, u8),
    /// A writer died between its commit and its publishing: a sweeper publishes the record after newer ones.
    PublishedLate(RecordId),
    Call(CallId, Fate),
    /// A lease has run out, or a refused refund is to be tried again.
    CallDue,
    /// The lease runs out while its holder is not dead, only slow.
    CallDueTooEarly,
    /// The provider captures an attempt after it has declined it, and tells so.
    CapturedAfterAll(u8),
    Deadline,
    CancelSentAgain,
    Cancel,
    Ship,
    PayAgain,
    /// By an admin, in minor units.
    Refund(u8),
}

/// What becomes of one call to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    Declined,
    Refused,
    /// It is done, and whoever called dies before he hears of it.
    DoneUnheard,
    /// It is done, and the answer times out.
    DoneUnanswered,
    /// Whoever was to call dies.
    NeverMade,
    /// It gets lost on the way, and the answer times out.
    LostUnanswered,
}

/// What happens only so often. The order is that of [`Budgets`]' bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    Rewind,
    DeadLetter,
    Late,
    Cancel,
    Ship,
    PayAgain,
    Refund,
    Decline,
    Lost,
    Refuse,
    CaptureAfterAll,
    CancelAgain,
}

impl Actor {
    const ALL: [Self; 12] = [
        Self::Rewind,
        Self::DeadLetter,
        Self::Late,
        Self::Cancel,
        Self::Ship,
        Self::PayAgain,
        Self::Refund,
        Self::Decline,
        Self::Lost,
        Self::Refuse,
        Self::CaptureAfterAll,
        Self::CancelAgain,
    ];
}

/// How often each actor may still act: two bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Budgets(u32);

impl Budgets {
    /// Every actor once, but a cancel is sent again twice.
    pub(crate) fn full() -> Self {
        Actor::ALL.into_iter().fold(Self(0), |budgets, actor| budgets.with(actor, 1)).with(Actor::CancelAgain, 2)
    }

    /// `times`: at most 3.
    pub(crate) fn with(self, actor: Actor, times: u32) -> Self {
        let at = 2 * actor as u32;
        Self(self.0 & !(3 << at) | times << at)
    }

    pub(crate) fn left(self, actor: Actor) -> u32 {
        self.0 >> (2 * actor as u32) & 3
    }

    /// What is left after one more; `None` where nothing was.
    pub(crate) fn spend(self, actor: Actor) -> Option<Self> {
        (self.left(actor) > 0).then(|| Self(self.0 - (1 << (2 * actor as u32))))
    }

    /// Whether whatever may happen under `other` may happen under this, and a cancel be sent again as often.
    pub(crate) fn cover(self, other: Self) -> bool {
        let again = Actor::CancelAgain;
        self.left(again) == other.left(again)
            && Actor::ALL.into_iter().all(|actor| self.left(actor) >= other.left(actor))
    }
}
