//! PostgreSQL, Redis and Kafka as processes of this machine: for `cargo xtask up`, and for tests on a throw-away folder.
//!
//! - [`tools`]: finds the programs, or installs them from the system's package manager
//! - [`postgres`], [`redis`], [`kafka`]: one server each, and [`server`], what they have in common
//! - [`keycloak`]: another issuer of tokens, for whoever wants one
//! - [`command`]: programs that run to their end
//! - [`process`]: child processes that end with their parent
//! - [`ports`]: where they listen
//! - [`probe`]: whether a service is ready

pub mod command;
pub mod kafka;
pub mod keycloak;
mod maven;
pub mod ports;
pub mod postgres;
pub mod probe;
pub mod process;
pub mod redis;
pub mod server;
pub mod tools;

pub use ports::Ports;

use anyhow::{Context, Result};
use kafka::Kafka;
use postgres::Postgres;
use redis::Redis;
use server::Server;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use tempfile::TempDir;

/// Where a stack keeps its data and where it listens.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data of all three servers.
    pub dir: PathBuf,
    /// Kafka's jars, shared by all stacks of a checkout.
    pub jars: PathBuf,
    pub ports: Ports,
}

/// Three running servers; dropping it stops them.
pub struct Stack {
    pub postgres: Postgres,
    pub redis: Redis,
    pub kafka: Kafka,
}

impl Stack {
    /// Starts all three at once and waits until each is ready. `say` hears what takes long.
    ///
    /// # Errors
    /// One sentence that says what is in the way: a missing tool, a taken port, a folder that can't be written.
    pub fn start(options: &Options, say: &(dyn Fn(&str) + Sync)) -> Result<Self> {
        let Options { dir, ports, .. } = options;
        let tools = tools::find_or_install(say)?;
        let jars = kafka::resolve(&options.jars, &tools, say)?;
        std::fs::create_dir_all(dir).with_context(|| format!("the folder {} can't be made", dir.display()))?;
        ports.check_free()?;
        say("starting PostgreSQL, Redis and Kafka");
        thread::scope(|scope| {
            let postgres = scope.spawn(|| Postgres::start(&tools, &dir.join("postgres"), ports.postgres));
            let redis = scope.spawn(|| Redis::start(&tools, &dir.join("redis"), ports.redis));
            let kafka = Kafka::start(&tools, &jars, &dir.join("kafka"), *ports)?;
            Ok(Self { postgres: joined(postgres)?, redis: joined(redis)?, kafka })
        })
    }

    /// Tells a service, by its environment, where this stack is.
    pub fn introduce(&self, service: &str, command: &mut Command) {
        command.env("DATABASE_URL", self.postgres.url(service)).env("KAFKA_BROKERS", self.kafka.brokers());
        match service {
            "product" => command.env("REDIS_URL", self.redis.url()),
            "order" => command.env("IDENTITY_DATABASE_URL", self.postgres.url("identity")),
            "payment" => command.env("PROVIDER_DATABASE_URL", self.postgres.url("provider")),
            _ => command,
        };
    }

    /// All three.
    pub fn servers(&mut self) -> [&mut Server; 3] {
        [&mut self.postgres.server, &mut self.redis.server, &mut self.kafka.server]
    }

    /// Stops all three; dropping does the same.
    pub fn stop(&mut self) {
        thread::scope(|scope| {
            for server in self.servers() {
                scope.spawn(|| server.stop());
            }
        });
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop();
    }
}

fn joined<T>(handle: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    handle.join().unwrap_or_else(|_| anyhow::bail!("a thread that starts a server panicked"))
}

/// The root of the checkout that this was built from.
#[must_use]
pub fn checkout() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Where a checkout keeps Kafka's jars.
#[must_use]
pub fn jars_of(checkout: &Path) -> PathBuf {
    checkout.join(".rtoms/kafka-jars")
}

/// Where a checkout keeps the distribution of Keycloak.
#[must_use]
pub fn keycloak_of(checkout: &Path) -> PathBuf {
    checkout.join(".rtoms/keycloak")
}

/// A folder for the data of a stack, which goes with the value; also PostgreSQL's own user may enter it.
///
/// # Errors
/// It can't be made.
pub fn throwaway_dir() -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let dir = builder.prefix("rtoms-").permissions(Permissions::from_mode(0o755)).tempdir();
    dir.context("a temporary folder can't be made: is the disk full?")
}
