//! What batches are for, and what becomes of those that fail.

use super::caught;
use super::tally::{Add, Answers, Book, Deed, as_one_batch, counters, patient, submit};
use anyhow::{Result, bail, ensure};
use engine::Refused;
use engine::failpoints::arm;
use futures::poll;
use std::collections::BTreeMap;
use std::pin::pin;
use testkit::eventually::becomes;
use testkit::fleet::Fleet;
use uuid::Uuid;

const COMMANDS: usize = 1000;
const COUNTERS: usize = 10;
/// The default of the services.
const BATCH_MAX: usize = 512;
/// A thousand commands fit into two batches; a slow start may make it some more.
const FEW: i64 = 20;

pub(crate) async fn a_thousand_commands_are_few_commits(fleet: &Fleet) -> Result<()> {
    let counters = counters(COUNTERS);
    let (commits, together) = run_all(fleet, BATCH_MAX, &counters).await?;
    ensure!(commits <= FEW, "{COMMANDS} commands became {commits} commits");
    let (commits_of_one, one_by_one) = run_all(fleet, 1, &counters).await?;
    ensure!(
        commits_of_one >= COMMANDS as i64,
        "with batches of one, {COMMANDS} commands became {commits_of_one} commits"
    );
    ensure!(together == one_by_one, "{together:?} instead of {one_by_one:?}");
    eprintln!("{COMMANDS} commands: {commits} commits, and {commits_of_one} with batches of one");
    Ok(())
}

/// Sends the same commands at once, again where they were refused; the commits, and the counters at the end.
async fn run_all(fleet: &Fleet, batch_max: usize, counters: &[Uuid]) -> Result<(i64, BTreeMap<Uuid, i64>)> {
    let book = Book::open(fleet).await?;
    let engine = book.engine(book.options(), batch_max, patient());
    let mut open: Vec<Add> =
        (0..COMMANDS).map(|n| Add { delta: 1 + n as i64, ..Add::one(counters[n % counters.len()]) }).collect();
    let mut audited = Ok(());
    while !open.is_empty() {
        let answers = submit(&engine.writer(), open.clone()).await;
        audited = audited.and(book.audit(&answers).await);
        let refused: Vec<Uuid> = answers.iter().filter(|(_, answer)| answer.is_err()).map(|(id, _)| *id).collect();
        open.retain(|add| refused.contains(&add.command));
    }
    let commits = book.commits().await?;
    engine.stop().await;
    audited?;
    let applied = book.applied().await?;
    ensure!(applied.len() == COMMANDS && applied.values().all(|times| *times == 1), "not each was applied once");
    Ok((commits, book.counters().await?))
}

pub(crate) async fn an_offender_is_lost_alone(fleet: &Fleet) -> Result<()> {
    for deed in [Deed::Panics, Deed::Violates, Deed::TooLong] {
        offends(fleet, deed).await?;
    }
    Ok(())
}

pub(crate) async fn control_nobody_looks_for_the_offender(fleet: &Fleet) -> Result<()> {
    let _off = arm("halve-accused=off");
    caught(offends(fleet, Deed::Violates).await, "failed instead of the offender alone")
}

async fn offends(fleet: &Fleet, deed: Deed) -> Result<()> {
    let book = Book::open(fleet).await?;
    let engine = book.engine(book.options(), BATCH_MAX, patient());
    let counters = counters(5);
    let mut commands: Vec<Add> = (0..100).map(|n| Add::one(counters[n % 5])).collect();
    commands[37].deed = deed;
    let offender = commands[37].command;
    let answers = as_one_batch(&book, &engine.writer(), commands).await;
    engine.stop().await;
    let answers = answers?;
    book.audit(&answers).await?;
    let failed: Vec<Uuid> = answers.iter().filter(|(_, answer)| answer.is_err()).map(|(id, _)| *id).collect();
    ensure!(failed == [offender], "{deed:?}: {} commands failed instead of the offender alone", failed.len());
    Ok(())
}

/// As another transaction's doing: in READ COMMITTED, PostgreSQL itself has no reason for the first.
const SERIALIZATION_FAILURES: &str = "
    CREATE SEQUENCE tries;
    GRANT ALL ON SEQUENCE tries TO tally;
    CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('tries') <= 3 THEN
            RAISE EXCEPTION 'somebody was faster' USING ERRCODE = 'serialization_failure';
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER conflicts AFTER INSERT ON marks FOR EACH STATEMENT EXECUTE FUNCTION conflict()";

pub(crate) async fn serialization_failures_are_tried_again(fleet: &Fleet) -> Result<()> {
    let book = Book::open(fleet).await?;
    sqlx::raw_sql(SERIALIZATION_FAILURES).execute(&book.pool).await?;
    let engine = book.engine(book.options(), BATCH_MAX, patient());
    let counters = counters(3);
    let commands = (0..30).map(|n| Add::one(counters[n % 3])).collect();
    let answers = submit(&engine.writer(), commands).await;
    engine.stop().await;
    let tries: i64 = sqlx::query_scalar("SELECT last_value FROM tries").fetch_one(&book.pool).await?;
    ensure!(tries > 3, "only {tries} tries");
    all_applied(&book, &answers).await
}

pub(crate) async fn a_deadlock_is_tried_again(fleet: &Fleet) -> Result<()> {
    let book = Book::open(fleet).await?;
    // Whoever looks for a deadlock first is its victim. It looks once: the circle has to be closed by then.
    sqlx::raw_sql("ALTER ROLE tally SET deadlock_timeout = '3s'").execute(&book.pool).await?;
    let engine = book.engine(book.options(), BATCH_MAX, patient());
    let [low, high] = counters(2)[..] else { unreachable!("two counters") };
    // Both are there, so that the batch locks the one and then waits for the other.
    submit(&engine.writer(), vec![Add::one(low)]).await;
    let mut other = book.hold(high).await?;
    sqlx::raw_sql("SET deadlock_timeout = '1min'").execute(&mut other).await?;
    let before = deadlocks(&book).await?;
    let writer = engine.writer();
    let batch = as_one_batch(&book, &writer, vec![Add::one(low), Add::one(high)]);
    let circle = async {
        becomes("the batch has locked the one", false, || book.free(low)).await?;
        sqlx::query("SELECT 1 FROM counters WHERE id = $1 FOR UPDATE").bind(low).execute(&mut other).await?;
        sqlx::raw_sql("COMMIT").execute(&mut other).await?;
        Ok(())
    };
    let done = futures::try_join!(batch, circle);
    engine.stop().await;
    let (answers, ()) = done?;
    // The server counts with a delay.
    becomes("a deadlock more", before + 1, || deadlocks(&book)).await?;
    all_applied(&book, &answers).await
}

async fn deadlocks(book: &Book) -> Result<i64> {
    let counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    Ok(sqlx::query_scalar(counted).fetch_one(&book.pool).await?)
}

pub(crate) async fn a_key_that_another_replica_took_is_tried_again(fleet: &Fleet) -> Result<()> {
    let book = Book::open(fleet).await?;
    let engine = book.engine(book.options(), BATCH_MAX, patient());
    let counter = Uuid::new_v4();
    let mut other = book.pool.acquire().await?.detach();
    sqlx::raw_sql("BEGIN").execute(&mut other).await?;
    sqlx::query("INSERT INTO counters VALUES ($1, 0)").bind(counter).execute(&mut other).await?;
    let writer = engine.writer();
    let answers = submit(&writer, vec![Add::one(counter), Add::one(counter)]);
    let first = async {
        book.blocked(1).await?;
        sqlx::raw_sql("COMMIT").execute(&mut other).await?;
        Ok::<_, anyhow::Error>(())
    };
    let (answers, first) = futures::join!(answers, first);
    engine.stop().await;
    first?;
    all_applied(&book, &answers).await
}

pub(crate) async fn control_conflicts_are_verdicts(fleet: &Fleet) -> Result<()> {
    let _off = arm("retry-conflicts=off");
    caught(serialization_failures_are_tried_again(fleet).await, "a command was refused: Failed")?;
    caught(a_deadlock_is_tried_again(fleet).await, "a command was refused: Failed")
}

pub(crate) async fn control_a_race_is_a_verdict(fleet: &Fleet) -> Result<()> {
    let _off = arm("retry-races=off");
    caught(a_key_that_another_replica_took_is_tried_again(fleet).await, "a command was refused: Failed")
}

/// A batch of the timer is applied after its connection was killed; one of a request is refused and never applied.
pub(crate) async fn a_killed_connection_is_survived(fleet: &Fleet) -> Result<()> {
    let book = Book::open(fleet).await?;
    let engine = book.engine(book.options(), BATCH_MAX, patient());
    let writer = engine.writer();
    let counter = Uuid::new_v4();
    let mut other = book.hold(counter).await?;
    let refused = submit(&writer, vec![Add::one(counter)]);
    let mut refused = pin!(refused);
    ensure!(poll!(refused.as_mut()).is_pending());
    book.blocked(1).await?;
    kill_who_waits(&book).await?;
    let answers = refused.await;
    let due = Uuid::new_v4();
    sqlx::query("INSERT INTO due VALUES ($1, $2)").bind(due).bind(counter).execute(&book.pool).await?;
    book.blocked(1).await?;
    kill_who_waits(&book).await?;
    sqlx::raw_sql("COMMIT").execute(&mut other).await?;
    becomes("what the timer found", Some(1), || async { Ok(book.applied().await?.get(&due).copied()) }).await?;
    becomes("requests are taken again", true, || async {
        Ok(submit(&writer, vec![Add::one(counter)]).await[0].1.is_ok())
    })
    .await?;
    engine.stop().await;
    ensure!(matches!(answers[0].1, Err(Refused::Busy)), "the request was answered {:?}", answers[0].1);
    book.audit(&answers).await
}

pub(crate) async fn control_a_killed_connection_is_a_verdict(fleet: &Fleet) -> Result<()> {
    let _off = arm("infrastructure-waits=off");
    caught(a_killed_connection_is_survived(fleet).await, "the request was answered Err(Failed)")
}

async fn kill_who_waits(book: &Book) -> Result<()> {
    let killed: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid))
         FROM pg_stat_activity
         WHERE usename = 'tally' AND wait_event_type = 'Lock'",
    )
    .fetch_one(&book.pool)
    .await?;
    ensure!(killed == 1, "{killed} writers wait for a lock");
    Ok(())
}

async fn all_applied(book: &Book, answers: &Answers) -> Result<()> {
    book.audit(answers).await?;
    for (_, answer) in answers {
        if let Err(refused) = answer {
            bail!("a command was refused: {refused:?}");
        }
    }
    Ok(())
}
