//! The stack on a throw-away folder, and the services as processes of the calling binary.

use crate::annex::Servers;
use crate::api::{Api, Service};
use crate::audit;
use crate::eventually::eventually;
use crate::ledger::Ledger;
use crate::records::Records;
use anyhow::{Context, Result};
use stack::ports::free_ports;
use stack::process::{Process, Signal};
use stack::{Options, Ports, Stack};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// Names the service that a process of the test binary is to run.
pub const SERVICE: &str = "RTOMS_SERVICE";
/// How many processes each service has.
const REPLICAS: usize = 2;
/// How long orders may wait for their payment: long enough for every test but the one that waits for it.
const ORDER_TTL_S: &str = "40";
/// How long a call to the provider may take.
const PROVIDER_TIMEOUT_MS: &str = "2000";

/// Five services on a stack of their own.
pub struct Fleet {
    api: Api,
    records: Records,
    ledger: Ledger,
    servers: Servers,
    processes: Mutex<Vec<Process>>,
    stack: Mutex<Option<Stack>>,
    dir: TempDir,
}

impl Fleet {
    /// Starts everything, and waits until every replica is ready.
    ///
    /// # Errors
    /// Whatever does not come up, with the folder of its logs, which then stays.
    pub async fn start() -> Result<Self> {
        let fleet = Self::launch(None).await?;
        fleet.ready().await?;
        Ok(fleet)
    }

    /// Starts everything, and waits for no service. `issuer`: whose tokens they take, where not those of their own.
    ///
    /// # Errors
    /// A server that does not come up.
    pub async fn launch(issuer: Option<&str>) -> Result<Self> {
        let dir = stack::throwaway_dir()?;
        let options =
            Options { dir: dir.path().to_owned(), jars: stack::jars_of(&stack::checkout()), ports: Ports::free()? };
        let stack = tokio::task::spawn_blocking(move || Stack::start(&options, &|what| eprintln!("{what}"))).await??;
        let ports: [u16; 10] = free_ports()?;
        let urls = Self::urls(&ports);
        let issuer = Issuer { built_in: issuer.is_none(), url: issuer.unwrap_or(&urls[&Service::Order][0]).to_owned() };
        let mut processes = Vec::new();
        for (service, replicas) in &urls {
            for url in replicas {
                processes.push(launch(*service, url, &issuer, &stack, dir.path())?);
            }
        }
        Ok(Self {
            records: Records::of(&stack.kafka.brokers())?,
            ledger: Ledger::connect(&stack.postgres.superuser_url()).await?,
            servers: Servers { superuser_url: stack.postgres.superuser_url(), dir: dir.path().to_owned() },
            api: Api::new(urls)?,
            processes: Mutex::new(processes),
            stack: Mutex::new(Some(stack)),
            dir,
        })
    }

    /// Waits until every replica is ready.
    ///
    /// # Errors
    /// Which one is not, with the folder of the logs, which then stays.
    pub async fn ready(&self) -> Result<()> {
        if let Err(error) = self.all_ready().await {
            let logs = self.keep_logs();
            return Err(error.context(format!("see the logs in {}", logs.display())));
        }
        Ok(())
    }

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
            let command = {
                let stack = self.stack.lock().unwrap_or_else(PoisonError::into_inner);
                audit::command(stack.as_ref().context("a running stack")?, service, grace_s)?
            };
            audit::run(service, command).await?;
        }
        Ok(())
    }

    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// For an annex.
    #[must_use]
    pub fn servers(&self) -> Servers {
        self.servers.clone()
    }

    /// Ends all processes; with `failed`, the logs stay.
    pub fn stop(self, failed: bool) {
        for process in self.processes.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            // They end at the same time; the wait comes with the drop.
            let _ = process.signal(Signal::Term);
        }
        if failed {
            eprintln!("the logs are in {}", self.keep_logs().display());
        }
    }

    fn urls(ports: &[u16]) -> HashMap<Service, Vec<String>> {
        let mut ports = ports.iter();
        let url = |port: &u16| format!("http://127.0.0.1:{port}");
        Service::ALL.map(|service| (service, ports.by_ref().take(REPLICAS).map(url).collect())).into()
    }

    async fn all_ready(&self) -> Result<()> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        for service in Service::ALL {
            for url in self.api.replicas(service) {
                eventually(&format!("{} at {url}", service.name()), || async {
                    let answer = http.get(format!("{url}/readyz")).send().await?;
                    let body: serde_json::Value = answer.json().await?;
                    Ok((body["status"] == "ready").then_some(()))
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Copies the services' logs out of the folder that goes with this fleet.
    fn keep_logs(&self) -> PathBuf {
        let kept = std::env::temp_dir().join("rtoms-test-logs");
        let copied = fs::create_dir_all(&kept).and_then(|()| {
            for entry in fs::read_dir(self.dir.path())? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "log") {
                    fs::copy(&path, kept.join(path.file_name().unwrap_or_default()))?;
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
        self.processes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.stack.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Whose tokens the services take.
struct Issuer {
    url: String,
    built_in: bool,
}

fn launch(service: Service, url: &str, issuer: &Issuer, stack: &Stack, dir: &Path) -> Result<Process> {
    let name = service.name();
    let address = url.strip_prefix("http://").context("the URLs here are http")?;
    let port = address.rsplit(':').next().unwrap_or_default();
    let mut command = Command::new(std::env::current_exe()?);
    stack.introduce(name, &mut command);
    command
        .env(SERVICE, name)
        .env("HTTP_ADDR", address)
        .env("OIDC_ISSUER", &issuer.url)
        .env("ORDER_TTL_S", ORDER_TTL_S)
        .env("PROVIDER_TIMEOUT_MS", PROVIDER_TIMEOUT_MS)
        .env("RTOMS_DEMO", "true");
    if issuer.built_in {
        command.env("OIDC_TOKEN_URL", format!("{}/auth/token", issuer.url));
    } else {
        command.env_remove("IDENTITY_DATABASE_URL");
    }
    Process::start(&command, Signal::Term, None, &dir.join(format!("{name}-{port}.log")))
}
