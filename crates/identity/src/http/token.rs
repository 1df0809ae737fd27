//! `/auth/token` (RFC 6749, sections 4.3 and 6) and `/auth/revoke` (RFC 7009).

use crate::accounts::{self, Account};
use crate::limits::WINDOW;
use crate::refresh::{self, Fresh, Used};
use crate::tokens::{self, ACCESS_TTL};
use crate::{Identity, Inner};
use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, Form, State};
use axum::response::{IntoResponse, Response};
use common::clock;
use http::StatusCode;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use serde::{Deserialize, Serialize};
use service_kit::db;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// `grant_type=password` with `username` and `password`, or `grant_type=refresh_token` with `refresh_token`.
#[derive(Deserialize, ToSchema)]
struct Grant {
    #[schema(example = "password")]
    grant_type: String,
    #[schema(example = "customeruser")]
    username: Option<String>,
    #[schema(example = "customer123")]
    password: Option<String>,
    refresh_token: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct Revocation {
    token: String,
}

/// RFC 6749, section 5.1.
#[derive(Serialize, ToSchema)]
struct Tokens {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 900)]
    expires_in: i64,
    refresh_token: String,
}

/// RFC 6749, section 5.2.
#[derive(Debug, Serialize, ToSchema)]
struct TokenError {
    #[schema(example = "invalid_grant")]
    error: &'static str,
    error_description: &'static str,
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    InvalidRequest(&'static str),
    UnsupportedGrantType,
    /// Whatever is wrong with it: the same words for an unknown account and a wrong password.
    InvalidGrant,
    TooManyFailures,
    Unavailable,
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let (status, error, error_description) = match self {
            Self::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", why),
            Self::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "grant_type is password or refresh_token")
            }
            Self::InvalidGrant => (StatusCode::BAD_REQUEST, "invalid_grant", "the credentials are not right"),
            Self::TooManyFailures => (StatusCode::TOO_MANY_REQUESTS, "invalid_grant", "too many failures; try later"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again"),
        };
        let mut response = (status, Json(TokenError { error, error_description })).into_response();
        let retry_after = match self {
            Self::TooManyFailures => Some(WINDOW.as_secs()),
            Self::Unavailable => Some(1),
            _ => None,
        };
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

pub(super) fn routes() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().routes(routes!(token)).routes(routes!(revoke))
}

/// Get an access token
#[utoipa::path(post, path = "/auth/token", operation_id = "token", tag = "tokens",
    request_body(content = Grant, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Tokens), (status = 400, body = TokenError), (status = 429, body = TokenError)),
    security(()))]
async fn token(
    State(identity): State<Identity>,
    peer: Option<axum::Extension<ConnectInfo<SocketAddr>>>,
    form: Result<Form<Grant>, FormRejection>,
) -> Response {
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.0.ip());
    let granted = match form {
        Ok(Form(grant)) => granted(&identity.inner, grant, address).await,
        Err(_) => Err(Denied::InvalidRequest("the body is no form with a grant_type")),
    };
    let mut response = match granted {
        Ok(tokens) => Json(tokens).into_response(),
        Err(denied) => denied.into_response(),
    };
    response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}

async fn granted(identity: &Inner, grant: Grant, address: IpAddr) -> Result<Tokens, Denied> {
    match grant.grant_type.as_str() {
        "password" => {
            let missing = Denied::InvalidRequest("username and password are needed");
            by_password(identity, &grant.username.ok_or(missing)?, grant.password.ok_or(missing)?, address).await
        }
        "refresh_token" => {
            let missing = Denied::InvalidRequest("refresh_token is needed");
            by_refresh_token(identity, &grant.refresh_token.ok_or(missing)?).await
        }
        _ => Err(Denied::UnsupportedGrantType),
    }
}

async fn by_password(identity: &Inner, username: &str, password: String, address: IpAddr) -> Result<Tokens, Denied> {
    if username.contains('\0') || username.len() > 255 || password.len() > 1024 {
        return Err(Denied::InvalidGrant);
    }
    if !identity.limits.allow(username, address) {
        return Err(Denied::TooManyFailures);
    }
    let account =
        db::bounded(accounts::by_username(&identity.pool, username)).await.map_err(|_| Denied::Unavailable)?;
    let stored = account.as_ref().map(|account| account.password_hash.clone());
    let right = identity.passwords.verify(password, stored).await.map_err(|error| {
        tracing::warn!("a password was not verified: {error:#}");
        Denied::Unavailable
    })?;
    match account.filter(|_| right) {
        Some(account) => {
            identity.limits.succeeded(username);
            let began = refresh::begin(&identity.pool, account.id, clock::now());
            let refresh_token = db::bounded(began).await.map_err(|_| Denied::Unavailable)?;
            tokens(identity, &account, refresh_token)
        }
        None => {
            identity.limits.failed(username, address);
            Err(Denied::InvalidGrant)
        }
    }
}

async fn by_refresh_token(identity: &Inner, token: &str) -> Result<Tokens, Denied> {
    let rotated = db::bounded(refresh::rotate(&identity.pool, token, clock::now())).await;
    let Used::By { account_id, next } = rotated.map_err(|_| Denied::Unavailable)? else {
        return Err(Denied::InvalidGrant);
    };
    let account = db::bounded(accounts::by_id(&identity.pool, account_id)).await.map_err(|_| Denied::Unavailable)?;
    tokens(identity, &account.ok_or(Denied::InvalidGrant)?, next)
}

fn tokens(identity: &Inner, account: &Account, Fresh(refresh_token): Fresh) -> Result<Tokens, Denied> {
    let config = &identity.config;
    let signed = tokens::access(&identity.keys.signer(), &config.issuer, &config.audience, account);
    let access_token = signed.map_err(|error| {
        tracing::error!(%error, "a token was not signed");
        Denied::Unavailable
    })?;
    Ok(Tokens { access_token, token_type: "Bearer", expires_in: ACCESS_TTL.whole_seconds(), refresh_token })
}

/// End a refresh token, and all that came of its login
#[utoipa::path(post, path = "/auth/revoke", operation_id = "revoke", tag = "tokens",
    request_body(content = Revocation, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Also for a token that is not known")), security(()))]
async fn revoke(State(identity): State<Identity>, form: Result<Form<Revocation>, FormRejection>) -> Response {
    let Ok(Form(Revocation { token })) = form else {
        return Denied::InvalidRequest("token is needed").into_response();
    };
    match db::bounded(refresh::revoke(&identity.inner.pool, &token, clock::now())).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(_) => Denied::Unavailable.into_response(),
    }
}
