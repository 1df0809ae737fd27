//! Product: the catalogue, which the other services copy, and its cached reads.
//!
//! - [`domain`]: the commands, the row, and how the ones change the other; pure
//! - [`kafka`]: what inventory tells of stock, and what the own topic holds, as commands
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

use crate::domain::{Command, Fresh, demo};
use crate::http::{App, cached};
use crate::store::Catalogue;
use anyhow::Context;
use clap::Parser;
use common::trace::Trace;
use engine::{Engine, Request, Settings, Writer};
use service_kit::cache::Cache;
use service_kit::config::Secret;
use service_kit::http::health::Condition;
use service_kit::{Service, auth, db};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Of what inventory tells, little is for this service, and none of it is urgent: whether something is in stock is decided
/// there.
const GATHER: Duration = Duration::from_millis(200);
/// How long the demo catalogue waits before it is tried again.
const SEED_AGAIN: Duration = Duration::from_secs(1);

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
    let Config { common, redis_url } = config;
    let pool = db::open(&common.database, sqlx::migrate!("../../migrations/product"), &shutdown).await?;
    let verifier = auth::remote(&common.oidc, &shutdown)?;
    let cache = Cache::new(redis_url.as_ref().map(Secret::expose), "product")?;
    let fresh = cache.clone();
    let settings = Settings {
        subscriptions: kafka::subscriptions(),
        gather: GATHER,
        perform: Some(Arc::new(move |Fresh(product)| {
            let cache = fresh.clone();
            Box::pin(async move {
                cache.put(product.id, cached(*product)).await;
                None
            })
        })),
        ..common.engine_settings(pool.clone())?
    };
    let engine = Engine::start(Catalogue, settings).context("starting the engine")?;
    if common.demo {
        tokio::spawn(seed(engine.writer(), shutdown.clone()));
    }
    let app = App { pool, writer: engine.writer(), cache: cache.clone() };
    Service::new("product", &common, openapi(), http::router(app))
        .tokens(verifier)
        .check("redis", move || Condition::degraded_unless(cache.is_up()))
        .engine(engine)
        .serve(shutdown)
        .await
}

/// Makes what the demo catalogue lacks, through the writer as everything else.
async fn seed(writer: Writer<Catalogue>, shutdown: CancellationToken) {
    for product in demo::products() {
        loop {
            let request = Request {
                command: Command::Seed(product.clone()),
                idempotency: None,
                trace: Trace::start(),
                request_id: format!("demo {}", product.sku),
                id: Some(product.id),
            };
            match writer.submit(request).await {
                Ok(_) => break,
                Err(refused) => tracing::info!(sku = product.sku, %refused, "the demo catalogue waits"),
            }
            tokio::select! {
                () = sleep(SEED_AGAIN) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }
}
