//! All that can happen next.

use crate::fleet::{Fleet, State};
use crate::interned::{CallId, LedgerId, RecordId};
use crate::provider::{Answer, Mood};
use crate::services::{Input, Outcome};
use crate::step::{Actor, Consumer, Fate, Step};
use order::domain::Status;

/// What can follow a state.
#[derive(Default)]
pub(crate) struct Next {
    pub(crate) states: Vec<(Step, State)>,
    /// What must not happen at all.
    pub(crate) fault: Option<(Step, String)>,
}

impl Fleet {
    pub(crate) fn next(&mut self, state: State, next: &mut Next) {
        next.states.clear();
        for consumer in Consumer::ALL {
            self.delivery(state, consumer, next);
        }
        self.redrive(state, next);
        self.provider_answers(state, next);
        self.time_passes(state, next);
        self.people_ask(state, next);
        self.late_publishing(state, next);
        self.rewinds(state, next);
        for (_, after) in &mut next.states {
            let rest = if self.setup.shortcuts { self.without_what_is_over(*after) } else { *after };
            *after = self.passed(rest);
        }
    }

    fn delivery(&mut self, state: State, consumer: Consumer, next: &mut Next) {
        let Some(record) = self.unread(state, consumer) else { return };
        let mut passed = state;
        passed.at[consumer as usize] += 1;
        self.sees(passed, consumer, record, Step::Sees(consumer, record), next);
        if let Some(budgets) = state.budgets.spend(Actor::DeadLetter) {
            let mut dead = self.dead.get(state.dead).clone();
            dead.push((consumer, record));
            dead.sort_unstable();
            let after = State { dead: self.dead.id(dead), budgets, ..passed };
            next.states.push((Step::DeadLetter(consumer, record), after));
        }
    }

    fn redrive(&mut self, state: State, next: &mut Next) {
        if !self.setup.redrives {
            return;
        }
        let dead = self.dead.get(state.dead).clone();
        for (at, (consumer, record)) in dead.iter().enumerate() {
            let mut rest = dead.clone();
            rest.remove(at);
            let after = State { dead: self.dead.id(rest), ..state };
            self.sees(after, *consumer, *record, Step::Redrive(*consumer, *record), next);
        }
    }

    fn provider_answers(&mut self, state: State, next: &mut Next) {
        let calls = self.calls.get(state.calls).clone();
        for (at, call) in calls.iter().enumerate() {
            let mut rest = calls.clone();
            rest.remove(at);
            let over = State { calls: self.calls.id(rest), ..state };
            for (fate, mood, actor, is_made, is_answered) in [
                (Fate::Answered, Mood::Fair, None, true, true),
                (Fate::Declined, Mood::Declines, Some(Actor::Decline), true, true),
                (Fate::Refused, Mood::Refuses, Some(Actor::Refuse), true, true),
                (Fate::DoneUnheard, Mood::Fair, Some(Actor::Lost), true, false),
                (Fate::DoneUnanswered, Mood::Fair, Some(Actor::Lost), true, true),
                (Fate::NeverMade, Mood::Fair, Some(Actor::Lost), false, false),
                (Fate::LostUnanswered, Mood::Fair, Some(Actor::Lost), false, true),
            ] {
                let Some(budgets) = actor.map_or(Some(over.budgets), |actor| over.budgets.spend(actor)) else {
                    continue;
                };
                let mut after = State { budgets, ..over };
                let mut answer = Answer::Unknown;
                if is_made {
                    let Some((ledger, done)) = self.called(state.ledger, *call, mood) else { continue };
                    after.ledger = ledger;
                    answer = if fate == Fate::DoneUnanswered { Answer::Unknown } else { done };
                }
                let step = Step::Call(*call, fate);
                if is_answered {
                    self.payment_gets(after, Input::Answer(*call, answer), step, next);
                } else {
                    next.states.push((step, after));
                }
            }
        }
    }

    /// What the provider then has on its books, and answers.
    fn called(&mut self, ledger: LedgerId, call: CallId, mood: Mood) -> Option<(LedgerId, Answer)> {
        if let Some(known) = self.answers.get(&(ledger, call, mood)) {
            return *known;
        }
        let mut after = self.ledgers.get(ledger).clone();
        let answer = after.call(self.services.calls.get(call), mood);
        let answer = answer.map(|answer| (self.ledgers.id(after), answer));
        self.answers.insert((ledger, call, mood), answer);
        answer
    }

    fn captured_after_all(&mut self, ledger: LedgerId, attempt: u8) -> Option<LedgerId> {
        if let Some(known) = self.captures.get(&(ledger, attempt)) {
            return *known;
        }
        let mut after = self.ledgers.get(ledger).clone();
        let captured = after.capture_after_all(attempt).then(|| self.ledgers.id(after));
        self.captures.insert((ledger, attempt), captured);
        captured
    }

    fn time_passes(&mut self, state: State, next: &mut Next) {
        if self.payment_is_due(state) {
            if self.calls.get(state.calls).is_empty() {
                self.payment_gets(state, Input::Due, Step::CallDue, next);
            } else if let Some(budgets) = state.budgets.spend(Actor::Lost) {
                self.payment_gets(State { budgets, ..state }, Input::Due, Step::CallDueTooEarly, next);
            }
        }
        for attempt in 1..=u8::try_from(payment::domain::MAX_ATTEMPTS).expect("few") {
            let Some(budgets) = state.budgets.spend(Actor::CaptureAfterAll) else { break };
            if let Some(ledger) = self.captured_after_all(state.ledger, attempt) {
                let after = State { budgets, ledger, ..state };
                let step = Step::CapturedAfterAll(attempt);
                self.payment_gets(after, Input::CapturedAfterAll(attempt), step, next);
            }
        }
        let status = self.status(state);
        if status.awaits_payment() {
            self.order_gets(state, Input::Due, Step::Deadline, next);
        } else if status == Status::Cancelling
            && self.may_resend(state)
            && let Some(budgets) = state.budgets.spend(Actor::CancelAgain)
        {
            self.order_gets(State { budgets, ..state }, Input::Due, Step::CancelSentAgain, next);
        }
    }

    /// Whatever anybody may ask for, where it changes something.
    fn people_ask(&mut self, state: State, next: &mut Next) {
        let unchanged = |after: State| State { budgets: state.budgets, ..after } == state;
        let before = next.states.len();
        for (actor, input, step) in
            [(Actor::Cancel, Input::Cancel, Step::Cancel), (Actor::Ship, Input::Ship, Step::Ship)]
        {
            if let Some(budgets) = state.budgets.spend(actor) {
                self.order_gets(State { budgets, ..state }, input, step, next);
            }
        }
        for (actor, input, step) in [
            (Actor::PayAgain, Input::PayAgain, Step::PayAgain),
            (Actor::Refund, Input::Refund(1), Step::Refund(1)),
            (Actor::Refund, Input::Refund(2), Step::Refund(2)),
        ] {
            if let Some(budgets) = state.budgets.spend(actor) {
                self.payment_gets(State { budgets, ..state }, input, step, next);
            }
        }
        let asked = next.states.split_off(before);
        next.states.extend(asked.into_iter().filter(|(_, after)| !unchanged(*after)));
    }

    fn late_publishing(&mut self, state: State, next: &mut Next) {
        let Some(budgets) = state.budgets.spend(Actor::Late) else { return };
        for topic in 0..3 {
            let read = Consumer::of_topic(topic).map(|consumer| state.at[consumer as usize]).max().unwrap_or(0);
            let records = self.logs.of(state.logs, topic).to_vec();
            for (at, record) in
                records.iter().enumerate().skip(read.into()).take_while(|(at, _)| at + 1 < records.len())
            {
                let logs = self.logs.delay(state.logs, topic, at);
                next.states.push((Step::PublishedLate(*record), State { budgets, logs, ..state }));
            }
        }
    }

    fn rewinds(&mut self, state: State, next: &mut Next) {
        let Some(budgets) = state.budgets.spend(Actor::Rewind) else { return };
        for consumer in Consumer::ALL {
            let topic = consumer.topic();
            let read = u8::try_from(self.logs.of(state.past, topic).len()).expect("few records");
            let (past, logs) = self.logs.take_back(state.past, state.logs, topic);
            let mut whole = State { budgets, past, logs, ..state };
            for reader in Consumer::of_topic(topic) {
                whole.at[reader as usize] += read;
            }
            for at in 0..whole.at[consumer as usize] {
                let mut after = whole;
                after.at[consumer as usize] = at;
                next.states.push((Step::Rewind(consumer, at), after));
            }
        }
    }

    fn sees(&mut self, state: State, consumer: Consumer, record: RecordId, step: Step, next: &mut Next) {
        let input = Input::Record(record);
        match consumer {
            Consumer::InventoryOfOrders => match self.services.inventory(state.stock, input) {
                Ok(outcome) => {
                    let logs = self.published(state.logs, &outcome.records);
                    next.states.push((step, State { stock: outcome.row, logs, ..state }));
                }
                Err(fault) => next.fault = Some((step, fault)),
            },
            Consumer::OrderOfInventory | Consumer::OrderOfPayments => self.order_gets(state, input, step, next),
            Consumer::PaymentOfOrders | Consumer::PaymentOfInventory => self.payment_gets(state, input, step, next),
        }
    }

    fn order_gets(&mut self, state: State, input: Input, step: Step, next: &mut Next) {
        match self.services.order(state.order, input) {
            Ok(outcome) => {
                let logs = self.published(state.logs, &outcome.records);
                next.states.push((step, State { order: outcome.row, logs, ..state }));
            }
            Err(fault) => next.fault = Some((step, fault)),
        }
    }

    fn payment_gets(&mut self, state: State, input: Input, step: Step, next: &mut Next) {
        match self.services.payment(state.payment, input) {
            Ok(outcome) => {
                let Outcome { row, records, calls } = &*outcome;
                let logs = self.published(state.logs, records);
                let mut after = State { payment: *row, logs, ..state };
                if !calls.is_empty() {
                    let under_way = self.calls.get(after.calls).iter().chain(calls).copied().collect();
                    after.calls = self.calls.id(under_way);
                }
                next.states.push((step, after));
            }
            Err(fault) => next.fault = Some((step, fault)),
        }
    }

    /// What all consumers of a topic have read is past, and where none can read it again it is forgotten.
    fn passed(&mut self, mut state: State) -> State {
        let slowest = |topic| Consumer::of_topic(topic).map(|consumer| state.at[consumer as usize]).min().unwrap_or(0);
        let read = [0, 1, 2].map(slowest);
        if read != [0; 3] {
            (state.past, state.logs) = self.logs.pass(state.past, state.logs, read);
            for consumer in Consumer::ALL {
                state.at[consumer as usize] -= read[consumer.topic()];
            }
        }
        if self.setup.shortcuts && state.budgets.left(Actor::Rewind) == 0 {
            state.past = self.logs.empty();
        }
        state
    }
}
