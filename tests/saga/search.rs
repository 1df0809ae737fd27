//! Breadth first through all states, so that the first trace to what is wrong is a shortest one.

use crate::fleet::{Fleet, Setup, State};
use crate::next::Next;
use crate::promises::End;
use crate::step::Step;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

/// Some 40 bytes each, and as many again while a table grows: 8 GB.
const MAX_STATES: usize = 100_000_000;
/// How often a long search tells how far it is, in states.
const TELL_EVERY: usize = 5_000_000;
/// The parent of a state that begins.
const NOBODY: u32 = u32::MAX;

/// What was found.
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) steps: u64,
    /// How many steps it takes to the furthest state.
    pub(crate) depth: u32,
    /// States of the real domains, and commands applied to them.
    pub(crate) rows: [usize; 3],
    pub(crate) applied: usize,
    /// How many quiet states there are of each kind, some with dead letters that nobody has redriven yet.
    pub(crate) ends: BTreeMap<End, u64>,
    pub(crate) wrong: Option<Wrong>,
    pub(crate) took: Duration,
}

/// What is wrong, and how it came to it.
pub(crate) struct Wrong {
    pub(crate) what: String,
    pub(crate) steps: Vec<String>,
}

/// States in the order in which they were found.
struct Seen {
    states: Vec<State>,
    parents: Vec<u32>,
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Seen {
    /// Whether it is new, and nothing covers it.
    fn insert(&mut self, fleet: &Fleet, state: State, parent: u32) -> bool {
        let Self { states, parents, places, hasher } = self;
        let hash = hasher.hash_one(state.core());
        if places.iter_hash(hash).any(|at| fleet.covers(states[*at as usize], state)) {
            return false;
        }
        let place = u32::try_from(states.len()).expect("fewer than MAX_STATES");
        places.insert_unique(hash, place, |at| hasher.hash_one(states[*at as usize].core()));
        states.push(state);
        parents.push(parent);
        true
    }
}

/// Explores everything that `setup` lets happen, until something is wrong.
///
/// # Panics
/// There are more than [`MAX_STATES`].
pub(crate) fn explore(setup: Setup) -> Explored {
    let began = Instant::now();
    let mut fleet = Fleet::new(setup);
    let places = HashTable::new();
    let mut seen = Seen { states: Vec::new(), parents: Vec::new(), places, hasher: DefaultHashBuilder::default() };
    for state in fleet.start() {
        seen.insert(&fleet, state, NOBODY);
    }
    let (mut ends, mut steps, mut depth, mut level_ends) = (BTreeMap::new(), 0, 0, seen.states.len());
    let mut next = Next::default();
    let mut wrong = None;
    let mut at = 0;
    while at < seen.states.len() && wrong.is_none() {
        if at == level_ends {
            (depth, level_ends) = (depth + 1, seen.states.len());
        }
        assert!(seen.states.len() <= MAX_STATES, "more than {MAX_STATES} states");
        if at % TELL_EVERY == TELL_EVERY - 1 {
            eprintln!("{at} of {} states done, {depth} deep", seen.states.len());
        }
        let (place, state) = (u32::try_from(at).expect("fewer than MAX_STATES"), seen.states[at]);
        at += 1;
        if let Some(what) = fleet.wrong(state) {
            wrong = Some(Wrong { what, steps: trace(&mut fleet, &seen, place, None) });
            break;
        }
        if fleet.is_quiet(state) {
            *ends.entry(fleet.end(state)).or_default() += 1;
        }
        fleet.next(state, &mut next);
        if let Some((step, what)) = next.fault.take() {
            wrong = Some(Wrong { what, steps: trace(&mut fleet, &seen, place, Some(step)) });
        }
        for (step, after) in &next.states {
            steps += 1;
            if let Some(what) = fleet.wrong_step(state, *after) {
                let step = Some(*step);
                wrong = Some(Wrong { what, steps: trace(&mut fleet, &seen, place, step) });
                break;
            }
            seen.insert(&fleet, *after, place);
        }
    }
    if wrong.is_none()
        && let Err(what) = fleet.shortcuts_hold()
    {
        wrong = Some(Wrong { what, steps: Vec::new() });
    }
    Explored {
        states: seen.states.len(),
        steps,
        depth,
        rows: [fleet.services.orders.len(), fleet.services.stocks.len(), fleet.services.payments.len()],
        applied: fleet.services.applied(),
        ends,
        wrong,
        took: began.elapsed(),
    }
}

/// The steps to the state at `place`, and one more.
fn trace(fleet: &mut Fleet, seen: &Seen, place: u32, last: Option<Step>) -> Vec<String> {
    let mut steps: Vec<Step> = last.into_iter().collect();
    let (mut place, mut next) = (place as usize, Next::default());
    while seen.parents[place] != NOBODY {
        let parent = seen.parents[place] as usize;
        fleet.next(seen.states[parent], &mut next);
        let step = next.states.iter().find(|(_, after)| *after == seen.states[place]);
        steps.push(step.expect("a child follows its parent").0);
        place = parent;
    }
    steps.iter().rev().map(|step| fleet.tell(*step)).collect()
}
