//! How many pieces of a product an order line asks for.

use serde::{Deserialize, Serialize};

/// 1 to 10,000 pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "i64", into = "u32")]
#[schema(value_type = u32, minimum = 1, maximum = 10_000, example = 2)]
pub struct Quantity(u32);

/// Why a number is no quantity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a quantity is 1 to {}", Quantity::MAX)]
pub struct InvalidQuantity;

impl Quantity {
    /// The most pieces that one line may ask for.
    pub const MAX: u32 = 10_000;

    /// # Errors
    /// Where `pieces` is not 1 to [`Quantity::MAX`].
    pub fn new(pieces: i64) -> Result<Self, InvalidQuantity> {
        match u32::try_from(pieces) {
            Ok(n @ 1..=Self::MAX) => Ok(Self(n)),
            _ => Err(InvalidQuantity),
        }
    }

    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = InvalidQuantity;
    fn try_from(pieces: i64) -> Result<Self, InvalidQuantity> {
        Self::new(pieces)
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}
