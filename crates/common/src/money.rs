//! Money in minor units (cents), with checked arithmetic.

use crate::quantity::Quantity;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Why a text is no currency code.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a currency is three capital letters (ISO 4217)")]
pub struct InvalidCurrency;

impl Currency {
    /// # Errors
    /// Where `code` is not three ASCII capitals.
    pub fn parse(code: &str) -> Result<Self, InvalidCurrency> {
        match code.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|x| x.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(InvalidCurrency),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII letters")
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;
    fn try_from(code: String) -> Result<Self, InvalidCurrency> {
        Self::parse(&code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount that is never negative, in minor units of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "RawMoney")]
pub struct Money {
    /// Minor units: 1999 is 19.99 in a currency with two decimals.
    #[schema(example = 1999, minimum = 0)]
    amount: i64,
    #[schema(value_type = String, example = "USD", pattern = "^[A-Z]{3}$")]
    currency: Currency,
}

#[derive(Deserialize)]
struct RawMoney {
    amount: i64,
    currency: Currency,
}

impl TryFrom<RawMoney> for Money {
    type Error = MoneyError;
    fn try_from(raw: RawMoney) -> Result<Self, MoneyError> {
        Self::new(raw.amount, raw.currency)
    }
}

/// Why an amount can't be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MoneyError {
    #[error("an amount of money is never negative")]
    Negative,
    #[error("an amount of money is too large")]
    Overflow,
    #[error("amounts of {0} and {1} can't be mixed")]
    Currencies(Currency, Currency),
}

impl Money {
    /// # Errors
    /// [`MoneyError::Negative`].
    pub fn new(amount_minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if amount_minor < 0 {
            return Err(MoneyError::Negative);
        }
        Ok(Self { amount: amount_minor, currency })
    }

    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self { amount: 0, currency }
    }

    #[must_use]
    pub fn amount_minor(self) -> i64 {
        self.amount
    }

    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// # Errors
    /// Other currencies, or more than an `i64` holds.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let amount = self.amount.checked_add(other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Self { amount, ..self })
    }

    /// # Errors
    /// Other currencies, or `other` is the larger one.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::new(self.amount - other.amount, self.currency)
    }

    /// # Errors
    /// More than an `i64` holds.
    pub fn times(self, quantity: Quantity) -> Result<Self, MoneyError> {
        let amount = self.amount.checked_mul(i64::from(quantity.get())).ok_or(MoneyError::Overflow)?;
        Ok(Self { amount, ..self })
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::Currencies(self.currency, other.currency))
        }
    }
}

impl fmt::Display for Money {
    /// `19.99 USD`: two decimals, which is right for every currency that the demo catalogue uses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} {}", self.amount / 100, self.amount % 100, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::parse("USD").unwrap()).unwrap()
    }

    #[test]
    fn arithmetic_is_checked() {
        assert_eq!(usd(1999).times(Quantity::new(3).unwrap()), Ok(usd(5997)));
        assert_eq!(usd(i64::MAX).plus(usd(1)), Err(MoneyError::Overflow));
        assert_eq!(usd(i64::MAX).times(Quantity::new(2).unwrap()), Err(MoneyError::Overflow));
        assert_eq!(usd(1).minus(usd(2)), Err(MoneyError::Negative));
        assert!(usd(1).plus(Money::new(1, Currency::parse("EUR").unwrap()).unwrap()).is_err());
    }

    #[test]
    fn json_is_an_object_and_refuses_what_can_not_be() {
        assert_eq!(serde_json::to_string(&usd(5)).unwrap(), r#"{"amount":5,"currency":"USD"}"#);
        for wrong in [
            r#"{"amount":-5,"currency":"USD"}"#,
            r#"{"amount":5,"currency":"usd"}"#,
            r#"{"amount":1e400,"currency":"USD"}"#,
        ] {
            assert!(serde_json::from_str::<Money>(wrong).is_err(), "{wrong}");
        }
    }
}
