//! Inventory: what is in stock, and what orders hold of it.
//!
//! - [`domain`]: the commands, the rows, and how the ones change the others; pure
//! - [`kafka`]: orders and products of the other services, as commands
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

use crate::domain::Opening;
use crate::http::App;
use crate::store::Inventory;
use anyhow::Context;
use clap::Parser;
use engine::{Engine, Settings};
use service_kit::{Service, auth, db};
use tokio_util::sync::CancellationToken;

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
/// What keeps it from starting: the configuration, the database, the address. Or its writer ended by itself.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Config { common } = config;
    let pool = db::open(&common.database, sqlx::migrate!("../../migrations/inventory"), &shutdown).await?;
    let verifier = auth::remote(&common.oidc, &shutdown)?;
    let opening = if common.demo { Opening::Demo } else { Opening::Empty };
    let settings = Settings { subscriptions: kafka::subscriptions(), ..common.engine_settings(pool.clone())? };
    let engine = Engine::start(Inventory { opening }, settings).context("starting the engine")?;
    let app = App { pool, writer: engine.writer() };
    Service::new("inventory", &common, openapi(), http::router(app))
        .tokens(verifier)
        .engine(engine)
        .serve(shutdown)
        .await
}
