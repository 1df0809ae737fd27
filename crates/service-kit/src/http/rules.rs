//! Rules for the fields of DTOs, to be named in `#[garde(custom(…))]`; API.md has the lengths.

use common::text::{check_line, check_optional_line};
use garde::Error;

/// 1 to `max` characters, not only blanks, and no control character.
pub fn line<T: AsRef<str>>(max: usize) -> impl Fn(&T, &()) -> garde::Result {
    move |text, ()| check_line(text.as_ref(), max).map_err(Error::new)
}

/// Up to `max` characters, and no control character.
pub fn optional_line<T: AsRef<str>>(max: usize) -> impl Fn(&T, &()) -> garde::Result {
    move |text, ()| check_optional_line(text.as_ref(), max).map_err(Error::new)
}

/// Up to `max` characters in any number of lines: of the control characters, only line feeds and tabs.
pub fn text<T: AsRef<str>>(max: usize) -> impl Fn(&T, &()) -> garde::Result {
    move |text, ()| check_optional_line(&text.as_ref().replace(['\n', '\t'], " "), max).map_err(Error::new)
}
