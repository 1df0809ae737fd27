//! Which partition a key goes to: that of the time at which its order was placed.
//!
//! A producer sends a request for each partition that a batch has records for, and a request costs far more than a record.
//! What happened to orders at one moment is what the next batches tell of: so orders of one moment share a partition, and
//! take turns with those of the next.

use super::Topic;
use uuid::Uuid;

/// How long it is one partition's turn, in milliseconds: about a batch under load.
pub const TURN_MS: u64 = 64;

/// The partition of `key` among the `count` of `topic`: the same for every writer, so that the records of a key stay in
/// their order.
#[must_use]
pub fn partition(topic: &Topic, key: Uuid, count: u32) -> u32 {
    let turn = if topic.compacted { by_chance(key) } else { by_time(key) };
    u32::try_from(turn % u64::from(count.max(1))).expect("less than the count")
}

/// The turn at which a UUID v7 (RFC 9562) was made; another has no time.
fn by_time(key: Uuid) -> u64 {
    if key.get_version_num() != 7 {
        return by_chance(key);
    }
    let (high, _) = key.as_u64_pair();
    (high >> 16) / TURN_MS
}

/// By the bits that are random. Products stay for ever, and many are made at once.
fn by_chance(key: Uuid) -> u64 {
    key.as_u64_pair().1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{INVENTORY_UPDATED, NOTIFICATION_SEND, ORDER_CREATED, PRODUCT_UPDATED};

    fn made_at(ms: u64, chance: u64) -> Uuid {
        Uuid::from_u64_pair(ms << 16 | 0x7000, 0x8000_0000_0000_0000 | chance)
    }

    #[test]
    fn orders_of_one_moment_share_a_partition_and_all_partitions_have_their_turn() {
        let start = 1_700_000_000_000 / TURN_MS * TURN_MS;
        for turn in 0..6 {
            let first = partition(&ORDER_CREATED, made_at(start + turn * TURN_MS, 0), 3);
            for ms in 0..TURN_MS {
                let key = made_at(start + turn * TURN_MS + ms, ms * 7919);
                assert_eq!(partition(&ORDER_CREATED, key, 3), first);
            }
            let next = made_at(start + (turn + 1) * TURN_MS, 0);
            assert_eq!(partition(&ORDER_CREATED, next, 3), (first + 1) % 3);
        }
    }

    #[test]
    fn an_order_has_one_partition_in_all_topics() {
        let key = made_at(1_700_000_000_123, 99);
        let of = |topic| partition(topic, key, 6);
        assert!(of(&ORDER_CREATED) == of(&INVENTORY_UPDATED) && of(&ORDER_CREATED) == of(&NOTIFICATION_SEND));
    }

    #[test]
    fn products_and_keys_without_a_time_are_spread() {
        for (topic, version) in [(&PRODUCT_UPDATED, 7), (&ORDER_CREATED, 4)] {
            let mut counts = [0; 3];
            for n in 0..3000_u64 {
                let key = Uuid::from_u64_pair(version << 12, n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                counts[usize::try_from(partition(topic, key, 3)).unwrap()] += 1;
            }
            assert!(counts.iter().all(|count| (900..1100).contains(count)), "{}: {counts:?}", topic.name);
        }
    }

    #[test]
    fn a_topic_without_partitions_has_a_first_one() {
        assert_eq!(partition(&ORDER_CREATED, Uuid::max(), 0), 0);
    }
}
