//! When orders were confirmed, and their customers told: by the time at which PostgreSQL committed it, which is later than
//! any time that a service writes into a row.

use crate::fleet::Fleet;
use crate::load::Placed;
use crate::quantiles::Quantiles;
use anyhow::Result;
use sqlx::Row;
use std::collections::HashMap;
use uuid::Uuid;

/// What became of the orders of one load.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From due to the commit that confirmed.
    pub(crate) confirmed: Quantiles,
    /// From due to the commit that recorded the confirmation's message as sent.
    pub(crate) notified: Quantiles,
    pub(crate) ended: u64,
    /// Orders accepted and not yet notified, at the middle and at the end of the load.
    pub(crate) backlog: (i64, i64),
    /// From the last acceptance to the last notification.
    pub(crate) drain_s: f64,
}

/// Microseconds since 1970 of an order's two commits.
struct Commits {
    confirmed_us: i64,
    notified_us: i64,
}

impl Outcome {
    pub(crate) async fn of(fleet: &Fleet, orders: &[Placed]) -> Result<Self> {
        let Some(first) = orders.iter().map(|order| order.order_id).min() else {
            return Ok(Self::of_commits(orders, &HashMap::new()));
        };
        // The current version of an order is the one that confirmed it, and ids sort by time.
        let rows = sqlx::query(
            r#"SELECT o.id,
                   (EXTRACT(epoch FROM pg_xact_commit_timestamp(o.xmin)) * 1000000)::bigint AS confirmed_us,
                   (EXTRACT(epoch FROM pg_xact_commit_timestamp(n.xmin)) * 1000000)::bigint AS notified_us
               FROM "order".orders o
               JOIN notification.notifications n ON n.order_id = o.id AND n.template = 'order_confirmed'
               WHERE o.id >= $1 AND o.status = 'confirmed' AND n.status = 'sent'"#,
        )
        .bind(first)
        .fetch_all(&fleet.db)
        .await?;
        let mut commits = HashMap::with_capacity(rows.len());
        for row in rows {
            let (confirmed_us, notified_us) = (row.try_get("confirmed_us")?, row.try_get("notified_us")?);
            commits.insert(row.try_get("id")?, Commits { confirmed_us, notified_us });
        }
        Ok(Self::of_commits(orders, &commits))
    }

    fn of_commits(orders: &[Placed], commits: &HashMap<Uuid, Commits>) -> Self {
        let ended: Vec<(&Placed, &Commits)> =
            orders.iter().filter_map(|order| Some((order, commits.get(&order.order_id)?))).collect();
        let since_due = |of: fn(&Commits) -> i64| {
            Quantiles::of(ended.iter().map(|(order, commits)| u64::try_from(of(commits) - order.due_us).unwrap_or(0)))
        };
        let last = |of: fn(&Placed) -> i64| orders.iter().map(of).max().unwrap_or(0);
        let (begin, end) =
            (orders.iter().map(|order| order.due_us).min().unwrap_or(0), last(|order| order.accepted_us));
        let backlog_at = |at_us: i64| {
            let accepted = orders.iter().filter(|order| order.accepted_us <= at_us).count();
            let notified = ended.iter().filter(|(_, commits)| commits.notified_us <= at_us).count();
            i64::try_from(accepted).unwrap_or(i64::MAX) - i64::try_from(notified).unwrap_or(i64::MAX)
        };
        let last_notified = ended.iter().map(|(_, commits)| commits.notified_us).max().unwrap_or(end);
        Self {
            confirmed: since_due(|commits| commits.confirmed_us),
            notified: since_due(|commits| commits.notified_us),
            ended: ended.len() as u64,
            backlog: (backlog_at(i64::midpoint(begin, end)), backlog_at(end)),
            drain_s: (last_notified - end).max(0) as f64 / 1e6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backlog_is_what_was_accepted_and_not_yet_told_of() {
        let placed = |n: u128| {
            let due_us = i64::try_from(n).unwrap() * 1000;
            Placed { order_id: Uuid::from_u128(n), due_us, accepted_us: due_us + 500 }
        };
        let orders: Vec<Placed> = (1..=100).map(placed).collect();
        // Told of 20 ms after it was due.
        let told = |order: &Placed| {
            let confirmed_us = order.due_us + 10_000;
            (order.order_id, Commits { confirmed_us, notified_us: confirmed_us + 10_000 })
        };
        let outcome = Outcome::of_commits(&orders, &orders.iter().map(told).collect());
        assert_eq!((outcome.ended, outcome.backlog), (100, (20, 20)));
        assert!((outcome.confirmed.ms(0.5) - 10.0).abs() < 0.1 && (outcome.notified.ms(0.5) - 20.0).abs() < 0.1);
        assert!((outcome.drain_s - 0.0195).abs() < 1e-6);
        assert_eq!(Outcome::of_commits(&orders, &HashMap::new()).backlog, (50, 100), "nothing ends");
    }
}
