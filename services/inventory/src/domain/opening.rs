//! With what a product starts.

use uuid::Uuid;

/// What stands in stock when a product's row appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Nothing, until somebody counts.
    Empty,
    /// The demo catalogue has pieces of its products; other products nothing.
    Demo,
}

/// The product service's demo catalogue: product n has this id plus n.
const DEMO_PRODUCTS: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000);
const DEMO_PRODUCT_COUNT: u128 = 24;
const DEMO_PIECES: i64 = 1_000;

impl Opening {
    /// Of the movement.
    pub const REASON: &str = "opening stock";

    #[must_use]
    pub fn pieces(self, product_id: Uuid) -> i64 {
        let number = product_id.as_u128().wrapping_sub(DEMO_PRODUCTS.as_u128());
        match (self, number) {
            (Self::Empty, _) => 0,
            // One that is sold out, and one that a single order can sell out.
            (Self::Demo, 23) => 0,
            (Self::Demo, 24) => 3,
            (Self::Demo, 1..=DEMO_PRODUCT_COUNT) => DEMO_PIECES,
            (Self::Demo, _) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(text: &str) -> i64 {
        Opening::Demo.pieces(Uuid::parse_str(text).unwrap())
    }

    #[test]
    fn only_the_demo_catalogue_has_an_opening_stock() {
        assert_eq!(demo("01900000-0000-7000-8000-000000000001"), 1_000);
        assert_eq!(demo("01900000-0000-7000-8000-000000000016"), 1_000);
        assert_eq!(demo("01900000-0000-7000-8000-000000000017"), 0);
        assert_eq!(demo("01900000-0000-7000-8000-000000000018"), 3);
        assert_eq!(demo("01900000-0000-7000-8000-000000000000"), 0);
        assert_eq!(demo("01900000-0000-7000-8000-000000000019"), 0);
        assert_eq!(demo("00000000-0000-7000-8000-000000000001"), 0);
        assert_eq!(Opening::Empty.pieces(Uuid::from_u128(DEMO_PRODUCTS.as_u128() + 1)), 0);
    }
}
