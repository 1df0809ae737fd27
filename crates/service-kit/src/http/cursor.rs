//! Cursors: where the next page starts, opaque to the client.

use super::problem::Problem;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest cursor that is looked at; the longest that is made holds a name of 200 characters.
const MAX_CURSOR: usize = 2048;

pub(super) fn encode<C: Serialize>(cursor: &C) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(cursor).expect("cursors are plain data"))
}

pub(super) fn decode<C: DeserializeOwned>(text: &str) -> Result<C, Problem> {
    let json = Some(text).filter(|text| text.len() <= MAX_CURSOR).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    json.filter(|json| !json.windows(6).any(|window| window == b"\\u0000"))
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| {
            let detail = "send nextCursor of the page before, as it is, with the same filters";
            Problem::new(StatusCode::BAD_REQUEST, "invalid_cursor", detail)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_a_round_trip() {
        let cursor = ("Gänse/füßchen".to_owned(), 42_i64);
        let text = encode(&cursor);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(decode::<(String, i64)>(&text).unwrap(), cursor);
    }

    #[test]
    fn what_we_did_not_make_is_refused() {
        let long = encode(&"x".repeat(MAX_CURSOR));
        for wrong in ["", "?", "e30", &encode(&("a", "b")), &encode(&("\0", 1)), &long] {
            let problem = decode::<(String, i64)>(wrong).unwrap_err();
            assert_eq!((problem.status(), problem.code()), (400, "invalid_cursor"), "{wrong}");
        }
    }
}
