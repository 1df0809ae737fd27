//! What the fleet promises: in every state, over every step, and where nothing more happens by itself.

use crate::domains::{TOTAL, inventory, order, payment};
use crate::fleet::{Fleet, State};
use ::inventory::domain::Status as Stock;
use ::order::domain::Status;
use ::payment::domain::{Attempt, AttemptState, Row, State as PaymentState, Wanted};
use inventory::rank as stock_rank;

/// Order, stock and payment, by name.
pub(crate) type End = (&'static str, &'static str, &'static str);

impl Fleet {
    pub(crate) fn end(&self, state: State) -> End {
        (self.status(state).as_str(), self.stock(state).map_or("none", Stock::as_str), self.payment_name(state))
    }

    /// What is wrong with the state, if anything.
    pub(crate) fn wrong(&self, state: State) -> Option<String> {
        if let Some(wrong) = self.always_wrong(state) {
            return Some(wrong);
        }
        let is_redriven = !self.setup.redrives || !self.has_dead_letters(state);
        if is_redriven && self.is_quiet(state) {
            return self.quiet_wrong(state);
        }
        if self.setup.redrives && !self.has_dead_letters(state) && self.is_delivered(state) {
            return self.idle_wrong(state);
        }
        None
    }

    /// What nobody may ever see happen.
    pub(crate) fn wrong_step(&self, before: State, after: State) -> Option<String> {
        let (from, to) = (self.status(before), self.status(after));
        if order::rank(to) < order::rank(from) && (from, to) != (Status::PaymentFailed, Status::Confirmed) {
            return Some(format!("an order went back from {} to {}", from.as_str(), to.as_str()));
        }
        let (from, to) = (self.stock(before), self.stock(after));
        if stock_rank(to) < stock_rank(from) || (stock_rank(from) == 2 && from != to) {
            return Some(format!("stock went back from {from:?} to {to:?}"));
        }
        None
    }

    fn always_wrong(&self, state: State) -> Option<String> {
        let ledger = self.ledgers.get(state.ledger);
        let status = self.status(state);
        let has_ended = matches!(status, Status::Cancelled | Status::Expired);
        if ledger.charged() > 1 {
            return Some("charged twice".to_owned());
        }
        if ledger.is_overdrawn() {
            return Some("returned more than captured".to_owned());
        }
        if has_ended && ledger.holds_in_time(&self.paying_key(state)) > 0 {
            return Some(format!("{} is shown while we still hold the money", status.as_str()));
        }
        if has_ended && self.stock(state) == Some(Stock::Held) {
            return Some(format!("{} is shown while its stock is still held", status.as_str()));
        }
        None
    }

    /// Nothing more happens by itself.
    fn quiet_wrong(&self, state: State) -> Option<String> {
        let (status, stock, paid) = (self.status(state), self.stock(state), self.payment_name(state));
        let (ledger, holds) = (self.ledgers.get(state.ledger), self.ledgers.get(state.ledger).holds());
        let has_ended = matches!(status, Status::Cancelled | Status::Expired);
        if status == Status::Cancelling {
            return Some("stuck in cancelling".to_owned());
        }
        if self.has_dead_letters(state) {
            // Never redriven: the order has ended, and whoever missed the record is found by an audit.
            return (has_ended && holds != 0).then(|| format!("{}, and we keep the money", status.as_str()));
        }
        if has_ended || status == Status::Rejected {
            if holds != 0 {
                return Some(format!("{}, and we keep the money", status.as_str()));
            }
            if !matches!(stock, Some(Stock::Released | Stock::Rejected)) {
                return Some(format!("{}, and stock is {stock:?}", status.as_str()));
            }
            if matches!(paid, "none" | "awaiting" | "declined") {
                return Some(format!("{}, and payment is still {paid}", status.as_str()));
            }
        }
        let (captured, refunded) = self.books(state);
        let kept = if status == Status::Shipped { Stock::Shipped } else { Stock::Held };
        let is_sold = matches!(status, Status::Confirmed | Status::Shipped);
        if is_sold && (captured != TOTAL || !ledger.has_captured(&self.paying_key(state)) || stock != Some(kept)) {
            return Some(format!("{} with captured {captured}, stock {stock:?}", status.as_str()));
        }
        (captured - refunded != holds).then(|| "our books differ from the provider's".to_owned())
    }

    /// All is delivered: may the order really only wait for its deadline?
    fn idle_wrong(&self, state: State) -> Option<String> {
        let (status, paid) = (self.status(state), self.payment_name(state));
        match status {
            Status::Pending | Status::Reserved => {
                Some(format!("{}, and nothing but the deadline will end it", status.as_str()))
            }
            Status::PaymentFailed if paid != "declined" => Some(format!("payment_failed, and payment is {paid}")),
            _ => None,
        }
    }

    fn stock(&self, state: State) -> Option<Stock> {
        self.services.stocks.get(state.stock).status()
    }

    /// A cancel's mark is its payment's end; any other mark is no payment yet.
    fn payment_name(&self, state: State) -> &'static str {
        match self.services.payments.get(state.payment) {
            Some(Row::Payment(payment)) => match payment.state {
                PaymentState::Awaiting => "awaiting",
                PaymentState::Processing => "processing",
                PaymentState::Captured => "captured",
                PaymentState::Declined => "declined",
                PaymentState::Voided => "voided",
            },
            Some(Row::Mark(mark)) if mark.wanted == Wanted::Cancelled => "voided",
            Some(Row::Mark(_)) | None => "none",
        }
    }

    /// Captured and paid back, as payment knows it.
    fn books(&self, state: State) -> (i64, i64) {
        let payment = payment::payment(self.services.payments.get(state.payment));
        payment.map_or((0, 0), |payment| (payment.captured_minor(), payment.refunded_minor()))
    }

    /// The key of the charge that pays the order.
    fn paying_key(&self, state: State) -> String {
        let payment = payment::payment(self.services.payments.get(state.payment));
        let mut attempts = payment.into_iter().flat_map(|payment| &payment.attempts);
        let paying = attempts.find(|attempt| matches!(attempt.state, AttemptState::Captured { .. }));
        paying.map_or_else(String::new, |attempt| Attempt::key(crate::domains::ORDER, attempt.number))
    }
}
