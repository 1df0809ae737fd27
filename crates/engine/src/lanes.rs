//! The bounded queues before the writer, and the slots in which requests wait for their answers.
//!
//! Requests may fill only their own lane, so that a burst of orders never starves the events, effect results and timers
//! that finish the orders already taken.

use crate::answer::Answer;
use crate::context::Cause;
use crate::dead_letters::Settlement;
use crate::failpoints::{Guard, is_off};
use crate::held::{Held, Lowest, Manners};
use metrics::{Counter, Histogram};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The request was not and will not be applied: HTTP 503 with Retry-After.
    #[error("too busy, or a dependency is away; not applied")]
    Busy,
    /// It may have been applied: HTTP 504, with the id that it would have.
    #[error("the outcome is not known yet")]
    OutcomeUnknown { id: Option<Uuid> },
    /// Applying it failed for good: HTTP 500.
    #[error("the command failed")]
    Failed,
}

/// Scope (the caller), key and fingerprint of a request that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub scope: String,
    pub key: String,
    /// SHA-256 of method, path and body.
    pub fingerprint: [u8; 32],
}

/// One command on its way through the writer.
pub(crate) struct Item<C> {
    pub(crate) origin: Origin,
    pub(crate) work: Work<C>,
    pub(crate) cause: Cause,
    /// Since when it waits in its lane.
    since: Instant,
    /// Whether it has let others go first.
    pub(crate) was_held: bool,
}

impl<C> Item<C> {
    /// To be put into its lane at once.
    pub(crate) fn new(origin: Origin, work: Work<C>, cause: Cause) -> Self {
        Self { origin, work, cause, since: Instant::now(), was_held: false }
    }

    pub(crate) fn idempotency(&self) -> Option<&IdempotencyKey> {
        match &self.origin {
            Origin::Request { idempotency, .. } => idempotency.as_ref(),
            _ => None,
        }
    }

    pub(crate) fn settlement(&self) -> Option<&Settlement> {
        match &self.origin {
            Origin::Request { settlement, .. } => settlement.as_ref(),
            _ => None,
        }
    }
}

/// What is to be done.
pub(crate) enum Work<C> {
    Command(C),
    /// Nothing: a record that this version does not know. Its offset is stored in its turn.
    Skip,
    /// Judged: a dead letter, a 500 or a backoff, for this reason.
    Condemned(String),
}

/// Who waits for it.
pub(crate) enum Origin {
    Request {
        slot: Arc<Slot>,
        idempotency: Option<IdempotencyKey>,
        /// Where it is about a dead letter, whose record is then its work.
        settlement: Option<Settlement>,
    },
    Event(Record),
    Timer {
        key: Uuid,
        _done: mpsc::Sender<Infallible>,
    },
    Effect {
        _permit: OwnedSemaphorePermit,
    },
}

/// A topic, and the number of one of its partitions.
pub(crate) type Partition = (&'static str, i32);

/// A consumed record, kept for its offset and in case that it becomes a dead letter.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) topic: &'static str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) truncated: bool,
}

/// How many commands wait in each lane at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) requests: usize,
    pub(crate) events: usize,
    pub(crate) effects: usize,
    pub(crate) timers: usize,
}

/// Where commands are put.
pub(crate) struct Inlets<C> {
    pub(crate) requests: mpsc::Sender<Item<C>>,
    pub(crate) events: mpsc::Sender<Item<C>>,
    pub(crate) effects: mpsc::Sender<Item<C>>,
    pub(crate) timers: mpsc::Sender<Item<C>>,
}

/// Where the writer takes them.
pub(crate) struct Lanes<C> {
    /// What finishes work that was taken comes before what brings more of it.
    lanes: [mpsc::Receiver<Item<C>>; 4],
    /// The lane whose share the next batch takes first, so that a small `BATCH_MAX` starves none.
    first: usize,
    held: Held<C>,
    closed: bool,
    counts: [Counts; 4],
    /// Requests that went before events without right: none, or the lanes are broken.
    overtaking: Counter,
}

/// What `/metrics` tells of a lane.
struct Counts {
    taken: Counter,
    waited: Histogram,
}

impl Counts {
    fn of(lane: &'static str) -> Self {
        Self {
            taken: metrics::counter!("rtoms_commands_total", "lane" => lane),
            waited: metrics::histogram!("rtoms_lane_wait_seconds", "lane" => lane),
        }
    }
}

const NAMES: [&str; 4] = ["effects", "timers", "events", "requests"];
const EVENTS: usize = 2;
const REQUESTS: usize = 3;

pub(crate) fn lanes<C>(bounds: Bounds, manners: Manners<C>) -> (Inlets<C>, Lanes<C>) {
    let (effects, effect_lane) = mpsc::channel(bounds.effects);
    let (timers, timer_lane) = mpsc::channel(bounds.timers);
    let (events, event_lane) = mpsc::channel(bounds.events);
    let (requests, request_lane) = mpsc::channel(bounds.requests);
    let lanes = [effect_lane, timer_lane, event_lane, request_lane];
    let overtaking = metrics::counter!("rtoms_lane_overtaking_total");
    let (held, counts) = (Held::new(manners), NAMES.map(Counts::of));
    (Inlets { requests, events, effects, timers }, Lanes { lanes, first: 0, held, closed: false, counts, overtaking })
}

/// What is being gathered.
struct Batch<C> {
    items: Vec<Item<C>>,
    max: usize,
    /// From each lane, with those that wait.
    taken: [usize; 4],
}

impl<C> Batch<C> {
    fn new(max: usize) -> Self {
        Self { items: Vec::new(), max, taken: [0; 4] }
    }
}

impl<C> Lanes<C> {
    /// Waits for one command and takes up to `max` of what has arrived, with the events that wait for one of these;
    /// `None` once all lanes are closed and empty. While `take_events` is false, events stay where they are.
    pub(crate) async fn gather(&mut self, max: usize, take_events: bool) -> Option<Vec<Item<C>>> {
        let share = (max / 4).max(1);
        if is_off(Guard::LaneShares) {
            let mut batch = Batch::new(max);
            let waiting = self.lanes[EVENTS].len();
            self.take_some(&mut batch, REQUESTS, max);
            if !batch.items.is_empty() {
                self.count_overtaking(&batch, share, waiting);
                return Some(batch.items);
            }
        }
        loop {
            let mut batch = Batch::new(max);
            let patience_ends = self.held.first_end().filter(|_| take_events);
            let [effects, timers, events, requests] = &mut self.lanes;
            let first = tokio::select! {
                Some(item) = effects.recv() => Some((0, item)),
                Some(item) = timers.recv() => Some((1, item)),
                Some(item) = events.recv(), if take_events => Some((EVENTS, item)),
                Some(item) = requests.recv() => Some((REQUESTS, item)),
                () = sleep_until(patience_ends.unwrap_or_else(Instant::now)), if patience_ends.is_some() => None,
                else => return None,
            };
            let waiting = if take_events { self.lanes[EVENTS].len() } else { 0 };
            let now = Instant::now();
            self.held.forget(now);
            if take_events {
                batch.items = self.held.ended(now, max);
            }
            if let Some((lane, item)) = first {
                self.take(&mut batch, lane, item);
            }
            // A quarter each, so that requests go on being taken; then the rest in the lanes' order.
            for (share, first) in [(share, self.first), (max, 0)] {
                for step in 0..4 {
                    let lane = (first + step) % 4;
                    if lane != EVENTS || take_events {
                        self.take_some(&mut batch, lane, share);
                    }
                }
            }
            self.first = (self.first + 1) % 4;
            self.count_overtaking(&batch, share, waiting);
            if !batch.items.is_empty() {
                return Some(batch.items);
            }
        }
    }

    /// Of a batch that left some of the events that were `waiting` before: its requests beyond their share.
    fn count_overtaking(&self, batch: &Batch<C>, share: usize, waiting: usize) {
        // The first command may have been a request, beside which the share is counted.
        if batch.taken[REQUESTS] > share + 1 && batch.taken[EVENTS] < waiting {
            self.overtaking.increment((batch.taken[REQUESTS] - share) as u64);
        }
    }

    /// Of what is in a lane, until it has its `share` of the batch; what waits for another has none.
    fn take_some(&mut self, batch: &mut Batch<C>, lane: usize, share: usize) {
        let end = batch.items.len().saturating_add(share).min(batch.max);
        while batch.items.len() < end {
            let Ok(item) = self.lanes[lane].try_recv() else { return };
            self.take(batch, lane, item);
        }
    }

    /// A request whose handler has given up is left out; any other is claimed, so that its handler waits on.
    fn take(&mut self, batch: &mut Batch<C>, lane: usize, item: Item<C>) {
        self.counts[lane].taken.increment(1);
        self.counts[lane].waited.record(item.since.elapsed());
        if let Origin::Request { slot, .. } = &item.origin
            && !slot.claim()
            && !is_off(Guard::ClaimFirst)
        {
            return;
        }
        batch.taken[lane] += 1;
        // Who wants transactions of one command wants no pairs.
        let may_wait = lane == EVENTS && batch.max > 1 && !self.closed;
        self.held.pass(item, may_wait, &mut batch.items);
    }

    /// Up to where offsets may be stored while some of what was taken waits.
    pub(crate) fn lowest_held(&self) -> Lowest {
        self.held.lowest_offsets()
    }

    /// No more requests and events are taken in; what waits is finished.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.held.end_all();
        for lane in &mut self.lanes {
            lane.close();
        }
    }
}

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const WITHDRAWN: u8 = 2;

type Reply = Result<Answer, Refused>;

/// Where a request waits: until the writer claims it, its handler may withdraw it.
pub(crate) struct Slot {
    state: AtomicU8,
    reply: Mutex<Option<oneshot::Sender<Reply>>>,
}

impl Slot {
    pub(crate) fn new() -> (Arc<Self>, oneshot::Receiver<Reply>) {
        let (sender, receiver) = oneshot::channel();
        (Arc::new(Self { state: AtomicU8::new(WAITING), reply: Mutex::new(Some(sender)) }), receiver)
    }

    /// By the writer, when it takes the command; false where the handler was faster.
    pub(crate) fn claim(&self) -> bool {
        self.state.compare_exchange(WAITING, CLAIMED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// By the handler, when its time has run out; false where the writer was faster.
    pub(crate) fn withdraw(&self) -> bool {
        self.state.compare_exchange(WAITING, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Only the first answer counts.
    pub(crate) fn answer(&self, reply: Reply) {
        if let Some(sender) = self.reply.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The handler may be gone with its client: the command stays applied.
            let _ = sender.send(reply);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::OffsetDateTime;

    fn request(slot: Arc<Slot>) -> Item<u32> {
        let cause = Cause::own(OffsetDateTime::UNIX_EPOCH);
        Item::new(Origin::Request { slot, idempotency: None, settlement: None }, Work::Command(1), cause)
    }

    fn event(offset: i64) -> Item<u32> {
        event_of(offset, Work::Skip)
    }

    fn event_of(offset: i64, work: Work<u32>) -> Item<u32> {
        let record = Record { topic: "t", partition: 0, offset, key: None, value: None, truncated: false };
        Item::new(Origin::Event(record), work, Cause::own(OffsetDateTime::UNIX_EPOCH))
    }

    /// A command's tens are its root; those without ones may wait.
    const MANNERS: Manners<u32> = Manners {
        root: |command| Some(Uuid::from_u128(u128::from(command / 10))),
        may_wait: |command| command % 10 == 0,
    };

    fn patient_lanes(commands: &[u32]) -> Lanes<u32> {
        let (inlets, lanes) = lanes(BOUNDS, MANNERS);
        for (offset, command) in (0..).zip(commands) {
            inlets.events.try_send(event_of(offset, Work::Command(*command))).unwrap();
        }
        // So that the lanes do not look closed.
        std::mem::forget(inlets);
        lanes
    }

    async fn commands(lanes: &mut Lanes<u32>) -> Vec<u32> {
        let batch = lanes.gather(10, true).await.unwrap();
        let command = |item: &Item<u32>| if let Work::Command(command) = item.work { command } else { 0 };
        batch.iter().map(command).collect()
    }

    #[tokio::test]
    async fn an_event_waits_for_the_next_of_its_root() {
        let began = Instant::now();
        let mut lanes = patient_lanes(&[10, 20, 31, 11]);
        assert_eq!(commands(&mut lanes).await, [31, 10, 11]);
        assert_eq!(lanes.lowest_held(), Lowest::from([(("t", 0), 1)]));
        assert_eq!(commands(&mut lanes).await, [20], "nobody came");
        assert!(began.elapsed().as_millis() >= 200);
        assert!(lanes.lowest_held().is_empty());
    }

    #[tokio::test]
    async fn who_waits_takes_nobodys_place() {
        let (inlets, mut lanes) = lanes(BOUNDS, MANNERS);
        for root in 1..=50 {
            for (offset, command) in [(2 * root, 10 * root), (2 * root + 1, 10 * (root + 50) + 1)] {
                let command = Work::Command(u32::try_from(command).unwrap());
                inlets.events.try_send(event_of(offset, command)).unwrap();
            }
            inlets.requests.try_send(request(Slot::new().0)).unwrap();
        }
        let batch = lanes.gather(40, true).await.unwrap();
        let requests = batch.iter().filter(|item| matches!(item.origin, Origin::Request { .. })).count();
        // Whichever lane the first command came from has one more.
        assert!(batch.len() == 40 && (10..=11).contains(&requests), "{requests} requests of {}", batch.len());
    }

    #[tokio::test]
    async fn who_comes_too_late_does_not_wait() {
        let mut lanes = patient_lanes(&[11, 10]);
        assert_eq!(commands(&mut lanes).await, [11, 10]);
    }

    #[tokio::test]
    async fn who_asks_for_transactions_of_one_command_gets_them() {
        let mut lanes = patient_lanes(&[10, 11]);
        assert_eq!(lanes.gather(1, true).await.unwrap().len(), 1);
        assert_eq!(lanes.gather(1, true).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn at_the_end_nobody_waits() {
        let (inlets, mut lanes) = lanes(BOUNDS, MANNERS);
        for (offset, command) in [(0, 10), (1, 21)] {
            inlets.events.try_send(event_of(offset, Work::Command(command))).unwrap();
        }
        assert_eq!(commands(&mut lanes).await, [21]);
        inlets.events.try_send(event_of(2, Work::Command(30))).unwrap();
        lanes.close();
        assert_eq!(commands(&mut lanes).await, [10, 30]);
        drop(inlets);
        assert!(lanes.gather(10, true).await.is_none());
    }

    const BOUNDS: Bounds = Bounds { requests: 100, events: 100, effects: 100, timers: 100 };

    #[tokio::test]
    async fn a_burst_of_requests_leaves_room_for_events() {
        let (inlets, mut lanes) = lanes(BOUNDS, MANNERS);
        for n in 0..100 {
            inlets.requests.try_send(request(Slot::new().0)).unwrap();
            inlets.events.try_send(event(n)).unwrap();
        }
        assert!(inlets.requests.try_send(request(Slot::new().0)).is_err(), "the lane is full");
        let batch = lanes.gather(40, true).await.unwrap();
        let events = batch.iter().filter(|item| matches!(item.origin, Origin::Event(_))).count();
        assert_eq!(batch.len(), 40);
        // Whichever lane the first command came from has one more.
        assert!(
            (29..=30).contains(&events),
            "{events} events: a quarter is for requests, the rest for what is under way"
        );
    }

    #[tokio::test]
    async fn with_batches_of_one_every_lane_gets_its_turn() {
        let (inlets, mut lanes) = lanes(BOUNDS, MANNERS);
        for n in 0..50 {
            inlets.requests.try_send(request(Slot::new().0)).unwrap();
            inlets.events.try_send(event(n)).unwrap();
        }
        let mut events = 0;
        for _ in 0..40 {
            let batch = lanes.gather(1, true).await.unwrap();
            assert_eq!(batch.len(), 1);
            events += batch.iter().filter(|item| matches!(item.origin, Origin::Event(_))).count();
        }
        assert!((5..=35).contains(&events), "{events} events of 40");
    }

    #[tokio::test]
    async fn a_withdrawn_request_is_not_taken_and_a_claimed_one_not_withdrawn() {
        let (inlets, mut lanes) = lanes(BOUNDS, MANNERS);
        let (gone, _receiver) = Slot::new();
        let (kept, receiver) = Slot::new();
        inlets.requests.try_send(request(Arc::clone(&gone))).unwrap();
        inlets.requests.try_send(request(Arc::clone(&kept))).unwrap();
        assert!(gone.withdraw());
        assert_eq!(lanes.gather(10, true).await.unwrap().len(), 1);
        assert!(!kept.withdraw());
        kept.answer(Err(Refused::Busy));
        assert_eq!(receiver.await, Ok(Err(Refused::Busy)));
    }

    #[tokio::test]
    async fn events_wait_while_effects_are_at_their_bound() {
        let (inlets, mut lanes) = lanes(BOUNDS, MANNERS);
        inlets.events.try_send(event(1)).unwrap();
        inlets.requests.try_send(request(Slot::new().0)).unwrap();
        assert_eq!(lanes.gather(10, false).await.unwrap().len(), 1);
        assert_eq!(lanes.gather(10, true).await.unwrap().len(), 1);
    }
}
