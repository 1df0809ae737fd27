//! Tests that hurt the stack: they kill and freeze processes, stop servers, cut connections. They run one after another,
//! on fleets of their own, which are healed before each. `docs/guarantees.md` says which promise each of them shows.
//!
//! A negative control is the same test with a guard switched off: it passes where the promise is seen broken.

mod batches;
mod churn;
mod commits;
mod kills;
mod leases;
pub(crate) mod long;
mod outage;
mod outbox;
mod poison;
mod proxy;
mod readers;
mod scene;
mod storm;
mod tally;
mod trouble;

use crate::ground::Ground;
use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;
use sqlx::{Connection, PgConnection};
use std::sync::Arc;
use testkit::api::Service;
use testkit::fleet::{Fleet, Plan};

/// One of each, and of what is tested with two the second.
pub(crate) fn plan() -> Plan {
    Plan::servers()
        .replicas(Service::Product, 1)
        .replicas(Service::Inventory, 2)
        .replicas(Service::Order, 1)
        .replicas(Service::Payment, 2)
        .replicas(Service::Notification, 1)
        // Nobody here waits for a deadline, and recovery may take its time.
        .env("ORDER_TTL_S", "600")
        .env("PROVIDER_TIMEOUT_MS", "1000")
}

/// One trial for each function of a fleet.
macro_rules! trials {
    ($ground:expr, $($module:ident :: $test:ident),+ $(,)?) => {
        vec![$({
            let ground = Arc::clone($ground);
            Trial::test(concat!("faults::", stringify!($module), "::", stringify!($test)), move || {
                ground.trial_alone(async |fleet| {
                    fleet.heal().await.context("healing the fleet")?;
                    $module::$test(fleet).await
                })
            })
            // They take minutes, and are asked for by `--faults`.
            .with_ignored_flag(true)
        }),+]
    };
}

/// On two fleets, which run side by side: they wait most of the time.
pub(crate) fn trials(ground: &Arc<Ground>) -> Vec<Trial> {
    trials![
        ground,
        batches::a_thousand_commands_are_few_commits,
        batches::an_offender_is_lost_alone,
        batches::control_nobody_looks_for_the_offender,
        batches::serialization_failures_are_tried_again,
        batches::a_deadlock_is_tried_again,
        batches::a_key_that_another_replica_took_is_tried_again,
        batches::control_conflicts_are_verdicts,
        batches::control_a_race_is_a_verdict,
        batches::a_killed_connection_is_survived,
        batches::control_a_killed_connection_is_a_verdict,
        commits::a_commit_that_does_not_arrive,
        commits::a_commit_whose_answer_does_not_arrive,
        commits::a_commit_that_arrives_late,
        commits::control_nobody_asks_what_it_did,
        kills::before_commit,
        kills::after_commit_before_publish,
        kills::after_publish_before_the_cursor_moves,
        kills::after_commit_before_offsets_are_stored,
        kills::while_an_event_waits_for_the_next,
        kills::after_an_intent_before_its_call,
        kills::after_a_call_before_its_result,
        kills::control_offsets_do_not_wait_for_the_commit,
        kills::control_offsets_pass_what_waits,
        kills::control_nobody_publishes_for_the_dead,
        kills::control_nobody_looks_for_lost_calls,
        kills::control_a_lost_call_is_made_under_another_key,
        outage::orders_are_taken_until_the_outbox_is_full,
        outage::control_the_outbox_has_no_bound,
        readers::who_starts_late_misses_nothing,
        readers::control_who_starts_late_begins_at_the_end,
        readers::who_reads_all_again_changes_nothing,
        readers::control_a_row_stands_twice,
        poison::stops_nobody,
        poison::control_nothing_is_buried,
        poison::a_redrive_killed_before_its_commit,
        poison::a_redrive_killed_after_its_commit,
        poison::control_a_letter_is_settled_apart_from_its_effect,
        leases::asleep_after_its_call,
        leases::asleep_before_its_call,
        leases::control_the_other_calls_under_another_key,
    ]
}

/// On the other one. Failpoints that a trial sets up in this process itself are for the first alone.
pub(crate) fn more_trials(ground: &Arc<Ground>) -> Vec<Trial> {
    trials![
        ground,
        trouble::a_database_that_is_read_only_for_a_while,
        trouble::control_a_read_only_database_is_a_verdict,
        trouble::a_lock_that_somebody_else_holds,
        trouble::control_a_lock_is_a_verdict,
        trouble::connections_that_are_killed,
        trouble::control_a_killed_connection_is_a_verdict,
        trouble::a_database_that_is_restarted,
        trouble::control_a_restart_is_a_verdict,
        trouble::a_replica_frozen_on_a_hot_row,
        trouble::control_a_frozen_replica_keeps_its_lock,
        churn::replicas_that_end_in_good_order,
        churn::replicas_that_are_killed,
        churn::control_offsets_do_not_wait_for_the_commit,
        long::control_the_gate_sees_a_standstill,
        storm::of_twenty_thousand_requests,
        storm::control_requests_come_first,
        storm::control_the_lane_has_no_bound,
        storm::of_requests_that_wait_too_long,
        storm::control_who_was_refused_is_taken,
        outbox::of_a_dead_writer,
        outbox::of_a_writer_that_slept,
        outbox::of_the_version_before,
        outbox::control_nobody_publishes_for_a_dead_writer,
        outbox::control_the_order_of_the_rows_is_not_kept,
        outbox::control_the_cursor_does_not_wait_for_reports,
    ]
}

/// The end of a negative control: with its guard off, the test has failed for the reason that it should.
fn caught(seen: Result<()>, reason: &str) -> Result<()> {
    match seen {
        Ok(()) => bail!("the promise holds with its guard off: this test can't fail"),
        Err(error) if format!("{error:#}").contains(reason) => Ok(()),
        Err(error) => Err(error.context(format!("not the failure that the guard keeps away, which is: {reason}"))),
    }
}

async fn superuser(fleet: &Fleet) -> Result<PgConnection> {
    let url = fleet.with_stack(|stack| Ok(stack.postgres.superuser_url())).await?;
    Ok(PgConnection::connect(&url).await?)
}

/// After a control that let a charge be made twice, for the books' sake: of each two stays the one that payment knows.
async fn forget_second_charges(fleet: &Fleet) -> Result<()> {
    let mut db = superuser(fleet).await?;
    let unknown = sqlx::query(
        "DELETE FROM provider.provider_charges AS charge
         WHERE EXISTS (
                 SELECT 1
                 FROM provider.provider_charges other
                 WHERE other.order_id = charge.order_id
                     AND (other.key = charge.key || '-again' OR charge.key = other.key || '-again')
             )
             AND NOT EXISTS (
                 SELECT 1
                 FROM payment.payments, json_array_elements(payments.attempts) attempt
                 WHERE payments.order_id = charge.order_id AND attempt ->> 'reference' = charge.reference
             )",
    );
    let forgotten = unknown.execute(&mut db).await?.rows_affected();
    ensure!(forgotten > 0, "no charge was made under another key");
    sqlx::query("UPDATE provider.provider_charges SET key = replace(key, '-again', '') WHERE key LIKE '%-again'")
        .execute(&mut db)
        .await?;
    Ok(())
}
