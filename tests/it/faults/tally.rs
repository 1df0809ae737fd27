//! A machine without a business: counters, and commands that add to them. It runs in the test's own process, on the
//! schema `tally` of the fleet's PostgreSQL and without Kafka, so that a test sees every answer of the engine as it is.

use anyhow::{Context as _, Result, ensure};
use common::trace::Trace;
use engine::{
    Answer, Context, Due, Engine, KafkaSettings, Machine, Poison, Refused, Request, SessionBounds, Settings, Timer,
    Writer,
};
use futures::future::{BoxFuture, join_all};
use futures::poll;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;
use testkit::fleet::Fleet;
use uuid::Uuid;

const SCHEMA: &str = "
    DROP SCHEMA IF EXISTS tally CASCADE;
    DROP ROLE IF EXISTS tally;
    CREATE ROLE tally LOGIN PASSWORD 'tally';
    ALTER ROLE tally SET search_path = tally;
    CREATE SCHEMA tally AUTHORIZATION tally;";
const TABLES: &str = "
    CREATE TABLE counters (
        id uuid PRIMARY KEY,
        value bigint NOT NULL,
        CONSTRAINT counters_not_negative CHECK (value >= 0)
    );
    -- What was applied. Without a key, so that what was applied twice is there twice.
    CREATE TABLE marks (
        command uuid NOT NULL,
        counter uuid NOT NULL,
        delta bigint NOT NULL,
        note varchar(10) NOT NULL
    );
    -- For the timer.
    CREATE TABLE due (command uuid PRIMARY KEY, counter uuid NOT NULL);";
/// Nobody listens there.
const NO_KAFKA: &str = "127.0.0.1:9";

/// What a command does besides adding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Nothing,
    /// `apply` panics.
    Panics,
    /// `save` takes the counter below zero, which a constraint forbids (23514).
    Violates,
    /// `save` writes a text that is too long for its column (22001).
    TooLong,
    /// Finishes a row of the timer.
    FinishesDue,
}

#[derive(Debug, Clone)]
pub(crate) struct Add {
    pub(crate) command: Uuid,
    pub(crate) counter: Uuid,
    pub(crate) delta: i64,
    pub(crate) deed: Deed,
}

impl Add {
    pub(crate) fn one(counter: Uuid) -> Self {
        Self { command: Uuid::new_v4(), counter, delta: 1, deed: Deed::Nothing }
    }
}

pub(crate) struct Tally;

#[derive(Default)]
pub(crate) struct Set {
    counters: BTreeMap<Uuid, i64>,
    known: BTreeSet<Uuid>,
    marks: Vec<Add>,
}

/// The counter's value after the command.
pub(crate) struct Value(i64);

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self::json(200, &value.0)
    }
}

impl Machine for Tally {
    const NAME: &'static str = "tally";
    type Command = Add;
    type Set = Set;
    type Reply = Value;
    type Effect = ();

    async fn load(&self, db: &mut PgConnection, commands: &[&Add]) -> Result<Set, sqlx::Error> {
        let ids: BTreeSet<Uuid> = commands.iter().map(|add| add.counter).collect();
        let rows = sqlx::query("SELECT id, value FROM counters WHERE id = ANY($1) ORDER BY id FOR UPDATE")
            .bind(ids.into_iter().collect::<Vec<_>>())
            .fetch_all(db)
            .await?;
        let mut set = Set::default();
        for row in rows {
            let id: Uuid = row.try_get("id")?;
            set.counters.insert(id, row.try_get("value")?);
            set.known.insert(id);
        }
        Ok(set)
    }

    fn apply(&self, set: &mut Set, add: &Add, _: &mut Context<()>) -> Result<Value, Poison> {
        if add.deed == Deed::Panics {
            // Without the message and the backtrace of a panic that nobody expects.
            std::panic::resume_unwind(Box::new("as the test told it to"));
        }
        let counter = set.counters.entry(add.counter).or_default();
        *counter += if add.deed == Deed::Violates { -1_000_000 } else { add.delta };
        set.marks.push(add.clone());
        Ok(Value(*counter))
    }

    async fn save(&self, db: &mut PgConnection, set: &Set) -> Result<(), sqlx::Error> {
        let touched: BTreeSet<Uuid> = set.marks.iter().map(|add| add.counter).collect();
        let (old, new): (Vec<Uuid>, Vec<Uuid>) = touched.into_iter().partition(|id| set.known.contains(id));
        let values = |ids: &[Uuid]| ids.iter().map(|id| set.counters[id]).collect::<Vec<i64>>();
        sqlx::query("INSERT INTO counters (id, value) SELECT * FROM UNNEST($1::uuid[], $2::bigint[])")
            .bind(&new)
            .bind(values(&new))
            .execute(&mut *db)
            .await?;
        sqlx::query(
            "UPDATE counters
             SET value = new.value
             FROM UNNEST($1::uuid[], $2::bigint[]) AS new (id, value)
             WHERE counters.id = new.id",
        )
        .bind(&old)
        .bind(values(&old))
        .execute(&mut *db)
        .await?;
        let note = |add: &Add| if add.deed == Deed::TooLong { "longer than ten" } else { "" };
        sqlx::query(
            "INSERT INTO marks (command, counter, delta, note)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::text[])",
        )
        .bind(set.marks.iter().map(|add| add.command).collect::<Vec<_>>())
        .bind(set.marks.iter().map(|add| add.counter).collect::<Vec<_>>())
        .bind(set.marks.iter().map(|add| add.delta).collect::<Vec<_>>())
        .bind(set.marks.iter().map(note).collect::<Vec<_>>())
        .execute(&mut *db)
        .await?;
        let done = set.marks.iter().filter(|add| add.deed == Deed::FinishesDue).map(|add| add.command);
        sqlx::query("DELETE FROM due WHERE command = ANY($1)")
            .bind(done.collect::<Vec<_>>())
            .execute(db)
            .await
            .map(|_| ())
    }
}

/// A schema without counters, and whoever looks into it.
pub(crate) struct Book {
    /// The superuser's, whose search_path is the schema.
    pub(crate) pool: PgPool,
    options: PgConnectOptions,
}

impl Book {
    /// A new one; of engines that ran on another nothing may be left.
    pub(crate) async fn open(fleet: &Fleet) -> Result<Self> {
        let superuser = fleet.with_stack(|stack| Ok(stack.postgres.superuser_url())).await?;
        let mut db = PgConnection::connect(&superuser).await?;
        sqlx::raw_sql(SCHEMA).execute(&mut db).await?;
        db.close().await?;
        let options = PgConnectOptions::from_str(&fleet.database_url("tally").await?)?;
        let mut db = PgConnection::connect_with(&options).await?;
        engine::migrate(&mut db).await?;
        sqlx::raw_sql(TABLES).execute(&mut db).await?;
        db.close().await?;
        let options_of_all = PgConnectOptions::from_str(&superuser)?.options([("search_path", "tally")]);
        let pool = PgPoolOptions::new().max_connections(4).connect_with(options_of_all).await?;
        Ok(Self { pool, options })
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// A replica of the machine. `database`: [`Self::options`], or a way round.
    pub(crate) fn engine(&self, database: PgConnectOptions, batch_max: usize, session: SessionBounds) -> Engine<Tally> {
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy_with(self.options.clone());
        let look = |pool: PgPool, _, limit| -> BoxFuture<'static, Result<Vec<Due<Add>>, sqlx::Error>> {
            Box::pin(async move {
                let rows =
                    sqlx::query("SELECT command, counter FROM due LIMIT $1").bind(limit).fetch_all(&pool).await?;
                let due = rows.into_iter().map(|row| {
                    let (command, counter) = (row.try_get("command")?, row.try_get("counter")?);
                    let add = Add { command, counter, delta: 1, deed: Deed::FinishesDue };
                    Ok(Due { key: command, command: add, trace: None })
                });
                due.collect()
            })
        };
        Engine::start(
            Tally,
            Settings {
                database,
                pool,
                kafka: KafkaSettings {
                    brokers: NO_KAFKA.to_owned(),
                    partitions: 1,
                    replication: 1,
                    properties: Vec::new(),
                },
                batch_max,
                batch_rest_max: Duration::ZERO,
                requests_max: 4096,
                outbox_max_rows: 1000,
                session,
                subscriptions: Vec::new(),
                gather: Duration::ZERO,
                timers: vec![Timer::new("due", Duration::from_millis(50), look)],
                perform: None,
            },
        )
        .expect("a test has threads")
    }

    /// Commits of all writers so far.
    pub(crate) async fn commits(&self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COALESCE(sum(batch), 0)::bigint FROM writers").fetch_one(&self.pool).await?)
    }

    /// How often each command was applied.
    pub(crate) async fn applied(&self) -> Result<BTreeMap<Uuid, i64>> {
        let rows =
            sqlx::query("SELECT command, count(*) AS times FROM marks GROUP BY command").fetch_all(&self.pool).await?;
        rows.into_iter().map(|row| Ok((row.try_get("command")?, row.try_get("times")?))).collect()
    }

    pub(crate) async fn counters(&self) -> Result<BTreeMap<Uuid, i64>> {
        let rows = sqlx::query("SELECT id, value FROM counters").fetch_all(&self.pool).await?;
        rows.into_iter().map(|row| Ok((row.try_get("id")?, row.try_get("value")?))).collect()
    }

    /// What every test promises: who was answered 200 was applied once, who was refused never, and the counters are the
    /// sums of what was applied.
    pub(crate) async fn audit(&self, answers: &Answers) -> Result<()> {
        let applied = self.applied().await?;
        for (command, answer) in answers {
            let times = applied.get(command).copied().unwrap_or(0);
            let right = match answer {
                Ok(answer) => answer.status == 200 && times == 1,
                Err(Refused::Busy | Refused::Failed) => times == 0,
                Err(Refused::OutcomeUnknown { .. }) => times <= 1,
            };
            ensure!(right, "{command} was answered {answer:?} and applied {times} times");
        }
        let wrong: i64 = sqlx::query_scalar(
            "SELECT count(*)
             FROM counters c
             WHERE value <> (SELECT COALESCE(sum(delta), 0) FROM marks m WHERE m.counter = c.id)",
        )
        .fetch_one(&self.pool)
        .await?;
        ensure!(wrong == 0, "{wrong} counters are not the sum of what was added");
        Ok(())
    }

    /// Somebody else's transaction, which holds the lock of a counter, made before where it is missing.
    pub(crate) async fn hold(&self, counter: Uuid) -> Result<PgConnection> {
        sqlx::query("INSERT INTO counters VALUES ($1, 0) ON CONFLICT DO NOTHING")
            .bind(counter)
            .execute(&self.pool)
            .await?;
        let mut db = self.pool.acquire().await?.detach();
        sqlx::raw_sql("BEGIN").execute(&mut db).await?;
        sqlx::query("SELECT 1 FROM counters WHERE id = $1 FOR UPDATE").bind(counter).execute(&mut db).await?;
        Ok(db)
    }

    /// Whether nobody has locked a counter.
    pub(crate) async fn free(&self, counter: Uuid) -> Result<bool> {
        let free = sqlx::query("SELECT 1 FROM counters WHERE id = $1 FOR UPDATE SKIP LOCKED");
        Ok(free.bind(counter).fetch_optional(&self.pool).await?.is_some())
    }

    /// Waits until `backends` writers wait for a lock.
    pub(crate) async fn blocked(&self, backends: i64) -> Result<()> {
        testkit::eventually::becomes("writers that wait for a lock", backends, || async {
            Ok(sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tally' AND wait_event_type = 'Lock'",
            )
            .fetch_one(&self.pool)
            .await?)
        })
        .await
    }
}

/// Every command with its answer.
pub(crate) type Answers = Vec<(Uuid, Result<Answer, Refused>)>;

/// Hands in all of `commands` at once and waits for all answers.
pub(crate) async fn submit(writer: &Writer<Tally>, commands: Vec<Add>) -> Answers {
    join_all(commands.into_iter().map(async |add| {
        let id = add.command;
        (id, writer.submit(request(add)).await)
    }))
    .await
}

/// Hands `commands` in while the writer waits for a lock, so that they are one batch.
pub(crate) async fn as_one_batch(book: &Book, writer: &Writer<Tally>, commands: Vec<Add>) -> Result<Answers> {
    let held = Uuid::new_v4();
    let mut other = book.hold(held).await?;
    let mut first = pin!(submit(writer, vec![Add::one(held)]));
    ensure!(poll!(first.as_mut()).is_pending());
    book.blocked(1).await?;
    let mut rest = pin!(submit(writer, commands));
    // They are in the lane now, all of them.
    ensure!(poll!(rest.as_mut()).is_pending());
    sqlx::raw_sql("COMMIT").execute(&mut other).await?;
    let (first, mut rest) = futures::join!(first, rest);
    rest.extend(first);
    Ok(rest)
}

fn request(add: Add) -> Request<Add> {
    let id = Some(add.command);
    Request { command: add, idempotency: None, trace: Trace::start(), request_id: String::new(), id }
}

/// Bounds that no slow machine meets.
pub(crate) fn patient() -> SessionBounds {
    let long = Duration::from_secs(40);
    SessionBounds { statement: long, lock: long, idle_in_transaction: long, client: long }
}

/// `n` counters, in the order of their keys.
pub(crate) fn counters(n: usize) -> Vec<Uuid> {
    let ids: BTreeSet<Uuid> = (0..n).map(|_| Uuid::new_v4()).collect();
    ids.into_iter().collect()
}

/// The number that an answer tells.
pub(crate) fn told(answer: &Answer) -> Result<i64> {
    serde_json::from_slice(&answer.body).context("an answer is the counter's value")
}
