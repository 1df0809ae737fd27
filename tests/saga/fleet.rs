//! The fleet around one order: three services, three topics and a provider, in any state.

use crate::domains::{inventory as stock, payment as payments};
use crate::interned::{CallId, CallsId, DeadId, Interned, LedgerId, LogsId, OrderId, PaymentId, RecordId, StockId};
use crate::provider::{Answer, Ledger, Mood};
use crate::rules::Rule;
use crate::services::Services;
use crate::shortcuts::Claim;
use crate::step::{Actor, Budgets, Consumer};
use crate::topics::Logs;
use hashbrown::{HashMap, HashSet};
use order::domain::Status;
use payment::domain::Payment;
use std::hash::Hash;

/// A state of everything, by numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// What some consumer of the topic has not read yet, and what came after it.
    pub(crate) logs: LogsId,
    /// What all have read; forgotten where nobody can go back any more.
    pub(crate) past: LogsId,
    pub(crate) budgets: Budgets,
    pub(crate) order: OrderId,
    pub(crate) payment: PaymentId,
    pub(crate) ledger: LedgerId,
    /// Under way to the provider.
    pub(crate) calls: CallsId,
    pub(crate) dead: DeadId,
    pub(crate) stock: StockId,
    /// How far each consumer has read in `logs`.
    pub(crate) at: [u8; 5],
}

impl State {
    /// What two states of which one covers the other have in common.
    pub(crate) fn core(self) -> impl Hash {
        let Self { logs, order, payment, ledger, calls, dead, stock, at, .. } = self;
        (logs, order, payment, ledger, calls, dead, stock, at, self.budgets.left(Actor::CancelAgain))
    }
}

/// What may happen at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) budgets: Budgets,
    pub(crate) broken: Option<Rule>,
    /// Whether a cancel is sent again.
    pub(crate) resends: bool,
    /// Whether somebody redrives dead letters.
    pub(crate) redrives: bool,
    /// Whether states that make no difference are left out.
    pub(crate) shortcuts: bool,
}

impl Setup {
    pub(crate) fn sound(budgets: Budgets) -> Self {
        Self { budgets, broken: None, resends: true, redrives: true, shortcuts: true }
    }

    /// A cancel that is sent again heals what two other rules do at once, so it is off with them; alone it is needed where
    /// nobody redrives.
    pub(crate) fn without(rule: Rule, budgets: Budgets) -> Self {
        let alone = rule == Rule::CancelIsSentAgain;
        Self {
            budgets,
            broken: Some(rule),
            resends: !alone && !rule.is_healed_by_another_cancel(),
            redrives: !alone,
            shortcuts: true,
        }
    }
}

pub(crate) struct Fleet {
    pub(crate) setup: Setup,
    pub(crate) services: Services,
    pub(crate) ledgers: Interned<Ledger>,
    pub(crate) answers: HashMap<(LedgerId, CallId, Mood), Option<(LedgerId, Answer)>>,
    pub(crate) captures: HashMap<(LedgerId, u8), Option<LedgerId>>,
    pub(crate) logs: Logs,
    pub(crate) calls: Interned<Vec<CallId>>,
    pub(crate) dead: Interned<Vec<(Consumer, RecordId)>>,
    /// What [`Fleet::without_what_is_over`] has claimed.
    pub(crate) over: HashSet<Claim>,
}

impl Fleet {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            setup,
            services: Services::new(setup.broken),
            ledgers: Interned::default(),
            answers: HashMap::new(),
            captures: HashMap::new(),
            logs: Logs::default(),
            calls: Interned::default(),
            dead: Interned::default(),
            over: HashSet::new(),
        }
    }

    /// An order that was just placed: there is enough in stock, or there is not.
    pub(crate) fn start(&mut self) -> [State; 2] {
        let (order, told) = self.services.place();
        let past = self.logs.empty();
        let logs = self.published(past, &told);
        [true, false].map(|enough| State {
            logs,
            past,
            budgets: self.setup.budgets,
            order,
            payment: self.services.payments.id(None),
            ledger: self.ledgers.id(Ledger::default()),
            calls: self.calls.id(Vec::new()),
            dead: self.dead.id(Vec::new()),
            stock: self.services.stocks.id(stock::Row::before(enough)),
            at: [0; 5],
        })
    }

    pub(crate) fn status(&self, state: State) -> Status {
        self.services.orders.get(state.order).order.status
    }

    pub(crate) fn has_dead_letters(&self, state: State) -> bool {
        !self.dead.get(state.dead).is_empty()
    }

    /// Everything is read and answered: what happens next is up to people and deadlines.
    pub(crate) fn is_delivered(&self, state: State) -> bool {
        self.calls.get(state.calls).is_empty()
            && !self.payment_is_due(state)
            && Consumer::ALL.into_iter().all(|consumer| self.unread(state, consumer).is_none())
    }

    /// Nothing more happens by itself, and no deadline is open.
    pub(crate) fn is_quiet(&self, state: State) -> bool {
        let status = self.status(state);
        let may_be_resent = status == Status::Cancelling && self.may_resend(state);
        !status.awaits_payment() && !may_be_resent && self.is_delivered(state)
    }

    pub(crate) fn published(&mut self, logs: LogsId, records: &[RecordId]) -> LogsId {
        records.iter().fold(logs, |logs, record| {
            let topic = self.services.records.get(*record).topic;
            self.logs.append(logs, topic, *record)
        })
    }

    pub(crate) fn unread(&self, state: State, consumer: Consumer) -> Option<RecordId> {
        let records = self.logs.of(state.logs, consumer.topic());
        records.get(usize::from(state.at[consumer as usize])).copied()
    }

    pub(crate) fn may_resend(&self, state: State) -> bool {
        self.setup.resends && state.budgets.left(Actor::CancelAgain) > 0
    }

    pub(crate) fn payment_is_due(&self, state: State) -> bool {
        payments::payment(self.services.payments.get(state.payment)).and_then(Payment::due_at).is_some()
    }
}
