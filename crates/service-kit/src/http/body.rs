//! Reading a body that may not be large, and may not take for ever.

use super::context::Context;
use super::problem::Problem;
use axum::extract::Request;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::time::Duration;
use tokio::time::timeout;

/// The largest body of a request. An order of 100 lines has about 8 KiB.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Where a request came past the edge (in tests), how long its body may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The whole body.
///
/// # Errors
/// 413, 408 where it is slow, 400 where it breaks off.
pub async fn read_body(request: Request) -> Result<Bytes, Problem> {
    let bound = request.extensions().get::<Context>().map_or(DEFAULT_TIMEOUT, |context| context.body_timeout);
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES);
    match timeout(bound, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::malformed("the body broke off")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the body took too long to arrive")),
    }
}

fn too_large() -> Problem {
    let detail = format!("a body has at most {MAX_BODY_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}
