//! One writer, many readers: the machine that every service is, without its nouns.
//!
//! Commands reach the [`Writer`] from four lanes: requests, events, results of effects, timers. It takes what has
//! arrived, runs it as one transaction through the three methods of a [`Machine`] and, once that is committed, answers
//! the requests, publishes the events, starts the effects and stores the offsets. ARCHITECTURE.md walks one order
//! through these files.
//!
//! - `start`, `threads`, `lanes`, `held`: the tasks of one process, the bounded queues before the writer, the slots in
//!   which requests wait, the events that wait for the next of their row
//! - `writer`, `batch`: the loop, and one batch as one transaction
//! - `verdict`: which failure accuses the data, and which the infrastructure
//! - `session`: the writer's connection, and what a COMMIT without an answer did
//! - `idempotency`, `dead_letters`: what else is stored in the batch's transaction, and how dead letters are settled
//! - `outbox`, `publisher`, `sweeper`: events on their way to Kafka
//! - `consumer`: events on their way in
//! - `effects`, `timers`: calls to the outside, and rows past their deadline
//! - [`audit`]: what the engine's own tables tell of trouble
//! - [`failpoints`]: where a test build can be killed or frozen, and what it can switch off
//! - [`Rows`]: the working set's bookkeeping, for the services, and [`json`] for their columns

mod answer;
pub mod audit;
mod backoff;
mod batch;
mod consumer;
mod context;
mod dead_letters;
mod effects;
pub mod failpoints;
mod health;
mod held;
mod idempotency;
mod kafka;
mod lanes;
mod migrate;
mod outbox;
mod publisher;
mod rows;
mod session;
mod start;
mod sweeper;
mod threads;
mod timers;
mod verdict;
mod writer;

pub use answer::Answer;
pub use consumer::{Parsed, Read, Subscription};
pub use context::{Cause, Context, Ids, NewRecord};
pub use dead_letters::{DeadLetter, DeadLetters, Decided, FailedRedrive, LetterStatus};
pub use effects::Perform;
pub use health::Health;
pub use kafka::KafkaSettings;
pub use lanes::{IdempotencyKey, Refused};
pub use migrate::migrate;
pub use rows::{Rows, json};
pub use session::SessionBounds;
pub use start::{Engine, Request, Settings, Writer};
pub use timers::{Due, Timer};

use sqlx::PgConnection;
use std::future::Future;
use uuid::Uuid;

/// A service's business: how its commands change its rows.
pub trait Machine: Send + Sync + 'static {
    /// The name of the service: its consumer group, and (as `/order-service`) the source of its events.
    const NAME: &'static str;
    /// One change that somebody asks for; [`Machine::apply`] may see it again when its batch is tried again.
    type Command: Send + Sync + 'static;
    /// The rows that a batch of commands needs.
    type Set: Send + Sync;
    /// What a request is answered.
    type Reply: Into<Answer>;
    /// A call to the outside, whose intent [`Machine::save`] has stored.
    type Effect: Send + 'static;

    /// The root row that `command` is about, where others of this machine may wait for one of it.
    fn root(_command: &Self::Command) -> Option<Uuid> {
        None
    }

    /// Whether an event's `command` may wait a moment for the next command of the same root, because that one most often
    /// follows at once, and nobody misses this one until then: both are then one write of the row.
    fn may_wait(_command: &Self::Command) -> bool {
        false
    }

    /// Locks the root rows of all `commands` (tables in one fixed order, keys sorted), then reads their children and
    /// whatever else could make [`Machine::save`] violate a unique key. A few statements, whatever the number of commands.
    fn load(
        &self,
        db: &mut PgConnection,
        commands: &[&Self::Command],
    ) -> impl Future<Output = Result<Self::Set, sqlx::Error>> + Send;

    /// Applies one command to the working set. Pure: time and new ids come from `cx`, events and effects go to it. A
    /// refusal is a reply, decided before anything in the set is touched.
    ///
    /// # Errors
    /// [`Poison`]: the event contradicts what is known. It goes to the dead letters, and nothing else happens.
    fn apply(
        &self,
        set: &mut Self::Set,
        command: &Self::Command,
        cx: &mut Context<Self::Effect>,
    ) -> Result<Self::Reply, Poison>;

    /// Saves what changed, by a few statements over arrays; counts the rows of its UPDATEs.
    fn save(&self, db: &mut PgConnection, set: &Self::Set) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// Why an event that can be read is not to be believed, in words for the dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Poison(pub String);
