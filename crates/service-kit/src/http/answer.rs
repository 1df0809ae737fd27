//! What the writer answered, as a response.

use super::incoming::Ticket;
use super::problem::{Problem, unsigned};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engine::{Answer, Machine, Writer};
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Hands a command to the writer and waits for its answer.
///
/// # Errors
/// 503: it was not and will not be applied; 504: not known yet; 500: it failed.
pub async fn submit<M: Machine>(writer: &Writer<M>, ticket: Ticket, command: M::Command) -> Result<Answered, Problem> {
    Ok(Answered(writer.submit(ticket.request(command)).await?))
}

/// An answer of the writer: also a refusal is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered(pub Answer);

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let Answer { status, body, location, etag, replayed } = self.0;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = Bytes::from(body);
        let mut response = if body.is_empty() {
            status.into_response()
        } else if status.is_client_error() || status.is_server_error() {
            unsigned(status, body)
        } else {
            (status, [(CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
        };
        let headers = response.headers_mut();
        for (name, value) in [(LOCATION, location), (ETAG, etag)] {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        }
        if replayed {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn a_replayed_answer_says_so() {
        let answer = Answer::json(201, &1).with_location("/v1/things/1".to_owned()).with_etag("\"1\"".to_owned());
        let first = Answered(answer.clone()).into_response();
        assert_eq!((first.status().as_u16(), header(&first, "content-type")), (201, Some("application/json")));
        assert_eq!((header(&first, "location"), header(&first, "etag")), (Some("/v1/things/1"), Some("\"1\"")));
        assert_eq!(header(&first, "idempotent-replayed"), None);
        let again = Answered(Answer { replayed: true, ..answer }).into_response();
        assert_eq!(header(&again, "idempotent-replayed"), Some("true"));
    }

    #[test]
    fn a_refusal_is_a_problem() {
        let refusal = Answer::from(Problem::conflict("sku_taken", "another product has this sku"));
        assert_eq!(header(&Answered(refusal).into_response(), "content-type"), Some("application/problem+json"));
        let none = Answered(Answer::empty(204)).into_response();
        assert_eq!((none.status().as_u16(), header(&none, "content-type")), (204, None));
    }
}
