//! The topics: each one a log of the order's records.

use crate::domains::ORDER;
use crate::interned::{Interned, LogsId, RecordId};
use common::events::{INVENTORY_UPDATED, ORDER_CREATED, PAYMENT_COMPLETED, PaymentEvent, Topic, decode};
use engine::NewRecord;
use hashbrown::HashMap;

pub(crate) static TOPICS: [&Topic; 3] = [&ORDER_CREATED, &INVENTORY_UPDATED, &PAYMENT_COMPLETED];

/// A record as it lies in its topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    /// The place of its topic in [`TOPICS`].
    pub(crate) topic: usize,
    event_type: &'static str,
    pub(crate) value: String,
}

impl Record {
    /// Those that some consumer of the saga reads; `stock.changed` is a product's.
    pub(crate) fn of(new: NewRecord) -> Option<Self> {
        let topic = TOPICS.iter().position(|topic| *topic == new.topic)?;
        (new.key == ORDER).then_some(Self { topic, event_type: new.event_type, value: new.value })
    }

    pub(crate) fn is_cancel(&self) -> bool {
        self.event_type == "order.cancelled.v1"
    }

    /// Whether it is about whether there is stock and money, not about whether they are back.
    pub(crate) fn decides(&self) -> bool {
        let of = ["inventory.reserved.v1", "inventory.rejected.v1", "payment.captured.v1", "payment.declined.v1"];
        of.contains(&self.event_type)
    }

    /// For people: its type, and of a payment what is captured and paid back.
    pub(crate) fn label(&self) -> String {
        let name = self.event_type.trim_end_matches(".v1");
        match decode::<PaymentEvent>(Some(self.value.as_bytes())) {
            Ok(received) if self.topic == 2 => match received.event {
                Some(event) => {
                    let fact = event.fact();
                    format!("{name} ({} captured, {} paid back)", fact.captured.get(), fact.refunded.get())
                }
                None => name.to_owned(),
            },
            _ => name.to_owned(),
        }
    }
}

/// All logs of the three topics that came up, by number.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    logs: Interned<[Vec<RecordId>; 3]>,
    appended: HashMap<(LogsId, RecordId), LogsId>,
    passed: HashMap<(LogsId, LogsId, [u8; 3]), (LogsId, LogsId)>,
}

impl Logs {
    pub(crate) fn empty(&mut self) -> LogsId {
        self.logs.id(Default::default())
    }

    pub(crate) fn of(&self, logs: LogsId, topic: usize) -> &[RecordId] {
        &self.logs.get(logs)[topic]
    }

    pub(crate) fn append(&mut self, logs: LogsId, topic: usize, record: RecordId) -> LogsId {
        if let Some(known) = self.appended.get(&(logs, record)) {
            return *known;
        }
        let mut longer = self.logs.get(logs).clone();
        longer[topic].push(record);
        let longer = self.logs.id(longer);
        self.appended.insert((logs, record), longer);
        longer
    }

    /// Moves the first `read` records of each topic from `logs` to the end of `past`.
    pub(crate) fn pass(&mut self, past: LogsId, logs: LogsId, read: [u8; 3]) -> (LogsId, LogsId) {
        if let Some(known) = self.passed.get(&(past, logs, read)) {
            return *known;
        }
        let (mut before, mut after) = (self.logs.get(past).clone(), self.logs.get(logs).clone());
        for topic in 0..3 {
            before[topic].extend(after[topic].drain(..usize::from(read[topic])));
        }
        let passed = (self.logs.id(before), self.logs.id(after));
        self.passed.insert((past, logs, read), passed);
        passed
    }

    /// The other way round, for all that one topic has in its past.
    pub(crate) fn take_back(&mut self, past: LogsId, logs: LogsId, topic: usize) -> (LogsId, LogsId) {
        let (mut before, mut after) = (self.logs.get(past).clone(), self.logs.get(logs).clone());
        let read = std::mem::take(&mut before[topic]);
        after[topic].splice(0..0, read);
        (self.logs.id(before), self.logs.id(after))
    }

    /// The record at `at` comes last.
    pub(crate) fn delay(&mut self, logs: LogsId, topic: usize, at: usize) -> LogsId {
        let mut later = self.logs.get(logs).clone();
        let late = later[topic].remove(at);
        later[topic].push(late);
        self.logs.id(later)
    }

    /// Whether whoever may go back in `past` may go back to whatever is in `shorter`.
    pub(crate) fn ends_with(&self, past: LogsId, shorter: LogsId) -> bool {
        past == shorter || (0..3).all(|topic| self.of(past, topic).ends_with(self.of(shorter, topic)))
    }
}
