//! Notification: what customers are told of their orders, one row a message.
//!
//! - [`domain`]: the commands, the row, and how the ones change the other; the templates; pure
//! - [`kafka`]: what the order service asks to be told, as commands
//! - [`effects`]: messages on their way out
//! - [`store`]: rows in and out of PostgreSQL
//! - [`http`]: the API, as queries and as commands
//! - [`audit`]: its books, compared with each other
//! - [`config`]: what it is told from outside

pub mod audit;
pub mod config;
pub mod domain;
pub mod effects;
pub mod http;
pub mod kafka;
pub mod store;

pub use config::Config;
pub use http::openapi;

use crate::domain::Carriers;
use crate::effects::Mail;
use crate::http::App;
use crate::store::Notifications;
use anyhow::Context;
use clap::Parser;
use engine::{Engine, Perform, Settings, Timer};
use service_kit::config::Secret;
use service_kit::{Service, auth, db};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Nobody minds a message that comes so much later, and it leaves fewer and larger transactions.
const GATHER: Duration = Duration::from_millis(50);
/// How often attempts that are due are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    let Config { common, smtp_url, smtp_from } = config;
    let mail = smtp_url.as_ref().map(Secret::expose).map(|url| Mail::new(url, &smtp_from)).transpose()?;
    let carriers = Carriers { email: mail.is_some() };
    let pool = db::open(&common.database, sqlx::migrate!("../../migrations/notification"), &shutdown).await?;
    let settings = Settings {
        subscriptions: kafka::subscriptions(),
        gather: GATHER,
        timers: vec![Timer::new("due", LOOK_EVERY, |pool, now, limit| Box::pin(store::due(pool, now, limit)))],
        perform: mail.map(|mail| -> Perform<Notifications> {
            Arc::new(move |send| {
                let sending = mail.clone().send(send);
                Box::pin(async move { Some(sending.await) })
            })
        }),
        ..common.engine_settings(pool.clone())?
    };
    let engine = Engine::start(Notifications { carriers }, settings).context("starting the engine")?;
    let verifier = auth::remote(&common.oidc, &shutdown)?;
    let app = App { pool, writer: engine.writer() };
    Service::new("notification", &common, openapi(), http::router(app))
        .tokens(verifier)
        .engine(engine)
        .serve(shutdown)
        .await
}
