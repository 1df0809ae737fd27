//! The stack on a throw-away folder, and the services as processes of the calling binary.

mod plan;
mod replica;

pub use plan::Plan;
pub use replica::Replica;

use crate::annex::Servers;
use crate::api::{Api, Service};
use crate::audit;
use crate::ledger::Ledger;
use crate::records::Records;
use anyhow::{Context, Result};
use futures::future::try_join_all;
use stack::Stack;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// Names the service that a process of the test binary is to run.
pub const SERVICE: &str = "RTOMS_SERVICE";

/// Services on a stack of their own, as a [`Plan`] says.
pub struct Fleet {
    api: Api,
    records: Records,
    ledger: Ledger,
    servers: Servers,
    replicas: HashMap<Service, Vec<Replica>>,
    /// Behind a lock, so that a test can stop a server while others look; gone once the fleet is.
    stack: Arc<Mutex<Option<Stack>>>,
    dir: TempDir,
}

impl Fleet {
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Runs the services' own audits.
    ///
    /// # Errors
    /// Something is wrong with the books.
    pub async fn audit(&self, grace_s: u32) -> Result<()> {
        for service in Service::ALL {
            let command = self.with_stack(move |stack| audit::command(stack, service, grace_s)).await?;
            audit::run(service, command).await?;
        }
        Ok(())
    }

    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The replica `n` of a service, from 0.
    ///
    /// # Panics
    /// The plan has no such replica.
    #[must_use]
    pub fn replica(&self, service: Service, n: usize) -> &Replica {
        &self.replicas[&service][n]
    }

    /// All replicas of all services.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.values().flatten()
    }

    /// For an annex.
    #[must_use]
    pub fn servers(&self) -> Servers {
        self.servers.clone()
    }

    /// Lets `act` stop, crash, freeze or restart servers, on a thread that may block.
    ///
    /// # Errors
    /// Those of `act`.
    pub async fn with_stack<T, F>(&self, act: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Stack) -> Result<T> + Send + 'static,
    {
        let stack = Arc::clone(&self.stack);
        let acted = move || act(locked(&stack).as_mut().context("the stack is gone")?);
        tokio::task::spawn_blocking(acted).await?
    }

    /// Where a role of Postgres connects to.
    ///
    /// # Errors
    /// The stack is gone.
    pub async fn database_url(&self, role: &'static str) -> Result<String> {
        self.with_stack(|stack| Ok(stack.postgres.url(role))).await
    }

    /// Kafka's `host:port`.
    ///
    /// # Errors
    /// The stack is gone.
    pub async fn brokers(&self) -> Result<String> {
        self.with_stack(|stack| Ok(stack.kafka.brokers())).await
    }

    /// As the plan says again, whatever a test did: servers that run and are not frozen, and all replicas ready and
    /// without an environment of a test.
    ///
    /// # Errors
    /// Whatever does not come up again.
    pub async fn heal(&self) -> Result<()> {
        self.with_stack(|stack| {
            for server in stack.servers() {
                server.thaw();
                if !server.alive() {
                    server.restart()?;
                }
            }
            Ok(())
        })
        .await?;
        let altered: Vec<&Replica> = self.replicas().filter(|replica| replica.altered()).collect();
        // In good order, so that no group waits for a member that is gone.
        try_join_all(altered.iter().map(|replica| replica.stop())).await?;
        for replica in altered {
            replica.start(&[])?;
        }
        self.ready().await
    }

    /// Waits until every replica is ready.
    ///
    /// # Errors
    /// Which one is not, with the folder of the logs, which then stays.
    pub async fn ready(&self) -> Result<()> {
        if let Err(error) = try_join_all(self.replicas().map(Replica::ready)).await {
            let logs = self.keep_logs();
            return Err(error.context(format!("see the logs in {}", logs.display())));
        }
        Ok(())
    }

    /// Ends all processes; with `failed`, the logs stay.
    pub fn stop(self, failed: bool) {
        for replica in self.replicas() {
            // They end at the same time; the wait comes with the drop.
            replica.tell_to_end();
        }
        if failed {
            eprintln!("the logs are in {}", self.keep_logs().display());
        }
    }

    /// Copies the logs out of the folder that goes with this fleet.
    fn keep_logs(&self) -> PathBuf {
        let kept = std::env::temp_dir().join(format!("rtoms-test-logs-{}", std::process::id()));
        let copied = fs::create_dir_all(&kept).and_then(|()| {
            for dir in ["", "postgres", "redis", "kafka"] {
                for entry in fs::read_dir(self.dir.path().join(dir))? {
                    let path = entry?.path();
                    if path.extension().is_some_and(|extension| extension == "log") && path.is_file() {
                        fs::copy(&path, kept.join(path.file_name().unwrap_or_default()))?;
                    }
                }
            }
            Ok(())
        });
        if let Err(error) = copied {
            eprintln!("the logs were not kept: {error}");
        }
        kept
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.replicas.clear();
        locked(&self.stack).take();
    }
}

fn locked(stack: &Mutex<Option<Stack>>) -> MutexGuard<'_, Option<Stack>> {
    stack.lock().unwrap_or_else(PoisonError::into_inner)
}
