//! `/auth/token` (RFC 6749, sections 4.3 and 6) and `/auth/revoke` (RFC 7009).

use crate::accounts::{self, Account};
use crate::limits::Closed;
use crate::refresh::{self, Fresh, Used};
use crate::tokens;
use crate::{Identity, Inner};
use axum::Json;
use axum::extract::{ConnectInfo, FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use common::clock;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_kit::db;
use service_kit::http::read_body;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Longer ones are nobody's.
const MAX_USERNAME_BYTES: usize = 255;
const MAX_PASSWORD_BYTES: usize = 1024;

/// `grant_type=password` with `username` and `password`, or `grant_type=refresh_token` with `refresh_token`.
#[derive(Deserialize, ToSchema)]
struct Grant {
    #[schema(example = "password", required, nullable = false)]
    grant_type: Option<String>,
    #[schema(example = "customeruser")]
    username: Option<String>,
    #[schema(example = "customer123")]
    password: Option<String>,
    refresh_token: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct Revocation {
    #[schema(required, nullable = false)]
    token: Option<String>,
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
    /// Until this many seconds have passed.
    TooManyFailures(u64),
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
            Self::TooManyFailures(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "invalid_grant", "too many failures; try later")
            }
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again"),
        };
        let mut response = (status, Json(TokenError { error, error_description })).into_response();
        let retry_after = match self {
            Self::TooManyFailures(seconds) => Some(seconds),
            Self::Unavailable => Some(1),
            _ => None,
        };
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Closed> for Denied {
    fn from(Closed(rest): Closed) -> Self {
        // Rounded up, so that whoever waits so long is not told to wait again.
        Self::TooManyFailures(rest.as_secs() + 1)
    }
}

/// A body of `application/x-www-form-urlencoded`, in which no parameter comes twice (RFC 6749, section 3.2).
struct Form<T>(T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Form<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let is_form = is_form(request.headers());
        let body = read_body(request).await.map_err(IntoResponse::into_response)?;
        if !is_form {
            return Err(Denied::InvalidRequest("send application/x-www-form-urlencoded").into_response());
        }
        let parsed = serde_urlencoded::from_bytes(&body);
        parsed.map(Self).map_err(|_| Denied::InvalidRequest("a parameter is missing, or comes twice").into_response())
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// A parameter without a value counts as none (RFC 6749, section 3.2).
fn given(parameter: Option<String>, missing: &'static str) -> Result<String, Denied> {
    parameter.filter(|value| !value.is_empty()).ok_or(Denied::InvalidRequest(missing))
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
    form: Result<Form<Grant>, Response>,
) -> Response {
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.0.ip());
    let mut response = match form {
        Ok(Form(grant)) => match granted(&identity.inner, grant, address).await {
            Ok(tokens) => Json(tokens).into_response(),
            Err(denied) => denied.into_response(),
        },
        Err(refused) => refused,
    };
    // RFC 6749, section 5.1.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

async fn granted(identity: &Inner, grant: Grant, address: IpAddr) -> Result<Tokens, Denied> {
    match given(grant.grant_type, "grant_type is needed")?.as_str() {
        "password" => {
            let username = given(grant.username, "username is needed")?;
            let password = given(grant.password, "password is needed")?;
            by_password(identity, &username, password, address).await
        }
        "refresh_token" => by_refresh_token(identity, &given(grant.refresh_token, "refresh_token is needed")?).await,
        _ => Err(Denied::UnsupportedGrantType),
    }
}

async fn by_password(identity: &Inner, username: &str, password: String, address: IpAddr) -> Result<Tokens, Denied> {
    if username.contains('\0') || username.len() > MAX_USERNAME_BYTES || password.len() > MAX_PASSWORD_BYTES {
        return Err(Denied::InvalidGrant);
    }
    identity.limits.allow(username, address)?;
    let account =
        db::bounded(accounts::by_username(&identity.pool, username)).await.map_err(|_| Denied::Unavailable)?;
    let stored = account.as_ref().map(|account| account.password_hash.clone());
    let unverified = |error| {
        tracing::warn!("a password was not verified: {error:#}");
        Denied::Unavailable
    };
    let turn = identity.passwords.turn().await.map_err(unverified)?;
    // Asked again, because many may have waited for their turn at once: they get no more guesses than one by one.
    identity.limits.allow(username, address)?;
    let (right, turn) = turn.verify(password, stored).await.map_err(unverified)?;
    let Some(account) = account.filter(|_| right) else {
        identity.limits.failed(username, address);
        return Err(Denied::InvalidGrant);
    };
    identity.limits.succeeded(username);
    drop(turn);
    let began = refresh::begin(&identity.pool, account.id, clock::now());
    let refresh_token = db::bounded(began).await.map_err(|_| Denied::Unavailable)?;
    tokens(identity, &account, refresh_token)
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
    let ttl = config.rotation.access_ttl;
    let signed = tokens::access(&identity.keys.signer(), &config.issuer, &config.audience, ttl, account);
    let access_token = signed.map_err(|error| {
        tracing::error!(%error, "a token was not signed");
        Denied::Unavailable
    })?;
    Ok(Tokens { access_token, token_type: "Bearer", expires_in: ttl.whole_seconds(), refresh_token })
}

/// End a refresh token, and all that came of its login
#[utoipa::path(post, path = "/auth/revoke", operation_id = "revoke", tag = "tokens",
    request_body(content = Revocation, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Also for a token that is not known")), security(()))]
async fn revoke(State(identity): State<Identity>, form: Result<Form<Revocation>, Response>) -> Response {
    let token = match form.map(|Form(form)| given(form.token, "token is needed")) {
        Ok(Ok(token)) => token,
        Ok(Err(denied)) => return denied.into_response(),
        Err(refused) => return refused,
    };
    match db::bounded(refresh::revoke(&identity.inner.pool, &token, clock::now())).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(_) => Denied::Unavailable.into_response(),
    }
}
