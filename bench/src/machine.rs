//! The machine that was measured, and what ran on it.

use crate::fleet::Fleet;
use crate::usage::has_huge_pages;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// `pg_test_fsync` tries many ways, each for a second.
const FSYNC_BOUND: Duration = Duration::from_secs(60);
/// How many huge pages the kernel may make when they are asked for (Documentation/admin-guide/mm/hugetlbpage.rst).
const HUGE_PAGES: &str = "/proc/sys/vm/nr_overcommit_hugepages";
/// More than PostgreSQL's shared memory takes, of 2 MiB each.
const HUGE_PAGES_WANTED: u64 = 1024;

/// Lets PostgreSQL have its shared memory in huge pages, as an installation would, where whoever runs this may; until it
/// is dropped. PostgreSQL asks for them by itself (`huge_pages = try`).
pub(crate) struct HugePages {
    before: Option<u64>,
}

impl HugePages {
    pub(crate) fn allow() -> Self {
        let allowed = fs::read_to_string(HUGE_PAGES).ok().and_then(|count| count.trim().parse::<u64>().ok());
        let is_raised =
            |count: &u64| *count < HUGE_PAGES_WANTED && fs::write(HUGE_PAGES, HUGE_PAGES_WANTED.to_string()).is_ok();
        Self { before: allowed.filter(is_raised) }
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // What could be raised can be lowered.
            let _ = fs::write(HUGE_PAGES, before.to_string());
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) postgres: String,
    pub(crate) kafka: String,
    pub(crate) redis: String,
    /// Whether PostgreSQL's shared memory is in huge pages.
    pub(crate) huge_pages: bool,
    /// How many times a second 8 KiB are written and synced with fdatasync, where `pg_test_fsync` tells.
    pub(crate) fdatasync_per_s: Option<f64>,
}

impl Machine {
    /// `quick` leaves out `pg_test_fsync`, which takes as long as some steps.
    pub(crate) async fn look(fleet: &Fleet, quick: bool) -> Result<Self> {
        let db = &fleet.db;
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo")?;
        let after = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim_start_matches([' ', '\t', ':']).trim().to_owned()
        };
        let kb: f64 =
            after(&memory, "MemTotal").split_whitespace().next().and_then(|kb| kb.parse().ok()).unwrap_or(f64::NAN);
        Ok(Self {
            cpu: after(&cpu, "model name"),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: kb / 1024.0 / 1024.0,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            postgres: sqlx::query_scalar("SHOW server_version").fetch_one(db).await?,
            kafka: stack::kafka::VERSION.to_owned(),
            redis: fleet.redis_version()?,
            huge_pages: fleet.pids().get("PostgreSQL").is_some_and(|pid| has_huge_pages(*pid)),
            fdatasync_per_s: if quick { None } else { fdatasync_per_s(db, fleet.logs()).await },
        })
    }
}

async fn fdatasync_per_s(db: &sqlx::PgPool, dir: &Path) -> Option<f64> {
    let bin: String =
        sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetch_one(db).await.ok()?;
    let mut program = Command::new(Path::new(&bin).join("pg_test_fsync"));
    program.args(["--secs-per-test", "1", "--filename"]).arg(dir.join("pg_test_fsync.out")).kill_on_drop(true);
    let output = timeout(FSYNC_BOUND, program.output()).await.ok()?.ok()?;
    parse_fdatasync(&String::from_utf8_lossy(&output.stdout))
}

/// The first figure for fdatasync, which is that of one 8 KiB write.
fn parse_fdatasync(told: &str) -> Option<f64> {
    let line = told.lines().find(|line| line.trim_start().starts_with("fdatasync"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_figure_of_fdatasync_is_read() {
        let told = "Compare file sync methods using one 8kB write:\n        open_datasync    1200.1 ops/sec\n        \
                    fdatasync                          2345.678 ops/sec     426 usecs/op\n";
        assert_eq!(parse_fdatasync(told), Some(2345.678));
        assert_eq!(parse_fdatasync("nothing"), None);
    }
}
