//! A body, with what makes a command of it.

use super::body::read_body;
use super::context::Meta;
use super::json::parse;
use super::problem::Problem;
use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Request};
use engine::IdempotencyKey;
use garde::Validate;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// A request that is to change something: its body as a DTO, its ids, and its idempotency key with the fingerprint of
/// method, path and body. The last argument of a handler.
#[derive(Debug, Clone)]
pub struct Incoming<T> {
    body: T,
    meta: Meta,
    key: Option<String>,
    fingerprint: [u8; 32],
}

/// The body of a call that has none: empty, or `{}`. Also the filters of a list that has none.
#[derive(Debug, Clone, Copy, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What the writer has to know of a request besides its command.
#[derive(Debug, Clone)]
pub struct Ticket {
    pub meta: Meta,
    pub idempotency: Option<IdempotencyKey>,
    /// The id that what is made would have.
    pub id: Option<Uuid>,
}

impl<T> Incoming<T> {
    /// The body, and the ticket with which `caller` (the `sub` of the token) submits it: idempotency keys are the
    /// caller's own.
    #[must_use]
    pub fn by(self, caller: &str) -> (T, Ticket) {
        let Self { body, meta, key, fingerprint } = self;
        let idempotency = key.map(|key| IdempotencyKey { scope: caller.to_owned(), key, fingerprint });
        (body, Ticket { meta, idempotency, id: None })
    }
}

impl Ticket {
    /// Names the id that what is made would have, for an answer that does not know whether it was.
    #[must_use]
    pub fn making(self, id: Uuid) -> Self {
        Self { id: Some(id), ..self }
    }

    pub(super) fn request<C>(self, command: C) -> engine::Request<C> {
        let Self { meta, idempotency, id } = self;
        engine::Request { command, idempotency, trace: meta.trace, request_id: meta.request_id.to_string(), id }
    }
}

impl<T, S> FromRequest<S> for Incoming<T>
where
    T: DeserializeOwned + Validate<Context = ()>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Ok(meta) = Meta::from_request_parts(&mut parts, state).await;
        let key = idempotency_key(&parts.headers)?;
        let headers = parts.headers.clone();
        let method = parts.method.clone();
        // A nested router sees only the rest of the path.
        let path = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0).path().to_owned();
        let bytes = read_body(Request::from_parts(parts, body)).await?;
        let fingerprint = fingerprint(method.as_str(), &path, &bytes);
        Ok(Self { body: parse(&headers, &bytes)?, meta, key, fingerprint })
    }
}

/// The header, where it is sent: 1 to 255 printable ASCII characters.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| {
        (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    });
    match key {
        Some(key) if values.next().is_none() => Ok(Some(key.to_owned())),
        _ => {
            let detail = "Idempotency-Key is one header of 1 to 255 printable ASCII characters";
            Err(Problem::new(StatusCode::BAD_REQUEST, "idempotency_key_invalid", detail))
        }
    }
}

/// Neither a method nor a path holds a line feed, so the three can't run into each other.
fn fingerprint(method: &str, path: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(method);
    hash.update("\n");
    hash.update(path);
    hash.update("\n");
    hash.update(body);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[derive(Debug, Deserialize, Validate)]
    struct Refund {
        #[garde(skip)]
        amount: Option<i64>,
    }

    async fn ticket(path: &str, key: &[u8], body: &'static str) -> Result<Ticket, Problem> {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header(IDEMPOTENCY_KEY, key)
            .body(Body::from(body))
            .unwrap();
        Ok(Incoming::<Refund>::from_request(request, &()).await?.by("sub").1)
    }

    #[tokio::test]
    async fn a_fingerprint_is_of_method_path_and_body() {
        let fingerprint = async |path, body| {
            let key = ticket(path, b"k", body).await.unwrap().idempotency.unwrap();
            assert_eq!((key.scope.as_str(), key.key.as_str()), ("sub", "k"));
            key.fingerprint
        };
        let first = fingerprint("/a", r#"{"amount":1}"#).await;
        assert_eq!(first, fingerprint("/a", r#"{"amount":1}"#).await);
        assert_eq!(first, fingerprint("/a?trace=1", r#"{"amount":1}"#).await, "the query changes nothing");
        assert_ne!(first, fingerprint("/b", r#"{"amount":1}"#).await);
        assert_ne!(first, fingerprint("/a", r#"{"amount":2}"#).await);
    }

    #[tokio::test]
    async fn a_key_is_printable_and_not_too_long() {
        for wrong in [&b""[..], b"a\tb", b"\xc3\xa4", &[b'x'; 256]] {
            let problem = ticket("/a", wrong, "{}").await.unwrap_err();
            assert_eq!((problem.status(), problem.code()), (400, "idempotency_key_invalid"), "{wrong:?}");
        }
        assert!(ticket("/a", &[b'x'; 255], "{}").await.is_ok());
    }

    #[tokio::test]
    async fn a_body_of_optional_fields_may_be_empty() {
        let request = Request::post("/a").body(Body::empty()).unwrap();
        let (body, ticket) = Incoming::<Refund>::from_request(request, &()).await.unwrap().by("sub");
        assert!(body.amount.is_none() && ticket.idempotency.is_none());
        let request = Request::post("/a").body(Body::empty()).unwrap();
        Incoming::<Nothing>::from_request(request, &()).await.unwrap();
    }
}
