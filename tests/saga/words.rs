//! Steps in words.

use crate::fleet::Fleet;
use crate::step::{Fate, Step};
use payment::domain::Effect;

impl Fleet {
    pub(crate) fn tell(&self, step: Step) -> String {
        let record = |id| self.services.records.get(id).label();
        match step {
            Step::Sees(consumer, id) => format!("{} sees {}", consumer.name(), record(id)),
            Step::DeadLetter(consumer, id) => format!("{} of {} goes to the dead letters", record(id), consumer.name()),
            Step::Redrive(consumer, id) => format!("{} sees {}, redriven", consumer.name(), record(id)),
            Step::Rewind(consumer, at) => {
                format!("{} reads again from record {at} of {}", consumer.name(), topic(consumer))
            }
            Step::PublishedLate(id) => format!("{} is published late", record(id)),
            Step::Call(id, fate) => format!("{}: {}", call(self.services.calls.get(id)), told(fate)),
            Step::CallDue => "payment looks again at what is due".to_owned(),
            Step::CallDueTooEarly => "payment looks again, while a slow call is still under way".to_owned(),
            Step::CapturedAfterAll(attempt) => format!("the provider captures attempt {attempt} after it declined it"),
            Step::Deadline => "the deadline strikes".to_owned(),
            Step::CancelSentAgain => "order.cancelled is sent again".to_owned(),
            Step::Cancel => "the customer cancels".to_owned(),
            Step::Ship => "an admin ships".to_owned(),
            Step::PayAgain => "the customer pays again".to_owned(),
            Step::Refund(minor) => format!("an admin refunds {minor}"),
        }
    }
}

fn topic(consumer: crate::step::Consumer) -> &'static str {
    crate::topics::TOPICS[consumer.topic()].name
}

fn call(effect: &Effect) -> String {
    match effect {
        Effect::Charge(intent) => format!("charge {}", intent.attempt),
        Effect::LookUpCharge(intent) => format!("charge {}, looked up", intent.attempt),
        Effect::Refund(intent) => format!("refund {} of {}", intent.number, intent.amount.amount_minor()),
        Effect::LookUpRefund(intent) => format!("refund {}, looked up", intent.number),
    }
}

fn told(fate: Fate) -> &'static str {
    match fate {
        Fate::Answered => "done",
        Fate::Declined => "declined",
        Fate::Refused => "refused",
        Fate::DoneUnheard => "done, and whoever called dies before he hears of it",
        Fate::DoneUnanswered => "done, and the answer times out",
        Fate::NeverMade => "never made, because whoever was to call dies",
        Fate::LostUnanswered => "lost on the way, and the answer times out",
    }
}
