//! Values that may be used, but never shown.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A password, or a URL that holds one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value: never to be logged.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One of librdkafka's properties, whose value may be a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaProperty {
    name: String,
    value: Secret,
}

impl KafkaProperty {
    pub(super) fn to_pair(&self) -> (String, String) {
        (self.name.clone(), self.value.0.clone())
    }
}

impl FromStr for KafkaProperty {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok(Self { name: name.trim().to_owned(), value: Secret(value.to_owned()) })
            }
            _ => Err("a property is name=value"),
        }
    }
}
