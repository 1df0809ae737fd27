use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const PRODUCTS: u128 = 4;

/// Any event of any order, also those that no order service would send.
fn any_command() -> impl Strategy<Value = Command> {
    let lines = vec((0..PRODUCTS, 1..6_u32), 0..4);
    let product = 0..PRODUCTS;
    prop_oneof![
        4 => (0..6_u128, lines).prop_map(|(order, lines)| created(order, &lines)),
        3 => (0..6_u128).prop_map(cancelled),
        2 => (0..6_u128).prop_map(shipped),
        2 => (product.clone(), -6..12_i64).prop_map(|(product, delta)| adjust(product, delta)),
        1 => (product, 0..4_i64).prop_map(|(product, version)| product_changed(product, version)),
    ]
}

/// What is true after every batch.
fn check_books(world: &World) {
    for (product_id, stock) in &world.stock {
        assert!(0 <= stock.reserved && stock.reserved <= stock.on_hand, "{stock:?}");
        let of_product = || world.movements.iter().filter(|m| m.product_id == *product_id);
        assert_eq!(stock.on_hand, of_product().map(|m| m.delta_on_hand).sum::<i64>(), "the sum of its movements");
        assert_eq!(stock.reserved, of_product().map(|m| m.delta_reserved).sum::<i64>(), "the sum of its movements");
        let held = world.reservations.values().flat_map(Reservation::held);
        let held: i64 = held.filter(|(id, _)| id == product_id).map(|(_, quantity)| i64::from(quantity)).sum();
        assert_eq!(stock.reserved, held, "what orders hold");
    }
    let mut ids: Vec<Uuid> = world.movements.iter().map(|m| m.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), world.movements.len());
}

/// 0 while nothing is known, 1 while something is held, 2 at the end.
fn rank(status: Option<Status>) -> u8 {
    match status {
        None => 0,
        Some(Status::Held) => 1,
        Some(Status::Rejected | Status::Released | Status::Shipped) => 2,
    }
}

/// `events` in the order that `keys` give them, some of them twice.
fn shuffled(events: &[Command], keys: &[(u32, bool)]) -> Vec<Command> {
    let mut dealt: Vec<(u32, &Command)> = Vec::new();
    for (at, (key, twice)) in keys.iter().enumerate() {
        let event = &events[at % events.len()];
        dealt.push((*key, event));
        if *twice {
            dealt.push((key.rotate_left(16), event));
        }
    }
    dealt.sort_by_key(|(key, _)| *key);
    dealt.into_iter().map(|(_, event)| event.clone()).collect()
}

/// The rows without what tells how they came to be: times, versions, marks.
#[derive(Debug, PartialEq)]
struct Outcome {
    pieces: Vec<(i64, i64)>,
    orders: BTreeMap<Uuid, Status>,
}

fn outcome(world: &World) -> Outcome {
    let pieces = world.stock.values().map(|row| (row.on_hand, row.reserved)).collect();
    let orders = world.reservations.iter().map(|(id, row)| (*id, row.status)).collect();
    Outcome { pieces, orders }
}

proptest! {
    /// Never oversold, never negative, nothing goes back, stock is the sum of its movements, every cancel is answered:
    /// whatever comes, and also what can't.
    #[test]
    fn the_books_are_right_whatever_comes(commands in vec(any_command(), 1..60)) {
        let mut world = World::default().stocked(0, 7).stocked(1, 7);
        for command in commands {
            let before = world.clone();
            let done = world.one(command.clone());
            prop_assert!(done.replies[0].is_ok());
            check_books(&world);
            for order in 0..6 {
                prop_assert!(rank(world.status(order)) >= rank(before.status(order)));
                if rank(before.status(order)) == 2 {
                    prop_assert_eq!(world.status(order), before.status(order));
                }
            }
            if let Command::OrderCancelled { order_id } = command {
                let shipped = world.reservations[&order_id].status == Status::Shipped;
                let answered = done.types().contains(&"inventory.released.v1");
                prop_assert_eq!(answered, !shipped);
            }
        }
    }

    /// A batch is the same as its commands one by one: also with only those rows loaded that it asks for.
    #[test]
    fn batches_of_any_size_end_the_same(commands in vec(any_command(), 1..60), size in 1..60_usize) {
        let start = World::default().stocked(0, 7).stocked(1, 7);
        let (mut singly, mut batched) = (start.clone(), start);
        let mut replies = Vec::new();
        for command in &commands {
            replies.extend(singly.one(command.clone()).replies);
        }
        let mut batch_replies = Vec::new();
        for batch in commands.chunks(size) {
            batch_replies.extend(batched.batch(batch).replies);
            check_books(&batched);
        }
        let kinds = |replies: &[Result<Reply, Poison>]| {
            replies.iter().map(|r| r.as_ref().map(std::mem::discriminant).ok()).collect::<Vec<_>>()
        };
        prop_assert_eq!(kinds(&replies), kinds(&batch_replies));
        prop_assert_eq!(singly.stock, batched.stock);
        prop_assert_eq!(singly.reservations, batched.reservations);
        prop_assert_eq!(singly.movements.len(), batched.movements.len());
    }

    /// Placed and cancelled, in any order and number, of many orders at once: everything is back, and nothing is held.
    #[test]
    fn cancelled_orders_end_the_same_in_any_order(keys in vec((any::<u32>(), any::<bool>()), 20)) {
        let of_order = |order| [created(order, &[(0, 2), (1, 1)]), cancelled(order)];
        let events: Vec<Command> = (0..10).flat_map(of_order).collect();
        let start = World::default().stocked(0, 100).stocked(1, 100);
        let (mut straight, mut wild) = (start.clone(), start);
        straight.batch(&events);
        for event in shuffled(&events, &keys) {
            wild.one(event);
        }
        check_books(&wild);
        prop_assert_eq!(outcome(&wild), outcome(&straight));
    }

    /// Placed and shipped, repeated and mixed with other orders; nobody ships what he has not seen reserved.
    #[test]
    fn shipped_orders_end_the_same_in_any_order(
        keys in vec((any::<u32>(), any::<bool>()), 10),
        later in vec((any::<u32>(), any::<bool>()), 20),
    ) {
        let placed: Vec<Command> = (0..10).map(|order| created(order, &[(0, 2), (1, 1)])).collect();
        let both: Vec<Command> = placed.iter().cloned().chain((0..10).map(shipped)).collect();
        let start = World::default().stocked(0, 100).stocked(1, 100);
        let (mut straight, mut wild) = (start.clone(), start);
        straight.batch(&both);
        for event in shuffled(&placed, &keys).into_iter().chain(shuffled(&both, &later)) {
            wild.one(event);
        }
        check_books(&wild);
        prop_assert_eq!(outcome(&wild), outcome(&straight));
        prop_assert_eq!(wild.pieces(0), (80, 0));
    }

    /// Where there is not enough for all, an order that is cancelled may end rejected or released by the order of
    /// events, but it holds nothing, and stock is as before.
    #[test]
    fn scarce_stock_comes_back_in_any_order(keys in vec((any::<u32>(), any::<bool>()), 20)) {
        let of_order = |order| [created(order, &[(0, 2), (1, 1)]), cancelled(order)];
        let events: Vec<Command> = (0..10).flat_map(of_order).collect();
        let mut world = World::default().stocked(0, 5).stocked(1, 100);
        for event in shuffled(&events, &keys) {
            world.one(event);
            check_books(&world);
        }
        prop_assert_eq!((world.pieces(0), world.pieces(1)), ((5, 0), (100, 0)));
        prop_assert!(world.reservations.values().all(|row| rank(Some(row.status)) == 2));
    }

    /// The name is that of the highest version, in whatever order the versions come.
    #[test]
    fn the_newest_name_stays(versions in vec(0..20_i64, 1..20)) {
        let mut world = World::default();
        for version in &versions {
            world.one(product_changed(1, *version));
        }
        let newest = versions.iter().max().copied().unwrap_or_default();
        let stock = &world.stock[&product_id(1)];
        prop_assert_eq!((&stock.name, stock.product_version), (&format!("version {newest}"), newest));
    }
}
