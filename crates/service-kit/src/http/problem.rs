//! Errors as RFC 9457 has them: `application/problem+json`, with a `code` for programs and a `detail` for people.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engine::{Answer, Refused};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

pub(super) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request was refused. Boxed, because it is the error of every handler.
#[derive(Debug, Clone)]
pub struct Problem(Box<Members>);

/// Why a request was refused (RFC 9457).
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Members {
    /// Always `about:blank`: `code` tells the kinds apart.
    #[schema(example = "about:blank")]
    r#type: Cow<'static, str>,
    /// The name of the status.
    #[schema(example = "Unprocessable Entity")]
    title: Cow<'static, str>,
    #[schema(example = 422, minimum = 400, maximum = 599)]
    status: u16,
    /// What programs decide by.
    #[schema(example = "validation_failed")]
    code: Cow<'static, str>,
    /// What people read.
    #[schema(example = "the request is not valid")]
    detail: Cow<'static, str>,
    /// Which parts of the request are to blame.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// The id that what was asked for would have, where it is not known whether it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<Uuid>,
    /// The request, as the logs and the header `x-request-id` name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<String>,
    #[serde(skip)]
    #[schema(ignore)]
    header: Option<(HeaderName, HeaderValue)>,
}

/// One part of the request that is to blame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901) into the body, or `/name` of a parameter of the query.
    #[schema(example = "/lines/0/quantity")]
    pub pointer: String,
    #[schema(example = "a quantity is 1 to 10000")]
    pub detail: String,
}

/// The scheme is followed by at least one parameter (RFC 6750, section 3).
const CHALLENGE: &str = "Bearer realm=\"rtoms\"";

/// How long a client should wait after a 503, in seconds.
const RETRY_AFTER_S: u32 = 1;

impl Problem {
    #[must_use]
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Members {
            r#type: Cow::Borrowed("about:blank"),
            title: Cow::Borrowed(status.canonical_reason().unwrap_or("Error")),
            status: status.as_u16(),
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            id: None,
            request_id: None,
            header: None,
        }))
    }

    /// Names a part of the request that is to blame.
    #[must_use]
    pub fn with_error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// Tells when to come back (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn with_retry_after(self, seconds: u32) -> Self {
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// The request can't be read: no JSON, no UTF-8, a number out of range.
    #[must_use]
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// The request can be read, but says what can't be; name the parts by [`Problem::with_error`].
    #[must_use]
    pub fn validation_failed() -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", "the request is not valid")
    }

    /// No token (RFC 6750, section 3): the challenge says nothing of an error.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "a bearer token is needed")
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE))
    }

    /// A token that is not believed (RFC 6750, section 3.1). `why` in ASCII, without quotes.
    #[must_use]
    pub fn invalid_token(why: &'static str) -> Self {
        let challenge = format!("{CHALLENGE}, error=\"invalid_token\", error_description=\"{why}\"");
        let challenge = HeaderValue::from_str(&challenge).unwrap_or(HeaderValue::from_static(CHALLENGE));
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", why).with_header(WWW_AUTHENTICATE, challenge)
    }

    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "this needs the role ADMIN")
    }

    /// What is not there, or not the caller's: the two look alike. `code` such as `order_not_found`.
    #[must_use]
    pub fn not_found(code: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, "there is nothing here under this id")
    }

    /// A business refusal.
    #[must_use]
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// `If-Match` names another version.
    #[must_use]
    pub fn precondition_failed() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", "it has changed since; read it again")
    }

    /// `If-Match` is missing.
    #[must_use]
    pub fn precondition_required() -> Self {
        let detail = "send If-Match with the ETag of what you have read";
        Self::new(StatusCode::PRECONDITION_REQUIRED, "precondition_required", detail)
    }

    /// The writer takes no more requests: this one was not and will not be applied.
    #[must_use]
    pub fn busy() -> Self {
        Self::unavailable_as("busy", "not applied: too busy, or a dependency is away; try again")
    }

    /// A dependency is away.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::unavailable_as("unavailable", "a dependency is away; try again")
    }

    fn unavailable_as(code: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with_retry_after(RETRY_AFTER_S)
    }

    /// It may have been applied; a repeat under the same idempotency key tells.
    #[must_use]
    pub fn outcome_unknown(id: Option<Uuid>) -> Self {
        let detail = "it is not known yet whether this was done; repeat it under the same Idempotency-Key to find out";
        let mut problem = Self::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", detail);
        problem.0.id = id;
        problem
    }

    /// The cause belongs in the log, where it is handled, and not here.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong here, and was logged")
    }

    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    fn body(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("problems are plain data")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.status, self.0.code, self.0.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = unsigned(status, Bytes::from(self.body()));
        if let Some((name, value)) = self.0.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Members::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Members::schemas(schemas);
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self { status: problem.0.status, body: problem.body(), location: None, etag: None, replayed: false }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Self::busy(),
            Refused::OutcomeUnknown { id } => Self::outcome_unknown(id),
            Refused::Failed => Self::internal(),
        }
    }
}

/// Marks a response whose body is a problem without its `requestId`.
#[derive(Clone)]
struct Unsigned(Bytes);

/// A response from a problem's JSON, to be [`sign`]ed on its way out.
pub(super) fn unsigned(status: StatusCode, body: Bytes) -> Response {
    let mut response = (status, Body::from(body.clone())).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Unsigned(body));
    response
}

/// Whether `response` waits for [`sign`].
pub(super) fn is_unsigned(response: &Response) -> bool {
    response.extensions().get::<Unsigned>().is_some()
}

/// Puts `requestId` into a problem. Here and not where it is made, because `apply` knows no requests, and because an
/// answer that is given again belongs to the request that it answers now.
pub(super) fn sign(response: &mut Response, request_id: &str) {
    let Some(Unsigned(body)) = response.extensions_mut().remove::<Unsigned>() else { return };
    let Some(open) = body.strip_suffix(b"}") else { return };
    let id = serde_json::to_vec(request_id).expect("a string is JSON");
    let signed = [open, b",\"requestId\":", &id, b"}"].concat();
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(signed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn as_json(body: &[u8]) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn a_problem_is_what_rfc_9457_says() {
        let problem = Problem::validation_failed().with_error("/lines/0/quantity", "a quantity is 1 to 10000");
        assert_eq!(
            as_json(&problem.body()),
            json!({
                "type": "about:blank", "title": "Unprocessable Entity", "status": 422, "code": "validation_failed",
                "detail": "the request is not valid",
                "errors": [{"pointer": "/lines/0/quantity", "detail": "a quantity is 1 to 10000"}],
            })
        );
    }

    #[tokio::test]
    async fn a_problem_is_signed_on_its_way_out() {
        let mut response = Problem::invalid_token("the token has expired").into_response();
        assert!(is_unsigned(&response));
        sign(&mut response, "a\"b");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            response.headers()[WWW_AUTHENTICATE],
            r#"Bearer realm="rtoms", error="invalid_token", error_description="the token has expired""#
        );
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert_eq!(as_json(&body)["requestId"], "a\"b");
        assert_eq!(as_json(&body)["code"], "unauthorized");
    }

    #[test]
    fn a_refused_command_says_whether_it_may_have_been_applied() {
        let busy = Problem::from(Refused::Busy).into_response();
        assert_eq!((busy.status(), busy.headers()[RETRY_AFTER].to_str().unwrap()), (503.try_into().unwrap(), "1"));
        let id = Uuid::from_u128(7);
        let unknown = Problem::from(Refused::OutcomeUnknown { id: Some(id) });
        assert_eq!((unknown.status(), as_json(&unknown.body())["id"].as_str()), (504, Some(id.to_string().as_str())));
    }
}
