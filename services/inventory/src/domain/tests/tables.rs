use super::*;
use common::events::decode;

const RESERVED: &str = "inventory.reserved.v1";
const REJECTED: &str = "inventory.rejected.v1";
const RELEASED: &str = "inventory.released.v1";
const CHANGED: &str = "stock.changed.v1";

/// Ten pieces of product 1, and order 1 in every state that it can have.
fn order_in(state: &str) -> World {
    let mut world = World::default().stocked(1, 10);
    let history = match state {
        "none" => vec![],
        "mark" => vec![cancelled(1)],
        "held" => vec![created(1, &[(1, 4)])],
        "rejected" => vec![created(1, &[(1, 11)])],
        "released" => vec![created(1, &[(1, 4)]), cancelled(1)],
        "shipped" => vec![created(1, &[(1, 4)]), shipped(1)],
        _ => unreachable!("{state}"),
    };
    for command in history {
        world.one(command);
    }
    world
}

#[test]
#[expect(clippy::type_complexity, reason = "a table is its columns")]
fn every_state_of_a_reservation_and_every_event() {
    use Status::{Held, Rejected, Released, Shipped};
    let enough = || created(1, &[(1, 4)]);
    let too_much = || created(1, &[(1, 11)]);
    #[rustfmt::skip]
    let table: [(&str, Command, Option<Status>, (i64, i64), &[&str], usize); 24] = [
        // state      event         becomes         on hand, reserved, what is said, movements
        ("none",      enough(),     Some(Held),     (10, 4), &[RESERVED], 1),
        ("none",      too_much(),   Some(Rejected), (10, 0), &[REJECTED], 0),
        ("none",      cancelled(1), Some(Released), (10, 0), &[RELEASED], 0),
        ("none",      shipped(1),   None,           (10, 0), &[],         0),
        ("mark",      enough(),     Some(Released), (10, 0), &[],         0),
        ("mark",      too_much(),   Some(Released), (10, 0), &[],         0),
        ("mark",      cancelled(1), Some(Released), (10, 0), &[RELEASED], 0),
        ("mark",      shipped(1),   Some(Released), (10, 0), &[],         0),
        ("held",      enough(),     Some(Held),     (10, 4), &[],         0),
        ("held",      too_much(),   Some(Held),     (10, 4), &[],         0),
        ("held",      cancelled(1), Some(Released), (10, 0), &[RELEASED], 1),
        ("held",      shipped(1),   Some(Shipped),  (6, 0),  &[],         1),
        ("rejected",  enough(),     Some(Rejected), (10, 0), &[],         0),
        ("rejected",  too_much(),   Some(Rejected), (10, 0), &[],         0),
        ("rejected",  cancelled(1), Some(Rejected), (10, 0), &[RELEASED], 0),
        ("rejected",  shipped(1),   Some(Rejected), (10, 0), &[],         0),
        ("released",  enough(),     Some(Released), (10, 0), &[],         0),
        ("released",  too_much(),   Some(Released), (10, 0), &[],         0),
        ("released",  cancelled(1), Some(Released), (10, 0), &[RELEASED], 0),
        ("released",  shipped(1),   Some(Released), (10, 0), &[],         0),
        ("shipped",   enough(),     Some(Shipped),  (6, 0),  &[],         0),
        ("shipped",   too_much(),   Some(Shipped),  (6, 0),  &[],         0),
        ("shipped",   cancelled(1), Some(Shipped),  (6, 0),  &[],         0),
        ("shipped",   shipped(1),   Some(Shipped),  (6, 0),  &[],         0),
    ];
    for (state, command, becomes, pieces, said, movements) in table {
        let mut world = order_in(state);
        let before = world.clone();
        let done = world.one(command.clone());
        let case = format!("{state} sees {command:?}");
        let alert = Reply::Alerted(Alert::CancelledAfterShipping { order_id: order_id(1) });
        let alerted = (state, &command) == ("shipped", &cancelled(1));
        assert_eq!(done.replies, [Ok(if alerted { alert } else { Reply::Done })], "{case}");
        assert_eq!(world.status(1), becomes, "{case}");
        assert_eq!(world.pieces(1), pieces, "{case}");
        assert_eq!(done.types(), said, "{case}");
        assert_eq!(world.movements.len() - before.movements.len(), movements, "{case}");
        let moved = world.pieces(1) != before.pieces(1);
        let versions = before.stock[&product_id(1)].version..world.stock[&product_id(1)].version;
        assert_eq!(versions.count(), usize::from(moved), "{case}: the version tells of every change, and of no other");
    }
}

#[test]
#[expect(clippy::type_complexity, reason = "a table is its columns")]
fn every_state_of_stock_and_every_command() {
    let negative = Refusal::StockWouldGoNegative { on_hand: 10, reserved: 4 };
    let unknown = Reply::Refused(Refusal::StockNotFound);
    let too_large = Reply::Refused(Refusal::StockWouldBeTooLarge);
    let none = World::default;
    let row = || order_in("held");
    #[rustfmt::skip]
    let table: [(World, Command, Option<Reply>, Option<(i64, i64)>, &[&str], &str); 12] = [
        // stock  command                 refused                           on hand, reserved, what is said, name
        (none(), adjust(1, 5),            Some(unknown.clone()),            None,          &[],        ""),
        (none(), product_changed(1, 1),   None,                             Some((0, 0)),  &[],        "version 1"),
        (row(),  product_changed(1, 2),   None,                             Some((10, 4)), &[],        "version 2"),
        (row(),  product_changed(1, 1),   None,                             Some((10, 4)), &[],        "version 1"),
        (row(),  product_changed(1, 0),   None,                             Some((10, 4)), &[],        "version 1"),
        (row(),  adjust(1, 5),            None,                             Some((15, 4)), &[CHANGED], "version 1"),
        (row(),  adjust(1, -6),           None,                             Some((4, 4)),  &[CHANGED], "version 1"),
        (row(),  adjust(1, -7),           Some(Reply::Refused(negative)),   Some((10, 4)), &[],        "version 1"),
        (row(),  adjust(1, i64::MIN),     Some(Reply::Refused(negative)),   Some((10, 4)), &[],        "version 1"),
        (row(),  adjust(1, MAX_ON_HAND),  Some(too_large.clone()),          Some((10, 4)), &[],        "version 1"),
        (row(),  adjust(1, i64::MAX),     Some(too_large),                  Some((10, 4)), &[],        "version 1"),
        (row(),  adjust(2, 1),            Some(unknown),                    Some((10, 4)), &[],        "version 1"),
    ];
    for (mut world, command, refused, pieces, said, name) in table {
        let before = world.clone();
        let done = world.one(command.clone());
        let case = format!("{command:?}");
        assert_eq!(world.stock.get(&product_id(1)).map(|row| (row.on_hand, row.reserved)), pieces, "{case}");
        assert_eq!(world.stock.get(&product_id(1)).map_or("", |row| &row.name), name, "{case}");
        assert_eq!(done.types(), said, "{case}");
        match (&done.replies[0], refused) {
            (Ok(reply @ Reply::Refused(_)), refused) => {
                assert_eq!(Some(reply), refused.as_ref(), "{case}");
                assert_eq!(world.stock, before.stock, "{case}: a refusal changes nothing");
                assert_eq!(world.movements, before.movements, "{case}");
            }
            (Ok(Reply::Adjusted(movement)), None) => assert_eq!(world.movements.last(), Some(movement), "{case}"),
            (reply, None) => assert_eq!(reply, &Ok(Reply::Done), "{case}"),
            (reply, refused) => panic!("{case}: {reply:?}, not {refused:?}"),
        }
    }
}

#[test]
fn an_order_that_is_short_of_one_line_holds_none_and_hears_what_is_there() {
    let mut world = World::default().stocked(1, 10).stocked(2, 3);
    let done = world.one(created(1, &[(1, 4), (2, 5), (3, 1)]));
    let rejected = decode::<InventoryEvent>(Some(done.records[0].value.as_bytes())).unwrap().event;
    let short = |product, requested, available| Shortage { product_id: product_id(product), requested, available };
    let shortages = vec![short(2, 5, 3), short(3, 1, 0)];
    let expected = StockRejected { order_id: order_id(1), reason: "out_of_stock".to_owned(), shortages };
    assert_eq!(rejected, Some(InventoryEvent::Rejected(expected)));
    assert_eq!(done.records.len(), 1);
    assert_eq!((world.pieces(1), world.pieces(2)), ((10, 0), (3, 0)));
    assert_eq!(world.reservations[&order_id(1)].reason.as_deref(), Some("out_of_stock"));
}

#[test]
fn a_batch_of_a_hundred_orders_is_one_row_and_tells_once_that_all_is_gone() {
    let mut world = World::default().stocked(1, 60);
    let orders: Vec<Command> = (0..100).map(|order| created(order, &[(1, 1)])).collect();
    let done = world.batch(&orders);
    let count = |event_type| done.types().into_iter().filter(|t| *t == event_type).count();
    assert_eq!((count(RESERVED), count(REJECTED), count(CHANGED)), (60, 40, 1));
    assert_eq!(world.pieces(1), (60, 60));
}

#[test]
fn availability_that_comes_and_goes_is_told_once_a_batch_with_the_last_version() {
    let mut world = World::default().stocked(1, 4);
    let done = world.batch(&[created(1, &[(1, 4)]), cancelled(1), created(2, &[(1, 4)])]);
    let told: Vec<_> = done.records.iter().filter(|record| record.event_type == CHANGED).collect();
    assert_eq!(told.len(), 1);
    let event = decode::<InventoryEvent>(Some(told[0].value.as_bytes())).unwrap();
    let version = world.stock[&product_id(1)].version;
    let expected = StockChanged { product_id: product_id(1), version, available: 0 };
    assert_eq!(event.event, Some(InventoryEvent::StockChanged(expected)));
    assert_eq!(event.envelope.sequence, version);

    let done = world.one(cancelled(2));
    assert_eq!(done.types(), [CHANGED, RELEASED]);
    let done = world.one(created(3, &[(1, 1)]));
    assert_eq!(done.types(), [RESERVED], "some are left: nobody needs to know");
}

#[test]
fn a_demo_product_opens_with_a_movement_and_only_once() {
    let product = |n: u128, version| {
        let product_id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n);
        Command::ProductChanged(Product { product_id, version, sku: "S".to_owned(), name: "N".to_owned() })
    };
    let mut set = Set::default();
    let mut cx = Context::new("inventory-service", Ids::Counted(0), Cause::own(NOW));
    for command in [product(1, 1), product(1, 2), product(23, 1), product(24, 1), product(25, 1)] {
        apply(Opening::Demo, &mut set, &command, &mut cx).unwrap();
    }
    let on_hand: Vec<i64> = set.stock.iter().map(|(_, row)| row.on_hand).collect();
    assert_eq!(on_hand, [1_000, 0, 3, 0]);
    let deltas: Vec<_> = set.movements.iter().map(|m| (m.kind, m.delta_on_hand)).collect();
    assert_eq!(deltas, [(Kind::Adjust, 1_000), (Kind::Adjust, 3)]);
    assert_eq!(cx.take_records().len(), 2, "the catalogue hears what is in stock");
}

#[test]
fn books_that_contradict_each_other_are_poison_and_nothing_is_touched() {
    for command in [cancelled(1), shipped(1)] {
        let mut world = World::default().stocked(1, 10).stocked(2, 10);
        world.one(created(1, &[(1, 4), (2, 4)]));
        world.stock.get_mut(&product_id(2)).unwrap().reserved = 3;
        let before = world.clone();
        let done = world.one(command);
        assert!(matches!(done.replies[0], Err(Poison(_))));
        assert!(done.records.is_empty());
        assert_eq!((world.stock, world.reservations), (before.stock, before.reservations));
        assert_eq!(world.movements, before.movements);
    }
}
