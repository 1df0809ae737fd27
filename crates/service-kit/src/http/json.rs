//! JSON bodies: read once, checked whole, refused with the pointer to what is wrong.

use super::body::read_body;
use super::pointer::{cut, from_garde, from_serde, push_index, push_key};
use super::problem::Problem;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use garde::Validate;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

/// How much of what a parser says is passed on: it repeats values.
const MAX_DETAIL: usize = 200;
/// How many broken rules one answer names.
const MAX_ERRORS: usize = 20;

/// A body of `application/json`, both ways. What comes in has kept the DTO's rules.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned + Validate<Context = ()>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let body = read_body(request).await?;
        parse(&headers, &body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Reads a DTO. An empty body counts as `{}`, for calls whose fields are all optional.
pub(super) fn parse<T>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    if body.is_empty() {
        let nothing = serde_json::from_slice::<T>(b"{}").map_err(|_| Problem::malformed("a JSON body is missing"))?;
        return validated(nothing);
    }
    check_content_type(headers)?;
    refuse_nul(body)?;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let dto = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = from_serde(error.path(), &error.inner().to_string());
        refusal(pointer, error.inner(), body)
    })?;
    reader.end().map_err(|error| refusal(String::new(), &error, body))?;
    // serde takes a list of a struct's values for the struct.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::validation_failed().with_error(String::new(), "must be an object"));
    }
    validated(dto)
}

/// What can't be read is a 400; what can be read, but has another shape, a 422. Either names how far it was right.
fn refusal(pointer: String, error: &serde_json::Error, body: &[u8]) -> Problem {
    let detail = cut(error.to_string(), MAX_DETAIL);
    // Where an enum is wanted, serde_json calls any other kind of value a syntax error.
    let is_json = error.classify() == Category::Data || serde_json::from_slice::<Value>(body).is_ok();
    let problem = if is_json { Problem::validation_failed() } else { Problem::malformed("the body is no JSON") };
    problem.with_error(pointer, detail)
}

/// Runs the DTO's own rules.
pub(super) fn validated<T: Validate<Context = ()>>(dto: T) -> Result<T, Problem> {
    let Err(report) = dto.validate() else { return Ok(dto) };
    let errors = report.iter().take(MAX_ERRORS);
    Err(errors.fold(Problem::validation_failed(), |problem, (path, error)| {
        problem.with_error(from_garde(path), cut(error.message().to_owned(), MAX_DETAIL))
    }))
}

/// RFC 9110, section 8.3: `application/json` or a kind of it, in UTF-8.
fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.to_ascii_lowercase();
    parts.retain(|c| c != ' ' && c != '"');
    let mut parts = parts.split(';');
    let essence = parts.next().unwrap_or_default();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    let is_utf8 = parts.all(|parameter| parameter.strip_prefix("charset=").is_none_or(|set| set == "utf-8"));
    if is_json && is_utf8 {
        return Ok(());
    }
    let detail = "send application/json, in UTF-8";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
}

/// PostgreSQL stores no U+0000 in text, so no string may hold one, whatever rules its DTO has.
fn refuse_nul(body: &[u8]) -> Result<(), Problem> {
    // Nearly every body ends here: a NUL can only come as this escape.
    if !body.windows(6).any(|window| window == b"\\u0000") {
        return Ok(());
    }
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return Ok(()) };
    match find_nul(&document, String::new()) {
        None => Ok(()),
        Some(pointer) => Err(Problem::validation_failed().with_error(pointer, "must not contain the character U+0000")),
    }
}

fn find_nul(value: &Value, pointer: String) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then_some(pointer),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let mut pointer = pointer.clone();
            push_index(&mut pointer, index);
            find_nul(item, pointer)
        }),
        Value::Object(fields) => fields.iter().find_map(|(key, field)| {
            if key.contains('\0') {
                return Some(pointer.clone());
            }
            let mut pointer = pointer.clone();
            push_key(&mut pointer, key);
            find_nul(field, pointer)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests;
