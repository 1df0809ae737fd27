//! Entity tags and the preconditions on them (RFC 9110, sections 8.8.3 and 13.1).

use super::json::Json;
use super::problem::Problem;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use std::fmt::Display;

/// The tag of a version, quoted.
#[must_use]
pub fn etag(version: impl Display) -> String {
    format!("\"{version}\"")
}

/// 200 with the body and its tag, or 304 where the client has that version.
pub fn respond<T: Serialize>(if_none_match: &IfNoneMatch, etag: String, body: T) -> Response {
    let fresh = if_none_match.matches(&etag);
    let mut response = if fresh { StatusCode::NOT_MODIFIED.into_response() } else { Json(body).into_response() };
    if let Ok(etag) = HeaderValue::try_from(etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

/// `If-Match`: what a change is to be made to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(Option<Tags>);

/// `If-None-Match`: what the client has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfNoneMatch(Option<Tags>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    These(Vec<Tag>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    weak: bool,
    /// Without quotes.
    opaque: String,
}

impl IfMatch {
    /// The versions of which a resource has to have one; `None` where any will do (`*`). A tag's version is its digits
    /// before a `-`. Weak tags never match, and neither does what we did not make.
    ///
    /// # Errors
    /// 428 where the header is missing.
    pub fn versions(self) -> Result<Option<Vec<i64>>, Problem> {
        match self.0 {
            None => Err(Problem::precondition_required()),
            Some(Tags::Any) => Ok(None),
            Some(Tags::These(tags)) => {
                let strong = tags.iter().filter(|tag| !tag.weak);
                Ok(Some(strong.filter_map(|tag| tag.opaque.split('-').next()?.parse().ok()).collect()))
            }
        }
    }
}

impl IfNoneMatch {
    /// Whether the client has the version with this (quoted) tag. Weak comparison: caches on the way may weaken tags.
    #[must_use]
    pub fn matches(&self, etag: &str) -> bool {
        match &self.0 {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::These(tags)) => {
                let opaque = etag.trim_start_matches("W/").trim_matches('"');
                tags.iter().any(|tag| tag.opaque == opaque)
            }
        }
    }

    /// Whether the header was sent.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.0.is_some()
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        tags(&parts.headers, &IF_MATCH).map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        tags(&parts.headers, &IF_NONE_MATCH).map(Self)
    }
}

/// Several headers are one list.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let mut found = None;
    for value in headers.get_all(name) {
        let tags = value.to_str().ok().and_then(parse).ok_or_else(|| {
            let detail = format!("{name} is a list of entity tags such as \"7\", or *");
            Problem::new(StatusCode::BAD_REQUEST, "precondition_invalid", detail)
        })?;
        found = Some(match (found, tags) {
            (None, tags) => tags,
            (Some(Tags::These(mut all)), Tags::These(more)) => {
                all.extend(more);
                Tags::These(all)
            }
            (Some(_), _) => Tags::Any,
        });
    }
    Ok(found)
}

/// `*`, or tags separated by commas; empty elements are allowed (RFC 9110, section 5.6.1.2).
fn parse(list: &str) -> Option<Tags> {
    if list.trim() == "*" {
        return Some(Tags::Any);
    }
    let mut tags = Vec::new();
    let mut rest = list.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        tags.push(Tag { weak, opaque: opaque.to_owned() });
        let after = after.trim_start_matches([' ', '\t']);
        if !after.is_empty() && !after.starts_with(',') {
            return None;
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    if tags.is_empty() { None } else { Some(Tags::These(tags)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &HeaderName, values: &[&str]) -> Result<Option<Tags>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        tags(&headers, name)
    }

    fn if_match(values: &[&str]) -> Result<Option<Vec<i64>>, Problem> {
        IfMatch(header(&IF_MATCH, values)?).versions()
    }

    #[test]
    fn if_match_names_versions() {
        assert_eq!(if_match(&["\"7\""]).unwrap(), Some(vec![7]));
        assert_eq!(if_match(&["\"7-12\" , \"8\",,"]).unwrap(), Some(vec![7, 8]), "before the dash");
        assert_eq!(if_match(&["\"7\"", "\"9\""]).unwrap(), Some(vec![7, 9]));
        assert_eq!(if_match(&["*"]).unwrap(), None);
        assert_eq!(if_match(&["W/\"7\""]).unwrap(), Some(vec![]), "a weak tag never matches");
        assert_eq!(if_match(&["\"a,b\""]).unwrap(), Some(vec![]), "nor does what we did not make");
        assert_eq!(if_match(&[]).unwrap_err().status(), 428);
        for wrong in ["7", "\"7", "", "\"7\" \"8\"", "w/\"7\""] {
            assert_eq!(if_match(&[wrong]).unwrap_err().status(), 400, "{wrong}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let matches = |values: &[&str]| IfNoneMatch(header(&IF_NONE_MATCH, values).unwrap()).matches("\"7-12\"");
        assert!(matches(&["\"7-12\""]) && matches(&["W/\"7-12\""]) && matches(&["\"x\", \"7-12\""]) && matches(&["*"]));
        assert!(!matches(&[]) && !matches(&["\"7\""]) && !matches(&["\"7-13\""]));
    }

    #[test]
    fn a_client_that_is_up_to_date_gets_a_304() {
        let known = IfNoneMatch(header(&IF_NONE_MATCH, &["\"7\""]).unwrap());
        let response = respond(&known, etag(7), 1);
        assert_eq!((response.status().as_u16(), &response.headers()[ETAG]), (304, &HeaderValue::from_static("\"7\"")));
        assert_eq!(respond(&known, etag(8), 1).status(), 200);
    }
}
