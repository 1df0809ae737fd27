//! Accounts and tokens: the built-in issuer, mounted by the order service. Any other OIDC provider serves as well.
//!
//! It writes without the writer, in short transactions of its own, in a schema of its own.
//!
//! - [`http`]: register, token, revoke, userinfo, and what discovery needs
//! - `accounts`, `refresh`, `keys`: the rows, and who may use them when
//! - `passwords`: argon2id, a few at a time, on threads of their own
//! - `limits`: how often somebody may guess

mod accounts;
mod demo;
pub mod http;
mod keys;
mod limits;
mod passwords;
mod refresh;
mod tokens;
mod undisturbed;

pub use http::openapi;
pub use keys::Rotation;
pub use limits::Lockout;

use accounts::{NewAccount, Taken};
use anyhow::{Context, Result, anyhow, bail};
use axum::Router;
use common::clock;
use keys::KeyRing;
use limits::Limits;
use passwords::Passwords;
use service_kit::auth::Keys;
use service_kit::db::{self, Schema};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Connections of the issuer: logins are few beside orders.
const POOL_MAX: u32 = 4;
/// How long `create-admin` waits for its database.
const REACH_BOUND: Duration = Duration::from_secs(5);

/// What the issuer is told.
#[derive(Debug, Clone)]
pub struct Config {
    pub database: PgConnectOptions,
    /// `iss`, and where its endpoints are.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    pub rotation: Rotation,
    pub lockout: Lockout,
    /// Whether to make the two demo users.
    pub demo: bool,
}

/// The running issuer.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    pool: PgPool,
    keys: KeyRing,
    passwords: Passwords,
    limits: Limits,
}

impl Identity {
    /// Brings the schema up to date and makes the first key; replicas that start at once agree on one.
    ///
    /// # Errors
    /// Postgres stayed away, or `shutdown` came first.
    pub async fn start(config: Config, shutdown: &CancellationToken) -> Result<Self> {
        let schema = Schema::Plain(sqlx::migrate!("../../migrations/identity"));
        db::migrate(&config.database, schema, shutdown).await?;
        let pool = db::pool(&config.database, POOL_MAX);
        let keys = KeyRing::load(&pool, config.rotation).await.context("the issuer's keys")?;
        let passwords = Passwords::new()?;
        if config.demo {
            demo::seed(&pool, &passwords).await.context("the demo users")?;
        }
        let limits = Limits::new(config.lockout);
        let inner = Arc::new(Inner { config, pool, keys, passwords, limits });
        tokio::spawn(keys::look_after(Arc::clone(&inner), shutdown.clone()));
        Ok(Self { inner })
    }

    /// The public keys, as they change.
    #[must_use]
    pub fn keys(&self) -> Keys {
        self.inner.keys.published()
    }

    /// The issuer's routes.
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }
}

/// Makes an administrator, for a fleet that has none.
///
/// # Errors
/// The name is taken, name or password can't be, or Postgres does not answer.
pub async fn create_admin(database: &PgConnectOptions, username: &str, password: String) -> Result<()> {
    http::check_username(username).map_err(|why| anyhow!("the username {why}"))?;
    http::check_password(&password).map_err(|why| anyhow!("the password {why}"))?;
    // Whoever waits at a terminal is told at once; a service would wait for Postgres to come up.
    reach(database).await.context("the database of IDENTITY_DATABASE_URL can't be reached")?;
    let shutdown = CancellationToken::new();
    db::migrate(database, Schema::Plain(sqlx::migrate!("../../migrations/identity")), &shutdown).await?;
    let pool = db::pool(database, 1);
    let account = NewAccount {
        id: common::ids::new(),
        username: username.to_owned(),
        email: None,
        name: None,
        password_hash: Passwords::new()?.hash(password).await?,
        roles: vec!["ADMIN".to_owned(), "CUSTOMER".to_owned()],
    };
    match accounts::insert(&pool, &account, clock::now()).await? {
        Ok(()) => Ok(()),
        Err(Taken) => bail!("the username {username} is taken"),
    }
}

/// Whether the database answers at all, with these credentials.
async fn reach(database: &PgConnectOptions) -> Result<()> {
    let connection = timeout(REACH_BOUND, PgConnection::connect_with(database)).await;
    let connection = connection.map_err(|_| anyhow!("no answer within {REACH_BOUND:?}"))??;
    // Whatever becomes of the farewell.
    let _ = timeout(REACH_BOUND, connection.close()).await;
    Ok(())
}
