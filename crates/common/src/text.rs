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

/// The longest payment method's token, in characters.
const MAX_PAYMENT_METHOD: usize = 64;
/// The fewest digits of a card's number (ISO/IEC 7812).
const CARD_NUMBER_DIGITS: usize = 12;

/// Whether `text` is a provider's token: `pm_` and what the provider appends. A card's number is none, and does not become
/// one by the prefix: it would go into events.
///
/// # Errors
/// A sentence for the person who sent it.
pub fn check_payment_method(text: &str) -> Result<(), &'static str> {
    let token = text.strip_prefix("pm_").filter(|rest| !rest.is_empty() && text.len() <= MAX_PAYMENT_METHOD);
    let is_token = |rest: &str| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if token.is_some_and(|rest| is_token(rest) && !holds_card_number(rest)) {
        return Ok(());
    }
    Err("must be a payment method's token such as pm_card_visa, never a card number")
}

/// Whether so many digits follow each other, grouped or not.
fn holds_card_number(token: &str) -> bool {
    let digits = token.replace('_', "");
    digits.split(|c: char| !c.is_ascii_digit()).any(|run| run.len() >= CARD_NUMBER_DIGITS)
}
