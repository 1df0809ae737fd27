//! `<service> audit`: a service's own books, compared with each other while it runs or not. Nothing is changed.
//!
//! Each check is one statement, and so sees one moment of the books.

use crate::config::{DatabaseArgs, seconds};
use anyhow::{Context, Result, ensure};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::fmt::Write;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::Builder;

/// How long one check may take.
const CHECK_BOUND: Duration = Duration::from_secs(300);
/// How long connecting may take.
const CONNECT_BOUND: Duration = Duration::from_secs(10);
/// How many findings of one check are listed.
const LISTED: usize = 20;

/// What every audit is told.
#[derive(Debug, Clone, clap::Args)]
pub struct AuditArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// How long what is due may wait, in seconds, before it counts as stuck: an event for Kafka, an order past its
    /// deadline, a call without an answer.
    #[arg(long = "grace-s", env = "AUDIT_GRACE_S", default_value = "300", value_parser = seconds, value_name = "S")]
    pub grace: Duration,
}

/// The checks of one service, and what they found.
pub struct Audit {
    /// The service's schema, read only.
    pub pool: PgPool,
    grace: Duration,
    checks: usize,
    wrong: usize,
}

/// Runs the checks that every service has, and then its `own`.
///
/// # Errors
/// Something is wrong with the books, or they can't be read.
pub fn run<F>(args: &AuditArgs, own: impl FnOnce(Audit) -> F) -> Result<()>
where
    F: Future<Output = Result<Audit>>,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut audit =
            Audit { pool: connect(&args.database.options()?).await?, grace: args.grace, checks: 0, wrong: 0 };
        let pool = audit.pool.clone();
        audit.check("no dead letter waits", engine::audit::waiting_letters(&pool)).await?;
        audit.check("no event waits for Kafka", engine::audit::late_events(&pool, args.grace)).await?;
        own(audit).await?.conclude()
    })
}

/// A few connections that can only read, for as long as an audit takes.
///
/// # Errors
/// Postgres does not answer.
pub async fn connect(options: &PgConnectOptions) -> Result<PgPool> {
    let options = options.clone().options([
        ("default_transaction_read_only", "on".to_owned()),
        ("statement_timeout", CHECK_BOUND.as_millis().to_string()),
    ]);
    let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(CONNECT_BOUND).connect_with(options);
    pool.await.context("connecting to the books")
}

impl Audit {
    /// How long what is due may wait, for SQL.
    #[must_use]
    pub fn grace_s(&self) -> f64 {
        self.grace.as_secs_f64()
    }

    /// Prints whether `claim` holds: it does where nothing is `found` that speaks against it.
    ///
    /// # Errors
    /// The books can't be read.
    pub async fn check<E>(&mut self, claim: &str, found: impl Future<Output = Result<Vec<String>, E>>) -> Result<()>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let found = found.await.with_context(|| format!("finding out whether {claim}"))?;
        self.checks += 1;
        self.wrong += usize::from(!found.is_empty());
        print!("{}", told(claim, &found));
        Ok(())
    }

    fn conclude(&self) -> Result<()> {
        ensure!(self.wrong == 0, "{} of {} checks found something wrong", self.wrong, self.checks);
        println!("{} checks, nothing wrong", self.checks);
        Ok(())
    }
}

fn told(claim: &str, found: &[String]) -> String {
    if found.is_empty() {
        return format!("ok     {claim}\n");
    }
    let mut text = format!("WRONG  not so: {claim}\n");
    for finding in found.iter().take(LISTED) {
        // Writing to a string can't fail.
        let _ = writeln!(text, "         {finding}");
    }
    if found.len() > LISTED {
        let _ = writeln!(text, "         and {} more", found.len() - LISTED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_listed_up_to_a_bound() {
        assert_eq!(told("all is well", &[]), "ok     all is well\n");
        let found: Vec<String> = (0..25).map(|n| format!("order {n} is wrong")).collect();
        let text = told("all is well", &found);
        assert!(text.starts_with("WRONG  not so: all is well\n         order 0 is wrong\n"), "{text}");
        assert!(text.ends_with("order 19 is wrong\n         and 5 more\n"), "{text}");
    }
}
