//! Identifiers: UUID v7 (RFC 9562), which sort by the time at which they were made.

use uuid::Uuid;

/// A new identifier.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one module that makes identifiers")]
pub fn new() -> Uuid {
    Uuid::now_v7()
}

/// The alphabet of Crockford's Base32: no I, L, O, U, so that a number can be read out on the telephone.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The readable number of an order, such as `7QK3-M9XW-2FTD`: the last 60 bits of its id, which are random.
///
/// The id stays the key. Two of ten million orders share a number with a probability below 10⁻⁴.
#[must_use]
pub fn order_number(order_id: Uuid) -> String {
    let bits = order_id.as_u128();
    let mut number = String::with_capacity(14);
    for position in 0..12_u32 {
        if position > 0 && position % 4 == 0 {
            number.push('-');
        }
        let digit = (bits >> (5 * (11 - position))) & 31;
        number.push(char::from(CROCKFORD[usize::try_from(digit).expect("five bits")]));
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_number_is_the_tail_of_the_id() {
        assert_eq!(order_number(Uuid::from_u128(0)), "0000-0000-0000");
        assert_eq!(order_number(Uuid::from_u128(31)), "0000-0000-000Z");
        assert_eq!(order_number(Uuid::from_u128(1 << 55)), "1000-0000-0000");
        assert_eq!(order_number(Uuid::from_u128(1 << 60)), "0000-0000-0000", "the bits of time stay out");
    }
}
