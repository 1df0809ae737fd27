//! The order service alone: the saga's transitions, each with its row of the timeline, its message, and what the others
//! hear of it. Notification is there too, and sends to the log.

mod paths;
mod play;

use super::all;
use anyhow::{Context, Result, ensure};
use common::events::NOTIFICATION_SEND;
use paths::{PATHS, To};
use play::{Cast, Played};
use std::collections::BTreeSet;
use testkit::api::Service;
use testkit::eventually::becomes;
use testkit::stage::Stage;

/// DESIGN, section 5, from and to. Whatever stands on a timeline is one of these, or enters a refund.
const ALLOWED: [(&str, &str); 15] = [
    ("", "pending"),
    ("pending", "reserved"),
    ("pending", "rejected"),
    ("pending", "payment_failed"),
    ("pending", "confirmed"),
    ("pending", "cancelling"),
    ("reserved", "payment_failed"),
    ("reserved", "confirmed"),
    ("reserved", "cancelling"),
    ("payment_failed", "confirmed"),
    ("payment_failed", "cancelling"),
    ("confirmed", "shipped"),
    ("confirmed", "cancelling"),
    ("shipped", "delivered"),
    ("cancelling", "cancelled or expired"),
];

/// Whether an order may go from one to the other.
pub(crate) fn is_allowed(from: Option<&str>, to: &str) -> bool {
    let from = from.unwrap_or_default();
    from == to || ALLOWED.iter().any(|(f, t)| *f == from && t.split(" or ").any(|t| t == to))
}

pub(super) async fn every_transition(stage: &Stage) -> Result<()> {
    every_transition_has_a_path()?;
    let patient = stage.enter(Service::Order, None, &[("ORDER_TTL_S", "600")]).await?;
    let hasty = stage.enter(Service::Order, Some(&patient), &[("ORDER_TTL_S", HASTY_TTL_S)]).await?;
    let notification = stage.enter(Service::Notification, Some(&patient), &[]).await?;
    let cast = Cast::meet(stage, [&patient, &hasty, &notification]).await?;
    let played = all(PATHS.iter().map(|path| (path.name, cast.play(path)))).await?;
    // What has not happened by now never will.
    let records = cast.topics.records();
    records.passed("notification-service", &records.ends(NOTIFICATION_SEND.name).await?).await?;
    for (path, played) in PATHS.iter().zip(&played) {
        cast.review(path, played).await.context(path.name)?;
    }
    another_amount_confirms_nothing(&cast, stage).await
}

/// How long an order may wait for its payment where the path waits for the deadline: long enough to get where it has to
/// be by then.
const HASTY_TTL_S: &str = "30";

/// A transition that is allowed, and that no path takes, is one that nobody has seen.
fn every_transition_has_a_path() -> Result<()> {
    let mut taken = BTreeSet::from([("", "pending")]);
    for path in PATHS {
        let mut from = "pending";
        for (_, to) in path.steps {
            if let To::Status(to) = to {
                taken.insert((from, *to));
                from = to;
            }
        }
    }
    for (from, to) in ALLOWED {
        for to in to.split(" or ") {
            ensure!(taken.contains(&(from, to)), "no path goes from {from} to {to}");
        }
    }
    ensure!(taken.iter().all(|(from, to)| is_allowed(Some(from), to)), "{taken:?}");
    Ok(())
}

/// A capture of another amount than the order's is a poison record: it goes to the dead letters.
async fn another_amount_confirms_nothing(cast: &Cast, stage: &Stage) -> Result<()> {
    let before = stage.ledger().dead_letters_of("order").await?;
    let Played { order_id, .. } = cast.place().await?;
    cast.topics.tell(&play::captured(order_id, 1, play::PRICE_MINOR - 1)).await?;
    becomes("dead letters", before + 1, || stage.ledger().dead_letters_of("order")).await?;
    ensure!(cast.shop.admin.order(order_id).await?["status"] != "confirmed", "confirmed by the wrong amount");
    Ok(())
}
