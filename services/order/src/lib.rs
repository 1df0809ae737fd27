//! Orders: the service that owns the saga, and the built-in issuer of tokens beside it.
//!
//! - [`domain`]: the commands, the rows, and how the ones change the others; pure
//! - [`kafka`]: what inventory, payment and product tell, as commands
//! - [`store`]: rows in and out of PostgreSQL
//! - [`http`]: the API, as queries and as commands
//! - [`audit`]: its books, compared with each other
//! - [`config`]: what it is told from outside

pub mod audit;
pub mod config;
pub mod domain;
pub mod http;
pub mod kafka;
pub mod store;

pub use config::Config;
pub use http::openapi;

use crate::config::{CreateAdmin, IdentityArgs};
use crate::http::App;
use crate::store::Orders;
use anyhow::Context;
use clap::Parser;
use engine::{Engine, Settings, Timer};
use identity::Identity;
use service_kit::auth::{self, Verifier};
use service_kit::config::{CommonArgs, DatabaseArgs, Secret};
use service_kit::{Service, db};
use sqlx::postgres::PgConnectOptions;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// More than any password has, with the end of its line.
const MAX_PASSWORD_BYTES: u64 = 4096;
/// How often deadlines are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Runs the service as a process, as its arguments and environment say.
///
/// # Errors
/// As [`run`].
pub fn serve() -> anyhow::Result<()> {
    let config = Config::parse();
    let process = config.common.process.clone();
    service_kit::start(&process, |shutdown| run(config, shutdown))
}

/// Serves until `shutdown`.
///
/// # Errors
/// What keeps it from starting: the configuration, the databases, the address. Or its writer ended by itself.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Config { common, identity, time_to_pay } = config;
    let pool = db::open(&common.database, sqlx::migrate!("../../migrations/order"), &shutdown).await?;
    let issuer = built_in_issuer(&common, &identity, &shutdown).await?;
    let verifier = verifier(&common, issuer.as_ref(), &shutdown)?;
    let settings = Settings {
        subscriptions: kafka::subscriptions(),
        timers: vec![Timer::new("due", LOOK_EVERY, |pool, now, limit| Box::pin(store::due(pool, now, limit)))],
        ..common.engine_settings(pool.clone())?
    };
    let engine = Engine::start(Orders { time_to_pay }, settings).context("starting the engine")?;
    let app = App { pool, writer: engine.writer(), stopping: shutdown.clone() };
    let issuing = issuer.map(|issuer| issuer.router()).unwrap_or_default();
    let routes = http::router(app).merge(issuing);
    Service::new("order", &common, openapi(), routes).tokens(verifier).engine(engine).serve(shutdown).await
}

/// `order create-admin`, with the arguments after it.
///
/// # Errors
/// The name is taken, name or password can't be, or Postgres does not answer.
pub fn create_admin(args: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let args = CreateAdmin::parse_from(args);
    let database = issuer_database(&args.identity_database_url)?;
    let mut password = String::new();
    std::io::stdin().take(MAX_PASSWORD_BYTES).read_to_string(&mut password).context("reading the password")?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(identity::create_admin(&database, &args.username, password))
}

async fn built_in_issuer(
    common: &CommonArgs,
    identity: &IdentityArgs,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<Identity>> {
    let Some(url) = &identity.identity_database_url else { return Ok(None) };
    let config = identity::Config {
        database: issuer_database(url)?,
        issuer: common.oidc.oidc_issuer.clone(),
        audience: common.oidc.oidc_audience.clone(),
        rotation: identity.rotation(common.oidc.refresh_every.try_into()?)?,
        lockout: identity.lockout(),
        demo: common.demo,
    };
    Identity::start(config, shutdown).await.map(Some)
}

fn issuer_database(url: &Secret) -> anyhow::Result<PgConnectOptions> {
    DatabaseArgs { database_url: url.clone(), database_pool_max: 1 }.options().context("IDENTITY_DATABASE_URL")
}

/// The built-in issuer's keys are at hand; another issuer's have to be fetched.
fn verifier(
    common: &CommonArgs,
    issuer: Option<&Identity>,
    shutdown: &CancellationToken,
) -> anyhow::Result<Arc<Verifier>> {
    match issuer {
        Some(issuer) if common.oidc.oidc_jwks_url.is_none() => {
            Ok(Arc::new(Verifier::new((&common.oidc).into(), issuer.keys())))
        }
        _ => auth::remote(&common.oidc, shutdown),
    }
}
