//! What clients and services need to find and believe the issuer (OpenID Connect Discovery 1.0, RFC 7517).

use crate::Identity;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().routes(routes!(configuration)).routes(routes!(jwks))
}

/// Where everything is
#[utoipa::path(get, path = "/.well-known/openid-configuration", operation_id = "openidConfiguration", tag = "tokens",
    responses((status = 200, body = Object)), security(()))]
async fn configuration(State(identity): State<Identity>) -> Json<Value> {
    let issuer = &identity.inner.config.issuer;
    let base = issuer.trim_end_matches('/');
    Json(json!({
        "issuer": issuer,
        "jwks_uri": format!("{base}/auth/jwks.json"),
        "token_endpoint": format!("{base}/auth/token"),
        "revocation_endpoint": format!("{base}/auth/revoke"),
        "userinfo_endpoint": format!("{base}/auth/userinfo"),
        "grant_types_supported": ["password", "refresh_token"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["none"],
    }))
}

/// The public keys; two of them while one follows the other
#[utoipa::path(get, path = "/auth/jwks.json", operation_id = "jwks", tag = "tokens",
    responses((status = 200, body = Object)), security(()))]
async fn jwks(State(identity): State<Identity>) -> Json<Value> {
    Json(json!(identity.inner.keys.jwks()))
}
