//! What a load costs: processor time of every process, commits, log, batches, memory.

use crate::fleet::Fleet;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};
use std::collections::BTreeMap;
use std::fs;
use testkit::api::Service;

/// The kernel counts processor time in hundredths of a second (USER_HZ, `time(7)`).
const TICK_US: u64 = 10_000;

/// Counters at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    cpu_us: BTreeMap<String, u64>,
    steal_us: u64,
    commits: i64,
    wal_bytes: i64,
    counts: BTreeMap<Service, Counts>,
    /// By schema.
    written: BTreeMap<String, Written>,
}

#[derive(Debug, Clone, Copy)]
struct Counts {
    batches: f64,
    commands: f64,
    kafka_requests: f64,
}

/// What was used between two moments, an order (or whatever else was counted).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Microseconds of processor time by process.
    pub(crate) cpu_us: BTreeMap<String, f64>,
    pub(crate) commits: f64,
    pub(crate) wal_bytes: f64,
    pub(crate) kafka_requests: f64,
    /// Commands in a transaction, by service.
    pub(crate) batch: BTreeMap<String, f64>,
    /// What was written, by schema.
    pub(crate) written: BTreeMap<String, Written>,
    /// Of the whole time of both cores that the hypervisor gave to others, in seconds.
    pub(crate) steal_s: f64,
}

/// Rows written into the tables of one schema; in a usage, an order.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) inserted: f64,
    pub(crate) updated: f64,
    /// The part of the updates that touched no index (HOT).
    pub(crate) hot: f64,
    /// Events that Kafka has acknowledged.
    pub(crate) events: f64,
    /// Transactions of the writer, where the schema has one.
    pub(crate) transactions: Option<f64>,
}

impl Written {
    /// Since the tables were made.
    async fn of(fleet: &Fleet) -> Result<BTreeMap<String, Self>> {
        let rows = sqlx::query_as::<_, (String, f64, f64, f64)>(
            "SELECT schemaname::text, sum(n_tup_ins)::float8, sum(n_tup_upd)::float8, sum(n_tup_hot_upd)::float8
             FROM pg_stat_user_tables
             GROUP BY schemaname",
        );
        let rows = rows.fetch_all(&fleet.db).await.context("asking how many rows were written")?;
        let named = |(schema, inserted, updated, hot)| {
            (schema, Self { inserted, updated, hot, events: 0.0, transactions: None })
        };
        let mut written: BTreeMap<String, Self> = rows.into_iter().map(named).collect();
        for service in Service::ALL {
            let sql = format!("SELECT coalesce(sum(published_seq), 0)::float8 FROM \"{}\".writers", service.name());
            let events: f64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&fleet.db).await?;
            written.entry(service.name().to_owned()).or_default().events = events;
        }
        Ok(written)
    }
}

impl Usage {
    /// All processes but the generator.
    pub(crate) fn fleet_cpu_us(&self) -> f64 {
        self.cpu_us.iter().filter(|(name, _)| *name != "generator").map(|(_, us)| us).sum()
    }
}

impl Snapshot {
    pub(crate) async fn take(fleet: &Fleet) -> Result<Self> {
        let row = sqlx::query(
            "SELECT xact_commit, (pg_current_wal_lsn() - '0/0')::bigint AS wal
             FROM pg_stat_database
             WHERE datname = current_database()",
        )
        .fetch_one(&fleet.db)
        .await?;
        let mut counts = BTreeMap::new();
        for service in Service::ALL {
            counts.insert(service, Counts::of(fleet, service).await?);
        }
        Ok(Self {
            cpu_us: fleet.pids().into_iter().map(|(name, pid)| (name, cpu_us_of(pid))).collect(),
            steal_us: steal_us()?,
            commits: row.try_get("xact_commit")?,
            wal_bytes: row.try_get("wal")?,
            counts,
            written: Written::of(fleet).await?,
        })
    }

    /// What was used since `before`, by each of `count`.
    pub(crate) fn since(&self, before: &Self, count: u64) -> Usage {
        let each = |used: f64| used / count.max(1) as f64;
        let cpu = self.cpu_us.iter().map(|(name, us)| {
            let before = before.cpu_us.get(name).copied().unwrap_or(0);
            (name.clone(), each(us.saturating_sub(before) as f64))
        });
        let counted = |of: fn(&Counts) -> f64, service: &Service| {
            of(&self.counts[service]) - before.counts.get(service).map_or(0.0, of)
        };
        let batch = Service::ALL.iter().map(|service| {
            let batches = counted(|c| c.batches, service);
            (service.name().to_owned(), counted(|c| c.commands, service) / batches.max(1.0))
        });
        let written = self.written.iter().map(|(schema, rows)| {
            let before = before.written.get(schema).copied().unwrap_or_default();
            let service = Service::ALL.iter().find(|service| service.name() == schema);
            let written = Written {
                inserted: each(rows.inserted - before.inserted),
                updated: each(rows.updated - before.updated),
                hot: each(rows.hot - before.hot),
                events: each(rows.events - before.events),
                transactions: service.map(|service| each(counted(|c| c.batches, service))),
            };
            (schema.clone(), written)
        });
        Usage {
            written: written.collect(),
            cpu_us: cpu.collect(),
            commits: each((self.commits - before.commits) as f64),
            wal_bytes: each((self.wal_bytes - before.wal_bytes) as f64),
            kafka_requests: each(Service::ALL.iter().map(|service| counted(|c| c.kafka_requests, service)).sum()),
            batch: batch.collect(),
            steal_s: self.steal_us.saturating_sub(before.steal_us) as f64 / 1e6,
        }
    }
}

impl Counts {
    async fn of(fleet: &Fleet, service: Service) -> Result<Self> {
        let sum = |name: &'static str| testkit::metrics::sum(&fleet.api, service, name, "");
        Ok(Self {
            batches: sum("rtoms_batches_total").await?,
            commands: sum("rtoms_batch_commands_total").await?,
            kafka_requests: sum("rtoms_kafka_requests_total").await?,
        })
    }
}

/// Processor time of a process, of those that it has started and of those among them that have ended (`proc(5)`).
pub(crate) fn cpu_us_of(pid: u32) -> u64 {
    let own = stat_ticks(pid, &[11, 12, 13, 14]);
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let theirs =
        children.split_whitespace().filter_map(|child| child.parse().ok()).map(|child| stat_ticks(child, &[11, 12]));
    (own + theirs.sum::<u64>()) * TICK_US
}

/// The sum of some fields of `/proc/<pid>/stat`, counted after the name; 0 where the process is gone.
fn stat_ticks(pid: u32, fields: &[usize]) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name stands in brackets and may hold anything.
    let rest: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.iter().filter_map(|field| rest.get(*field)).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// The memory of a process that is resident, in MB.
pub(crate) fn resident_mb(pid: u32) -> f64 {
    status_kb(pid, "VmRSS:").unwrap_or(f64::NAN) / 1000.0
}

/// Whether a process has touched huge pages.
pub(crate) fn has_huge_pages(pid: u32) -> bool {
    status_kb(pid, "HugetlbPages:").is_some_and(|kb| kb > 0.0)
}

/// A figure of `/proc/<pid>/status`, in kB (`proc_pid_status(5)`).
fn status_kb(pid: u32, name: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn steal_us() -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat begins with the sum over all processors")?;
    let ticks: u64 = line.split_whitespace().nth(8).context("the eighth figure is the time stolen")?.parse()?;
    Ok(ticks * TICK_US)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_process_that_works_uses_time() {
        let before = cpu_us_of(std::process::id());
        let until = Instant::now() + Duration::from_millis(100);
        while Instant::now() < until {}
        assert!(cpu_us_of(std::process::id()) > before);
        assert!(resident_mb(std::process::id()) > 1.0);
        assert_eq!(stat_ticks(0, &[11]), 0);
    }
}
