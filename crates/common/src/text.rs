//! Bounds of free text, which API and events share.

/// Whether `text` has 1 to `max` characters and no control character.
///
/// # Errors
/// A sentence for the person who sent it.
pub fn check_line(text: &str, max: usize) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("must not be empty".to_owned());
    }
    check_optional_line(text, max)
}

/// As [`check_line`], but the text may be empty.
///
/// # Errors
/// A sentence for the person who sent it.
pub fn check_optional_line(text: &str, max: usize) -> Result<(), String> {
    if text.chars().count() > max {
        return Err(format!("must be at most {max} characters long"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(())
}
