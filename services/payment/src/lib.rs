//! Payment: charges an order once its stock is held, and pays back what an order that ends otherwise has paid.
//!
//! - [`domain`]: the payment of one order, its attempts and refunds, and the calls that they need; pure
//! - [`kafka`]: what the events of other services ask of it; pure
//! - [`store`]: rows in and out of PostgreSQL
//! - [`gateway`]: what any payment provider has to do; [`provider`]: the built-in one, which plays the outside
//! - [`effects`]: makes the calls whose intents are committed
//! - [`http`]: the API, as queries and as commands
//! - [`audit`]: its books, compared with each other
//! - [`config`]: what it is told from outside

pub mod audit;
pub mod config;
pub mod domain;
pub mod effects;
pub mod gateway;
pub mod http;
pub mod kafka;
pub mod provider;
pub mod store;

pub use config::Config;
pub use http::openapi;

use crate::domain::Policy;
use crate::http::App;
use crate::provider::BuiltInProvider;
use crate::store::{Payments, reads};
use anyhow::Context;
use clap::Parser;
use engine::{Engine, Settings, Timer};
use service_kit::Service;
use service_kit::auth;
use service_kit::db::{self, Schema};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often calls without an answer are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

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
    let Config { common, provider } = config;
    let policy = Policy { provider_timeout: provider.timeout };
    let ledger = provider.options()?;
    db::migrate(&ledger, Schema::Plain(sqlx::migrate!("../../migrations/provider")), &shutdown).await?;
    let gateway = BuiltInProvider::start(db::pool(&ledger, provider.provider_pool_max));
    let pool = db::open(&common.database, sqlx::migrate!("../../migrations/payment"), &shutdown).await?;
    let verifier = auth::remote(&common.oidc, &shutdown)?;
    let settings = Settings {
        subscriptions: kafka::subscriptions(),
        timers: vec![Timer::new("due", LOOK_EVERY, |pool, now, limit| Box::pin(reads::due(pool, now, limit)))],
        perform: Some(effects::perform(gateway, policy)),
        ..common.engine_settings(pool.clone())?
    };
    let engine = Engine::start(Payments { policy }, settings).context("starting the engine")?;
    let app = App { pool, writer: engine.writer() };
    Service::new("payment", &common, openapi(), http::router(app)).tokens(verifier).engine(engine).serve(shutdown).await
}
