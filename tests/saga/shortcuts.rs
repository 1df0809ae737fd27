//! What need not be explored, because something else that is explored shows the same.
//!
//! - A state is left out where another one covers it: the same, but in the other one more may happen.
//! - A record that changes nothing for its consumer, and never will, is taken for read.
//!
//! What is claimed to be so is checked: each claim by the real domain, its persistence over all changes that came up, and
//! both together by exploring the same with and without them.

use crate::domains::order;
use crate::fleet::{Fleet, State};
use crate::interned::{OrderId, PaymentId, RecordId, StockId};
use crate::services::{Input, Outcomes};
use crate::step::{Actor, Consumer};
use ::order::domain::Status;

/// That a record makes no difference any more to a row of the consumer, whatever else comes.
pub(crate) type Claim = (Consumer, u32, RecordId);

impl Fleet {
    /// Whether everything that can follow `other` can follow `state`, too: they differ in nothing, but that in `state`
    /// more may happen. (How often a cancel is sent again has to be the same: a cancel that is stuck must stay in sight.)
    pub(crate) fn covers(&self, state: State, other: State) -> bool {
        let same = State { budgets: state.budgets, past: state.past, ..other } == state;
        if !self.setup.shortcuts {
            return state == other;
        }
        same && state.budgets.cover(other.budgets)
            && (other.budgets.left(Actor::Rewind) == 0 || self.logs.ends_with(state.past, other.past))
    }

    /// Records that make no difference to their consumer any more are read at once, dead letters that make none are
    /// dropped, and so is what may happen to an order that has ended. As long as a record may still be published late, it
    /// is read no earlier than by others to whom it makes one.
    pub(crate) fn without_what_is_over(&mut self, mut state: State) -> State {
        for consumer in Consumer::ALL {
            while let Some(record) = self.unread(state, consumer)
                && self.is_over(consumer, state.row_of(consumer), record)
                && self.is_published(state, consumer, record)
            {
                state.at[consumer as usize] += 1;
            }
        }
        if self.has_dead_letters(state) {
            let mut dead = self.dead.get(state.dead).clone();
            dead.retain(|(consumer, record)| !self.is_over(*consumer, state.row_of(*consumer), *record));
            state.dead = self.dead.id(dead);
        }
        if self.has_ended(state.order) {
            let spent = [Actor::Cancel, Actor::Ship, Actor::CancelAgain];
            state.budgets = spent.into_iter().fold(state.budgets, |budgets, actor| budgets.with(actor, 0));
        }
        state
    }

    /// Whether the next record of the consumer, who does not mind, lies where it is for good, as far as others mind.
    fn is_published(&mut self, state: State, consumer: Consumer, record: RecordId) -> bool {
        let at = |consumer: Consumer| state.at[consumer as usize];
        let mut others = Consumer::of_topic(consumer.topic()).filter(|other| *other != consumer);
        state.budgets.left(Actor::Late) == 0
            || others.clone().any(|other| at(other) > at(consumer))
            || others.all(|other| self.is_over(other, state.row_of(other), record))
    }

    /// Whether the record changes nothing and is answered by nothing, now and whatever else comes first.
    fn is_over(&mut self, consumer: Consumer, row: u32, record: RecordId) -> bool {
        let claim = (consumer, row, record);
        if self.over.contains(&claim) {
            return true;
        }
        let input = Input::Record(record);
        let known = "a row that came up";
        let is_over = match consumer {
            Consumer::InventoryOfOrders => {
                let stock = StockId::try_from(row).expect(known);
                // What is shipped before it is heard of will yet be heard of.
                self.services.stocks.get(stock).reservation.is_some()
                    && self.services.inventory(stock, input).is_ok_and(|outcome| outcome.is_nothing_to(stock))
            }
            Consumer::PaymentOfOrders | Consumer::PaymentOfInventory => {
                let payment = PaymentId::try_from(row).expect(known);
                // A cancel that only waits for the result of a call will be answered when it comes again.
                !self.services.records.get(record).is_cancel()
                    && self.services.payment(payment, input).is_ok_and(|outcome| outcome.is_nothing_to(payment))
            }
            Consumer::OrderOfInventory | Consumer::OrderOfPayments => {
                let order = OrderId::try_from(row).expect(known);
                // What is given back before the order is cancelling may count when it comes again.
                (self.services.records.get(record).decides() || !self.may_be_cancelled(order))
                    && self.services.order(order, input).is_ok_and(|outcome| outcome.is_nothing_to(order))
            }
        };
        if is_over {
            self.over.insert(claim);
        }
        is_over
    }

    /// Follows every claim over every change of the row that came up.
    ///
    /// # Errors
    /// A record matters that was taken for over, or an order moves that had ended.
    pub(crate) fn shortcuts_hold(&mut self) -> Result<(), String> {
        let changes = [
            changes(&self.services.of_inventory),
            changes(&self.services.of_payment),
            changes(&self.services.of_order),
        ];
        let mut claims: Vec<Claim> = self.over.iter().copied().collect();
        while let Some((consumer, row, record)) = claims.pop() {
            let service = match consumer {
                Consumer::InventoryOfOrders => 0,
                Consumer::PaymentOfOrders | Consumer::PaymentOfInventory => 1,
                Consumer::OrderOfInventory | Consumer::OrderOfPayments => 2,
            };
            for (_, after) in changes[service].iter().filter(|(before, _)| *before == row) {
                if self.over.contains(&(consumer, *after, record)) {
                    continue;
                }
                if !self.is_over(consumer, *after, record) {
                    let label = self.services.records.get(record).label();
                    return Err(format!("{label} was taken for over, and matters to {}", consumer.name()));
                }
                claims.push((consumer, *after, record));
            }
        }
        for row in (0..u16::try_from(self.services.orders.len()).expect("few")).map(OrderId) {
            if !self.has_ended(row) {
                continue;
            }
            for input in [Input::Cancel, Input::Ship, Input::Due] {
                if !self.services.order(row, input).is_ok_and(|outcome| outcome.is_nothing_to(row)) {
                    return Err(format!("{input:?} moves an order that had ended"));
                }
            }
        }
        Ok(())
    }

    fn may_be_cancelled(&self, row: OrderId) -> bool {
        order::rank(self.services.orders.get(row).order.status) < order::rank(Status::Cancelling)
    }

    fn has_ended(&self, row: OrderId) -> bool {
        order::rank(self.services.orders.get(row).order.status) > order::rank(Status::Cancelling)
    }
}

impl State {
    fn row_of(self, consumer: Consumer) -> u32 {
        match consumer {
            Consumer::InventoryOfOrders => self.stock.into(),
            Consumer::PaymentOfOrders | Consumer::PaymentOfInventory => self.payment.into(),
            Consumer::OrderOfInventory | Consumer::OrderOfPayments => self.order.into(),
        }
    }
}

/// From which row to which.
fn changes<Id: Copy + Into<u32>>(outcomes: &Outcomes<Id>) -> Vec<(u32, u32)> {
    let done = outcomes.iter().filter_map(|((before, _), outcome)| outcome.as_ref().ok().map(|o| (*before, o.row)));
    done.map(|(before, after)| (before.into(), after.into())).filter(|(before, after)| before != after).collect()
}
