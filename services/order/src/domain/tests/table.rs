//! Every status against every command.

use super::*;

/// What a command makes of an order:
///
/// - a status: the transition, with its row of the timeline
/// - `refused`: 409, and nothing changes
/// - `as_it_is`: answered with the order, and nothing changes
/// - `sent_again`: `order.cancelled`, and nothing that anybody sees changes
/// - `remembered`: one of the two answers that the cancel waits for
/// - `entered`: a row of the timeline, without a transition
/// - `.`: ignored
///
/// `returned` is what a cancel is answered, `refunded` an admin's refund of a part.
const TABLE: &str = "
                cancel      ship     deliver    due         reserved  rejected  captured   declined        released    returned    refunded
pending         cancelling  refused  refused    cancelling  reserved  rejected  confirmed  payment_failed  .           .           entered
reserved        cancelling  refused  refused    cancelling  .         .         confirmed  payment_failed  .           .           entered
payment_failed  cancelling  refused  refused    cancelling  .         .         confirmed  .               .           .           entered
confirmed       cancelling  shipped  refused    .           .         .         .          .               .           .           entered
shipped         refused     refused  delivered  .           .         .         .          .               .           .           entered
delivered       refused     refused  refused    .           .         .         .          .               .           .           entered
rejected        refused     refused  refused    .           .         .         .          .               .           .           entered
cancelling      as_it_is    refused  refused    sent_again  .         .         .          .               remembered  remembered  entered
cancelled       as_it_is    refused  refused    .           .         .         .          .               .           .           entered
expired         refused     refused  refused    .           .         .         .          .               .           .           entered
";

fn command(name: &str) -> Command {
    match name {
        "cancel" => cancel(),
        "ship" => ship(),
        "deliver" => deliver(),
        "due" => due(),
        "reserved" => seen(Seen::StockReserved),
        "rejected" => seen(rejected()),
        "captured" => seen(captured(1)),
        "declined" => seen(declined(1)),
        "released" => seen(Seen::StockReleased),
        "returned" => seen(paid_back(true)),
        "refunded" => seen(refunded(false)),
        _ => panic!("no command {name}"),
    }
}

fn effect(status: Status, command: &Command) -> String {
    let mut world = World::of(status);
    let before = world.order().clone();
    let reply = world.apply(command);
    let (after, rows) = (world.order().clone(), world.set.timeline.clone());
    let told = world.told();
    let steps = i64::try_from(rows.len()).unwrap();
    assert_eq!(after.version, before.version + steps, "a version is a row of the timeline");
    if let Some(row) = rows.first() {
        assert_eq!((rows.len(), row.from, row.to, row.sequence), (1, Some(before.status), after.status, after.version));
    }
    let untouched = world.set.orders.updated().next().is_none();
    if after.status != before.status {
        after.status.as_str().to_owned()
    } else if steps > 0 {
        "entered".to_owned()
    } else if matches!(reply, Reply::Refused(_)) {
        assert!(untouched && told.is_empty(), "a refusal changes nothing");
        "refused".to_owned()
    } else if told == ["order.cancelled.v1"] {
        "sent_again".to_owned()
    } else if after.cancel != before.cancel {
        assert!(told.is_empty());
        "remembered".to_owned()
    } else {
        assert!(untouched && told.is_empty(), "what is ignored is not written");
        if reply == Reply::Done { "." } else { "as_it_is" }.to_owned()
    }
}

#[test]
fn every_status_and_every_command() {
    let mut lines = TABLE.trim().lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let commands = lines.next().unwrap();
    let rows: Vec<_> = lines.collect();
    assert_eq!(rows.len(), Status::ALL.len());
    for row in rows {
        let status = Status::parse(row[0]).unwrap();
        assert_eq!(row.len(), 1 + commands.len(), "{status:?}");
        for (name, cell) in commands.iter().zip(&row[1..]) {
            assert_eq!(effect(status, &command(name)), *cell, "{status:?} and {name}");
        }
    }
}

/// What each transition tells other services and the customer.
#[test]
fn every_transition_tells_the_right_ones() {
    let told = |status, command: &Command| {
        let mut world = World::of(status);
        world.apply(command);
        world.told()
    };
    let silent: [&str; 0] = [];
    assert_eq!(told(Status::Pending, &seen(Seen::StockReserved)), silent);
    assert_eq!(told(Status::Pending, &seen(rejected())), ["order_rejected"]);
    assert_eq!(told(Status::Reserved, &seen(captured(1))), ["order_confirmed"]);
    assert_eq!(told(Status::Reserved, &seen(declined(1))), ["payment_failed"]);
    assert_eq!(told(Status::Confirmed, &cancel()), ["order.cancelled.v1"]);
    assert_eq!(told(Status::Reserved, &due()), ["order.cancelled.v1"]);
    assert_eq!(told(Status::Confirmed, &ship()), ["order.shipped.v1", "order_shipped"]);
    assert_eq!(told(Status::Shipped, &deliver()), ["order_delivered"]);
    for (why, ends) in [(CancelReason::Cancelled, "order_cancelled"), (CancelReason::Expired, "order_expired")] {
        let mut world = World::with(Order { cancel: Some(Cancel::begun(why)), ..order(Status::Cancelling) });
        world.see(Seen::StockReleased);
        assert_eq!(world.told(), silent);
        world.see(paid_back(true));
        assert_eq!(world.told(), [ends]);
    }
    for status in Status::ALL {
        assert_eq!(told(status, &seen(refunded(false))), ["order_refunded"]);
    }
}
