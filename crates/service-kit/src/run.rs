//! A service as a whole: its routes and its engine, served until the end, and taken down in order within 20 seconds.

use crate::auth::Verifier;
use crate::config::{CommonArgs, HttpArgs};
use crate::http::health::{Checks, Condition};
use crate::http::openapi::{SERVICES, set_token_url};
use crate::http::server::{self, Bounds};
use crate::http::{Edge, Operations, dead_letters, edge, operations};
use crate::telemetry;
use anyhow::Context;
use axum::{Extension, Router};
use engine::{Engine, Machine};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

/// How long requests under way may take at the end. With [`ENGINE_BOUND`], and a second for threads that block, less
/// than the 20 seconds after which whoever stopped the process kills it.
const DRAIN_BOUND: Duration = Duration::from_secs(6);
/// How long the engine may take to finish its batch, flush its producer and leave its group.
const ENGINE_BOUND: Duration = Duration::from_secs(12);

/// A service, ready to be served.
#[must_use = "a service does nothing until it is served"]
pub struct Service {
    name: &'static str,
    http: HttpArgs,
    routes: Router,
    openapi: OpenApi,
    checks: Checks,
    stopping: Arc<AtomicBool>,
    verifier: Option<Arc<Verifier>>,
    engine: Option<RunningEngine>,
}

struct RunningEngine {
    gone: CancellationToken,
    stop: BoxFuture<'static, ()>,
}

impl Service {
    /// `name` as in [`SERVICES`]; `openapi` as [`document`](crate::http::openapi::document) made it; `routes` with their
    /// state.
    pub fn new(name: &'static str, args: &CommonArgs, mut openapi: OpenApi, routes: Router) -> Self {
        set_token_url(&mut openapi, &args.oidc.oidc_token_url);
        let stopping = Arc::new(AtomicBool::new(false));
        let mut checks = Checks::default();
        let stops = Arc::clone(&stopping);
        checks.add("running", move || Condition::down_unless(!stops.load(Ordering::Relaxed)));
        Self { name, http: args.http.clone(), routes, openapi, checks, stopping, verifier: None, engine: None }
    }

    /// Whose tokens callers have: the extractors of [`auth`](crate::auth) ask this verifier.
    pub fn tokens(mut self, verifier: Arc<Verifier>) -> Self {
        let keys = Arc::clone(&verifier);
        self.checks.add("issuer", move || keys.condition());
        self.verifier = Some(verifier);
        self
    }

    /// Stops `engine` after the last request, tells of its health, and lets admins see to its dead letters.
    pub fn engine<M: Machine>(mut self, engine: Engine<M>) -> Self {
        let health = engine.health();
        let (kafka, outbox) = (Arc::clone(&health), Arc::clone(&health));
        self.checks.add("postgres", move || Condition::down_unless(health.postgres()));
        self.checks.add("kafka", move || Condition::degraded_unless(kafka.kafka()));
        self.checks.add("outbox", move || Condition::down_unless(!outbox.outbox_full()));
        let letters: Router = dead_letters::routes().with_state(engine.dead_letters()).into();
        self.routes = self.routes.merge(letters);
        self.engine = Some(RunningEngine { gone: engine.gone(), stop: engine.stop().boxed() });
        self
    }

    /// Adds a check to `/readyz`.
    pub fn check(mut self, name: &'static str, check: impl Fn() -> Condition + Send + Sync + 'static) -> Self {
        self.checks.add(name, check);
        self
    }

    /// Serves until `shutdown`, or until the writer is gone; then finishes what is under way.
    ///
    /// # Errors
    /// The address is taken, or the writer ended by itself.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let metrics = telemetry::metrics().context("starting the metrics")?;
        let upkeep = tokio::spawn(telemetry::upkeep(metrics.clone()));
        let addr = self.http.addr(port(self.name));
        let listener = TcpListener::bind(addr).await.with_context(|| format!("listening on {addr} (HTTP_ADDR)"))?;
        tracing::info!(service = self.name, addr = %listener.local_addr()?, version = env!("CARGO_PKG_VERSION"), "serving");

        let routes = match self.verifier {
            Some(verifier) => self.routes.layer(Extension(verifier)),
            None => self.routes,
        };
        let routes = routes.merge(operations(Operations {
            name: self.name,
            checks: self.checks,
            metrics: metrics.clone(),
            openapi: self.openapi,
            specs: self.http.spec_urls,
        }));
        let router = edge(routes, Edge { body_timeout: self.http.body_timeout });
        let bounds = Bounds { header_timeout: self.http.header_timeout, drain: DRAIN_BOUND };

        let gone = self.engine.as_ref().map(|engine| engine.gone.clone()).unwrap_or_default();
        let stop = CancellationToken::new();
        let ends = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = gone.cancelled() => {}
            }
            self.stopping.store(true, Ordering::Relaxed);
            stop.cancel();
        };
        tokio::join!(server::serve(listener, router, bounds, stop.clone()), ends);

        let lost = gone.is_cancelled();
        if let Some(engine) = self.engine
            && timeout(ENGINE_BOUND, engine.stop).await.is_err()
        {
            tracing::warn!("the engine did not end within {ENGINE_BOUND:?}");
        }
        upkeep.abort();
        anyhow::ensure!(!lost, "the writer has ended");
        tracing::info!(service = self.name, "stopped");
        Ok(())
    }
}

fn port(name: &str) -> u16 {
    SERVICES.into_iter().find(|(service, _)| *service == name).map_or(0, |(_, port)| port)
}

#[cfg(test)]
mod tests;
