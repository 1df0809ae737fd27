//! An OpenID provider that the test plays: it publishes keys, and no more.

use anyhow::{Context, Result};
use axum::http::header::CONNECTION;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::jwk::Jwk;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Serves until it is dropped.
pub(super) struct Provider {
    jwks: Arc<Mutex<Value>>,
    serving: JoinHandle<()>,
}

impl Provider {
    /// At its own URL.
    pub(super) async fn serve(issuer: &str, keys: &[(&str, &Jwk)]) -> Result<Self> {
        let jwks = Arc::new(Mutex::new(document(keys)));
        let configuration = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
        let published = Arc::clone(&jwks);
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(async move || last(configuration)))
            .route("/keys", get(async move || last(published.lock().unwrap_or_else(PoisonError::into_inner).clone())));
        let listener = TcpListener::bind(issuer.strip_prefix("http://").context("the URLs here are http")?).await?;
        let serving = tokio::spawn(async move {
            // It ends with the task, and never by itself.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { jwks, serving })
    }

    /// These instead of those before.
    pub(super) fn publish(&self, keys: &[(&str, &Jwk)]) {
        *self.jwks.lock().unwrap_or_else(PoisonError::into_inner) = document(keys);
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The last answer of its connection: none outlives the provider.
fn last(body: Value) -> impl IntoResponse {
    ([(CONNECTION, "close")], Json(body))
}

fn document(keys: &[(&str, &Jwk)]) -> Value {
    let with_id = |(kid, jwk): &(&str, &Jwk)| {
        let mut jwk = json!(jwk);
        jwk["kid"] = json!(kid);
        jwk
    };
    json!({ "keys": keys.iter().map(with_id).collect::<Vec<_>>() })
}
