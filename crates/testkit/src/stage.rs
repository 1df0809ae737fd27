//! Single services on a stack of their own; the others are played by the test, over Kafka.

use crate::annex::{Lodger, Servers, free_url};
use crate::api::Service;
use crate::fleet::SERVICE;
use crate::ledger::Ledger;
use anyhow::{Context, Result};
use stack::process::{Process, Signal};
use stack::{Options, Ports, Stack};
use std::process::Command;
use tempfile::TempDir;

/// Where nobody listens: the broker of a service that is neither to hear nor to tell anything.
const NOWHERE: &str = "127.0.0.1:9";

/// Servers without services.
pub struct Stage {
    stack: Stack,
    ledger: Ledger,
    dir: TempDir,
}

impl Stage {
    /// # Errors
    /// Whatever does not come up.
    pub async fn set() -> Result<Self> {
        let dir = stack::throwaway_dir()?;
        let options =
            Options { dir: dir.path().to_owned(), jars: stack::jars_of(&stack::checkout()), ports: Ports::free()? };
        let stack = tokio::task::spawn_blocking(move || Stack::start(&options, &|what| eprintln!("{what}"))).await??;
        let ledger = Ledger::connect(&stack.postgres.superuser_url()).await?;
        Ok(Self { stack, ledger, dir })
    }

    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    #[must_use]
    pub fn servers(&self) -> Servers {
        Servers { superuser_url: self.stack.postgres.superuser_url(), dir: self.dir.path().to_owned() }
    }

    #[must_use]
    pub fn brokers(&self) -> String {
        self.stack.kafka.brokers()
    }

    /// An order service that issues tokens, and neither hears nor tells anything.
    ///
    /// # Errors
    /// As [`Stage::enter`].
    pub async fn issuer(&self) -> Result<Lodger> {
        self.enter(Service::Order, None, &[("KAFKA_BROKERS", NOWHERE)]).await
    }

    /// Starts a service, and waits until it is ready. `issuer`: whose tokens it takes, by default its own; `env`: what
    /// it is told besides the usual.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn enter(&self, service: Service, issuer: Option<&Lodger>, env: &[(&str, &str)]) -> Result<Lodger> {
        let url = free_url()?;
        let address = url.strip_prefix("http://").context("the URLs here are http")?;
        let mut command = Command::new(std::env::current_exe()?);
        self.stack.introduce(service.name(), &mut command);
        command
            .env(SERVICE, service.name())
            .env("HTTP_ADDR", address)
            .env("OIDC_ISSUER", issuer.map_or(&url, |issuer| &issuer.url))
            .env("PROVIDER_TIMEOUT_MS", "2000")
            .env("RTOMS_DEMO", "true")
            .envs(env.iter().copied());
        let log = self.dir.path().join(format!("{}-{}.log", service.name(), address.replace(':', "-")));
        let process = Process::start(&command, Signal::Term, None, &log)?;
        let lodger = Lodger { service, url, process };
        lodger.ready().await?;
        Ok(lodger)
    }
}
