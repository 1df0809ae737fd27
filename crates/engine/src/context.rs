//! What `apply` may know and do besides changing rows: the time, new ids, events and effects.

use common::events::{Envelope, Topic, TopicEvent, encode};
use common::trace::Trace;
use std::borrow::Cow;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// Where new ids come from: the clock, or (in tests that explore) a counter.
#[derive(Debug, Clone)]
pub enum Ids {
    V7,
    Counted(u128),
}

impl Ids {
    fn next(&mut self) -> Uuid {
        match self {
            Self::V7 => common::ids::new(),
            Self::Counted(n) => {
                *n += 1;
                Uuid::from_u128(*n)
            }
        }
    }
}

/// An event that is committed with the batch and then published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    pub topic: &'static Topic,
    pub event_type: &'static str,
    pub key: Uuid,
    /// The CloudEvent, as JSON.
    pub value: String,
    pub trace: Trace,
}

/// Who caused a command.
#[derive(Debug, Clone)]
pub struct Cause {
    pub at: OffsetDateTime,
    pub trace: Trace,
    pub correlation_id: String,
    pub causation_id: String,
}

/// Handed to `apply` with each command; collects what the whole batch emits.
#[derive(Debug)]
pub struct Context<E> {
    source: Cow<'static, str>,
    ids: Ids,
    cause: Cause,
    pub(crate) records: Vec<NewRecord>,
    /// Where in `records` the folded ones stand.
    folded: HashMap<(&'static str, Uuid), usize>,
    pub(crate) effects: Vec<(Cause, E)>,
    pub(crate) ignored: Vec<&'static str>,
}

impl<E> Context<E> {
    /// `service`: the name that makes the events' source, such as `order-service`.
    #[must_use]
    pub fn new(service: &str, ids: Ids, cause: Cause) -> Self {
        Self {
            source: Cow::Owned(format!("/{service}")),
            ids,
            cause,
            records: Vec::new(),
            folded: HashMap::new(),
            effects: Vec::new(),
            ignored: Vec::new(),
        }
    }

    /// Goes on with the next command of the batch.
    pub fn caused_by(&mut self, cause: Cause) {
        self.cause = cause;
    }

    /// When the command arrived.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.cause.at
    }

    #[must_use]
    pub fn trace(&self) -> Trace {
        self.cause.trace
    }

    /// The event or the request that brought the command.
    #[must_use]
    pub fn causation_id(&self) -> &str {
        &self.cause.causation_id
    }

    pub fn new_id(&mut self) -> Uuid {
        self.ids.next()
    }

    /// Publishes `event` after the commit, in the order of the calls. `sequence` is the aggregate's version.
    pub fn emit<T: TopicEvent>(&mut self, sequence: i64, event: &T) {
        let record = self.record(sequence, event);
        self.records.push(record);
    }

    /// As [`Context::emit`], but of one type and key a batch publishes only the last.
    pub fn emit_folded<T: TopicEvent>(&mut self, sequence: i64, event: &T) {
        let record = self.record(sequence, event);
        match self.folded.get(&(record.event_type, record.key)) {
            Some(at) => self.records[*at] = record,
            None => {
                self.folded.insert((record.event_type, record.key), self.records.len());
                self.records.push(record);
            }
        }
    }

    /// Starts `effect` after the commit.
    pub fn effect(&mut self, effect: E) {
        self.effects.push((self.cause.clone(), effect));
    }

    /// Counts an event that changed nothing, by the reason.
    pub fn ignore(&mut self, why: &'static str) {
        self.ignored.push(why);
    }

    /// What was emitted since the last call.
    pub fn take_records(&mut self) -> Vec<NewRecord> {
        self.folded.clear();
        std::mem::take(&mut self.records)
    }

    /// The effects that were started since the last call.
    pub fn take_effects(&mut self) -> Vec<E> {
        std::mem::take(&mut self.effects).into_iter().map(|(_, effect)| effect).collect()
    }

    fn record<T: TopicEvent>(&mut self, sequence: i64, event: &T) -> NewRecord {
        let envelope = Envelope {
            id: self.ids.next(),
            source: self.source.clone(),
            time: self.cause.at,
            sequence,
            correlation_id: self.cause.correlation_id.clone(),
            causation_id: self.cause.causation_id.clone(),
        };
        NewRecord {
            topic: T::topic(),
            event_type: event.event_type(),
            key: event.key(),
            value: encode(&envelope, event),
            trace: self.cause.trace.child(),
        }
    }
}

impl Cause {
    /// A request's.
    pub(crate) fn of(trace: Trace, request_id: &str) -> Self {
        let id = request_id.to_owned();
        Self { at: common::clock::now(), trace, correlation_id: id.clone(), causation_id: id }
    }

    /// A cause of its own, for timers and tests.
    #[must_use]
    pub fn own(at: OffsetDateTime) -> Self {
        let trace = Trace::start();
        Self { at, trace, correlation_id: trace.trace_id(), causation_id: trace.trace_id() }
    }
}
