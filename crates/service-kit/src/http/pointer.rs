//! JSON pointers (RFC 6901), from the paths that serde and garde name.

use serde_path_to_error::{Path, Segment};
use std::fmt::Write;

/// Keys come from the client: no more of them is repeated than helps.
const MAX_POINTER: usize = 256;

/// Of what could not be deserialised, from the path at which that was noticed and what was said of it.
pub(super) fn from_serde(path: &Path, message: &str) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push_index(&mut pointer, *index),
            Segment::Map { key } | Segment::Enum { variant: key } => push_key(&mut pointer, key),
            Segment::Unknown => {}
        }
    }
    // Noticed at the object, and said of one of its fields.
    let said = ["missing field `", "duplicate field `"].iter().find_map(|start| message.strip_prefix(start));
    if let Some(field) = said.and_then(|rest| rest.split('`').next()) {
        push_key(&mut pointer, field);
    }
    cut(pointer, MAX_POINTER)
}

/// Of a field that broke a rule: `lines[0].unit_price` is `/lines/0/unitPrice`, since DTOs are `camelCase` on the wire.
pub(super) fn from_garde(path: &garde::Path) -> String {
    let mut pointer = String::new();
    for component in path.to_string().split(['.', '[']).filter(|component| !component.is_empty()) {
        push_key(&mut pointer, &camel_case(component.trim_end_matches(']')));
    }
    cut(pointer, MAX_POINTER)
}

pub(super) fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
}

pub(super) fn push_index(pointer: &mut String, index: usize) {
    // Writing to a String can't fail.
    let _ = write!(pointer, "/{index}");
}

/// At most `max` bytes, and whole characters.
pub(super) fn cut(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_rules_become_pointers() {
        let path = garde::Path::new("shipping_address").join("lines").join(3_usize).join("post_code");
        assert_eq!(from_garde(&path), "/shippingAddress/lines/3/postCode");
        assert_eq!(from_garde(&garde::Path::empty()), "");
    }

    #[test]
    fn keys_are_escaped_and_long_ones_cut() {
        let mut pointer = String::new();
        push_key(&mut pointer, "a/b~c");
        assert_eq!(pointer, "/a~1b~0c");
        assert_eq!(cut("é".repeat(200), MAX_POINTER).len(), MAX_POINTER);
        assert_eq!(cut(format!("x{}", "é".repeat(200)), MAX_POINTER).len(), MAX_POINTER - 1);
    }
}
