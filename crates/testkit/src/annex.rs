//! Services of another configuration than the fleet's, on its PostgreSQL, in a database of their own. They neither hear
//! nor tell anything: their broker is nowhere.

use crate::api::{Api, Service};
use crate::eventually::eventually;
use crate::fleet::SERVICE;
use anyhow::{Context, Result, ensure};
use sqlx::{Connection, PgConnection};
use stack::ports::free_ports;
use stack::process::{Process, Signal};
use stack::redis::Redis;
use stack::tools::find_or_install;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use uuid::Uuid;

/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:9";
const SCHEMAS: [&str; 7] = ["product", "inventory", "order", "payment", "notification", "identity", "provider"];

/// What of the fleet's servers an annex needs to know.
#[derive(Debug, Clone)]
pub struct Servers {
    pub(crate) superuser_url: String,
    /// For logs.
    pub(crate) dir: PathBuf,
}

impl Servers {
    /// The URL of a role in the fleet's own database.
    ///
    /// # Errors
    /// Where that of the superuser is none.
    pub fn database_url(&self, role: &str) -> Result<String> {
        let (_, server) = self.superuser_url.split_once('@').context("a URL names a user")?;
        Ok(format!("postgres://{role}:{role}@{server}"))
    }

    /// A file that goes with them.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn file(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    }
}

/// A database with all schemas, and nothing in them.
pub struct Annex {
    servers: Servers,
    database: String,
}

/// A process of a service; dropping it ends it.
pub struct Lodger {
    pub service: Service,
    pub url: String,
    pub(crate) process: Process,
}

/// A base URL that nobody uses yet.
///
/// # Errors
/// Where the machine has no port.
pub fn free_url() -> Result<String> {
    let [port] = free_ports()?;
    Ok(format!("http://127.0.0.1:{port}"))
}

impl Annex {
    /// # Errors
    /// Where PostgreSQL refuses.
    pub async fn open(servers: &Servers) -> Result<Self> {
        let database = format!("annex_{}", Uuid::new_v4().simple());
        run(&servers.superuser_url, &format!("CREATE DATABASE {database}")).await?;
        let annex = Self { servers: servers.clone(), database };
        let schema = |name: &str| format!("CREATE SCHEMA \"{name}\" AUTHORIZATION \"{name}\";");
        run(&annex.in_database(&servers.superuser_url)?, &SCHEMAS.map(schema).concat()).await?;
        Ok(annex)
    }

    /// The URL of a role in this database.
    ///
    /// # Errors
    /// As [`Servers::database_url`].
    pub fn database_url(&self, role: &str) -> Result<String> {
        self.in_database(&self.servers.database_url(role)?)
    }

    fn in_database(&self, url: &str) -> Result<String> {
        let (server, _) = url.rsplit_once('/').context("a URL names a database")?;
        Ok(format!("{server}/{}", self.database))
    }

    /// A Redis that nobody else uses, so that it can be hurt.
    ///
    /// # Errors
    /// It does not start.
    pub async fn redis(&self) -> Result<Redis> {
        let dir = self.servers.dir.join(format!("redis-{}", Uuid::new_v4().simple()));
        let start = move || {
            let [port] = free_ports()?;
            Redis::start(&find_or_install(&|what| eprintln!("{what}"))?, &dir, port)
        };
        tokio::task::spawn_blocking(start).await?
    }

    /// Starts a service at `url`, and waits for nothing. `issuer`: whose tokens it takes; with its own URL, it issues
    /// them itself.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn launch(&self, service: Service, url: &str, issuer: &str, env: &[(&str, &str)]) -> Result<Lodger> {
        let name = service.name();
        let address = url.strip_prefix("http://").context("the URLs here are http")?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .env(SERVICE, name)
            .env("HTTP_ADDR", address)
            .env("DATABASE_URL", self.database_url(name)?)
            .env("PROVIDER_DATABASE_URL", self.database_url("provider")?)
            .env("KAFKA_BROKERS", NOWHERE)
            .env("OIDC_ISSUER", issuer)
            .envs(env.iter().copied());
        let log = self.servers.dir.join(format!("{name}-{}.log", address.replace(':', "-")));
        let process = Process::start(&command, Signal::Term, None, &log)?;
        Ok(Lodger { service, url: url.to_owned(), process })
    }
}

impl Lodger {
    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Tells it to end, as whoever runs services does.
    ///
    /// # Errors
    /// It has ended before.
    pub fn tell_to_end(&self) -> Result<()> {
        self.process.signal(Signal::Term)
    }

    /// Waits until it has ended; how, in words.
    ///
    /// # Errors
    /// It goes on.
    pub async fn ended(&self) -> Result<String> {
        eventually("the end of a service", || async { Ok((!self.process.alive()).then(|| self.process.fate())) }).await
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// It does not become so.
    pub async fn ready(&self) -> Result<()> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        eventually(self.service.name(), || async {
            let answer = http.get(format!("{}/readyz", self.url)).send().await?;
            ensure!(answer.status() == 200, "{}", answer.text().await?);
            Ok(Some(()))
        })
        .await
    }
}

/// The API of these alone.
///
/// # Errors
/// Where the HTTP client can't be made.
pub fn api_of(lodgers: &[&Lodger]) -> Result<Api> {
    let mut urls: HashMap<Service, Vec<String>> = HashMap::new();
    for lodger in lodgers {
        urls.entry(lodger.service).or_default().push(lodger.url.clone());
    }
    Api::new(urls)
}

async fn run(url: &str, sql: &str) -> Result<()> {
    let mut db = PgConnection::connect(url).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut db).await?;
    db.close().await?;
    Ok(())
}
