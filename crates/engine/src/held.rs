//! Events that wait a moment for the next command of their root row, so that both are one write.

use crate::Machine;
use crate::failpoints::{Guard, is_off};
use crate::lanes::{Item, Origin, Partition, Work};
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// How long an event waits at most.
const PATIENCE: Duration = Duration::from_millis(200);
/// How many wait at most; what comes then does not.
const HELD_MAX: usize = 2048;

/// What a machine tells of its commands.
pub(crate) struct Manners<C> {
    pub(crate) root: fn(&C) -> Option<Uuid>,
    pub(crate) may_wait: fn(&C) -> bool,
}

impl<C> Manners<C> {
    pub(crate) fn of<M: Machine<Command = C>>() -> Self {
        Self { root: M::root, may_wait: M::may_wait }
    }
}

/// The lowest offset that waits in each partition.
pub(crate) type Lowest = HashMap<Partition, i64>;

/// The events that wait, and for whom it is too late.
pub(crate) struct Held<C> {
    manners: Manners<C>,
    waiting: HashMap<Uuid, Vec<Item<C>>>,
    /// Since when, in order; also of some that wait no more.
    since: VecDeque<(Instant, Uuid)>,
    len: usize,
    /// Roots of commands that have just gone: whoever comes after them has nobody to wait for.
    gone: HashSet<Uuid>,
    gone_since: VecDeque<(Instant, Uuid)>,
}

impl<C> Held<C> {
    pub(crate) fn new(manners: Manners<C>) -> Self {
        Self {
            manners,
            waiting: HashMap::new(),
            since: VecDeque::new(),
            len: 0,
            gone: HashSet::new(),
            gone_since: VecDeque::new(),
        }
    }

    /// Keeps `item`, if it may wait; else it goes to `batch`, after those that have waited for it.
    pub(crate) fn pass(&mut self, mut item: Item<C>, may_wait: bool, batch: &mut Vec<Item<C>>) {
        let Work::Command(command) = &item.work else { return batch.push(item) };
        let Some(root) = (self.manners.root)(command) else { return batch.push(item) };
        let is_patient = may_wait && (self.manners.may_wait)(command);
        if is_patient && self.len < HELD_MAX && !self.gone.contains(&root) {
            item.was_held = true;
            self.waiting.entry(root).or_default().push(item);
            self.since.push_back((Instant::now(), root));
            self.len += 1;
            return;
        }
        if self.gone.insert(root) {
            self.gone_since.push_back((Instant::now(), root));
        }
        batch.extend(self.release(root));
        batch.push(item);
    }

    fn release(&mut self, root: Uuid) -> Vec<Item<C>> {
        let items = self.waiting.remove(&root).unwrap_or_default();
        self.len -= items.len();
        items
    }

    /// When the patience of the first one ends.
    pub(crate) fn first_end(&mut self) -> Option<Instant> {
        while self.since.pop_front_if(|(_, root)| !self.waiting.contains_key(root)).is_some() {}
        if is_off(Guard::PatienceEnds) {
            return None;
        }
        self.since.front().map(|(since, _)| *since + PATIENCE)
    }

    /// Forgets who has gone too long ago for anybody to come just after them.
    pub(crate) fn forget(&mut self, now: Instant) {
        while let Some((_, root)) = self.gone_since.pop_front_if(|(since, _)| *since + PATIENCE <= now) {
            self.gone.remove(&root);
        }
    }

    /// Those who have waited long enough at `now`, as many as there is `room` for.
    pub(crate) fn ended(&mut self, now: Instant, room: usize) -> Vec<Item<C>> {
        let mut items = Vec::new();
        if is_off(Guard::PatienceEnds) {
            return items;
        }
        while items.len() < room
            && let Some((_, root)) = self.since.pop_front_if(|(since, _)| *since + PATIENCE <= now)
        {
            items.extend(self.release(root));
        }
        items
    }

    /// Everybody's patience ends.
    pub(crate) fn end_all(&mut self) {
        for (since, _) in &mut self.since {
            *since -= PATIENCE;
        }
    }

    /// Beyond these no offset may be stored.
    pub(crate) fn lowest_offsets(&self) -> Lowest {
        let mut lowest = Lowest::new();
        if is_off(Guard::OffsetsStopBeforeHeld) {
            return lowest;
        }
        for item in self.waiting.values().flatten() {
            if let Origin::Event(record) = &item.origin {
                let first = lowest.entry((record.topic, record.partition)).or_insert(record.offset);
                *first = record.offset.min(*first);
            }
        }
        lowest
    }
}
