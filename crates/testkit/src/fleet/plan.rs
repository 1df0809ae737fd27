//! Which services a fleet has, and what they are told.

use super::{Fleet, Replica, SERVICE};
use crate::annex::Servers;
use crate::api::{Api, Service};
use crate::ledger::Ledger;
use crate::records::Records;
use anyhow::{Context, Result};
use stack::ports::free_ports;
use stack::{Options, Ports, Stack};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// The most processes that a fleet may have.
const REPLICAS_MAX: usize = 20;
/// How long orders may wait for their payment: long enough for every test but the one that waits for it.
const ORDER_TTL_S: &str = "40";
/// How long a call to the provider may take.
const PROVIDER_TIMEOUT_MS: &str = "2000";

/// How many replicas of which service, and their environment.
#[derive(Debug, Clone)]
pub struct Plan {
    replicas: HashMap<Service, usize>,
    env: Vec<(Option<Service>, &'static str, String)>,
    issuer: Option<String>,
}

impl Plan {
    /// Two replicas of every service.
    #[must_use]
    pub fn whole() -> Self {
        Self { replicas: Service::ALL.map(|service| (service, 2)).into(), ..Self::servers() }
    }

    /// Only the servers. The order service issues the tokens: without it nobody is let in, and no service is ready.
    #[must_use]
    pub fn servers() -> Self {
        Self { replicas: HashMap::new(), env: Vec::new(), issuer: None }
    }

    #[must_use]
    pub fn replicas(mut self, service: Service, replicas: usize) -> Self {
        self.replicas.insert(service, replicas);
        self
    }

    /// For all services.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((None, name, value.to_owned()));
        self
    }

    /// For one service.
    #[must_use]
    pub fn env_of(mut self, service: Service, name: &'static str, value: &str) -> Self {
        self.env.push((Some(service), name, value.to_owned()));
        self
    }

    /// Whose tokens the services take, in place of those of their own.
    #[must_use]
    pub fn issuer(mut self, url: &str) -> Self {
        self.issuer = Some(url.to_owned());
        self
    }

    /// Starts everything, and waits until every replica is ready.
    ///
    /// # Errors
    /// Whatever does not come up, with the folder of its logs, which then stays.
    pub async fn start(&self) -> Result<Fleet> {
        let fleet = self.launch().await?;
        fleet.ready().await?;
        Ok(fleet)
    }

    /// Starts everything, and waits for no service.
    ///
    /// # Errors
    /// A server that does not come up.
    pub async fn launch(&self) -> Result<Fleet> {
        let dir = stack::throwaway_dir()?;
        let options =
            Options { dir: dir.path().to_owned(), jars: stack::jars_of(&stack::checkout()), ports: Ports::free()? };
        let stack = tokio::task::spawn_blocking(move || Stack::start(&options, &|what| eprintln!("{what}"))).await??;
        let replicas = self.make_replicas(&stack, dir.path())?;
        let urls = replicas.iter().map(|(service, replicas)| {
            let urls = replicas.iter().map(|replica| replica.url().to_owned());
            (*service, urls.collect())
        });
        let fleet = Fleet {
            records: Records::of(&stack.kafka.brokers())?,
            ledger: Ledger::connect(&stack.postgres.superuser_url()).await?,
            servers: Servers { superuser_url: stack.postgres.superuser_url(), dir: dir.path().to_owned() },
            api: Api::new(urls.collect())?,
            replicas,
            stack: Arc::new(Mutex::new(Some(stack))),
            dir,
        };
        for replica in fleet.replicas() {
            replica.start(&[])?;
        }
        Ok(fleet)
    }

    fn make_replicas(&self, stack: &Stack, dir: &Path) -> Result<HashMap<Service, Vec<Replica>>> {
        let ports: [u16; REPLICAS_MAX] = free_ports()?;
        let mut ports = ports.into_iter();
        let mut addresses = HashMap::new();
        for service in Service::ALL {
            let wanted = self.replicas.get(&service).copied().unwrap_or(0);
            let taken: Vec<String> = ports.by_ref().take(wanted).map(|port| format!("127.0.0.1:{port}")).collect();
            anyhow::ensure!(taken.len() == wanted, "a fleet has {REPLICAS_MAX} replicas at most");
            addresses.insert(service, taken);
        }
        // Where neither an issuer nor an order service is wanted, nobody answers there.
        let issuer =
            addresses[&Service::Order].first().cloned().or_else(|| ports.next().map(|p| format!("127.0.0.1:{p}")));
        let issuer = format!("http://{}", issuer.context("no port is left for an issuer")?);
        let mut replicas = HashMap::new();
        for (service, addresses) in addresses {
            for (n, address) in addresses.iter().enumerate() {
                let log = dir.join(format!("{}-{n}.log", service.name()));
                let replica = Replica::new(service, address, self.command(service, &issuer, stack)?, &log);
                replicas.entry(service).or_insert_with(Vec::new).push(replica);
            }
        }
        Ok(replicas)
    }

    /// What comes later counts.
    fn command(&self, service: Service, issuer: &str, stack: &Stack) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(SERVICE, service.name());
        stack.introduce(service.name(), &mut command);
        command
            .env("OIDC_ISSUER", self.issuer.as_deref().unwrap_or(issuer))
            .env("ORDER_TTL_S", ORDER_TTL_S)
            .env("PROVIDER_TIMEOUT_MS", PROVIDER_TIMEOUT_MS)
            .env("RTOMS_DEMO", "true");
        if self.issuer.is_none() {
            command.env("OIDC_TOKEN_URL", format!("{issuer}/auth/token"));
        } else {
            command.env_remove("IDENTITY_DATABASE_URL");
        }
        let own = self.env.iter().filter(|(whose, ..)| whose.is_none_or(|whose| whose == service));
        command.envs(own.map(|(_, name, value)| (name, value)));
        Ok(command)
    }
}
