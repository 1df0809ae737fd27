//! What holds whatever comes, in whatever order and however often.

use super::placing::{item, placement};
use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The facts of one order's life, as inventory and payment tell them: where it begins, and where it ends.
fn lives() -> Vec<(Status, Vec<Seen>, Status)> {
    use Status::{Cancelled, Cancelling, Confirmed, PaymentFailed, Pending, Rejected};
    let given_back = |facts: Vec<Seen>| facts.into_iter().chain([Seen::StockReleased, paid_back(true)]).collect();
    vec![
        (Pending, vec![Seen::StockReserved, captured(1)], Confirmed),
        (Pending, vec![Seen::StockReserved, captured(1), refunded(false)], Confirmed),
        (Pending, vec![Seen::StockReserved, declined(1), declined(2)], PaymentFailed),
        (Pending, vec![Seen::StockReserved, declined(1), declined(2), captured(3)], Confirmed),
        // A capture that comes although its attempt was declined.
        (Pending, vec![Seen::StockReserved, declined(1), captured(1)], Confirmed),
        (Pending, vec![rejected(), paid_back(true)], Rejected),
        (Cancelling, given_back(vec![]), Cancelled),
        (Cancelling, given_back(vec![rejected()]), Cancelled),
        (Cancelling, given_back(vec![Seen::StockReserved, declined(1)]), Cancelled),
        (Cancelling, given_back(vec![Seen::StockReserved, captured(1), refunded(false)]), Cancelled),
    ]
}

/// A life, its facts shuffled and some of them repeated.
fn shuffled_life() -> impl Strategy<Value = (Status, Vec<Seen>, Status)> {
    proptest::sample::select(lives()).prop_flat_map(|(from, facts, to)| {
        let again: Vec<Seen> = facts.iter().chain(&facts).cloned().collect();
        let repeated = proptest::sample::subsequence(again.clone(), 0..=again.len());
        let all = repeated.prop_map(move |more| facts.iter().cloned().chain(more).collect::<Vec<_>>());
        all.prop_shuffle().prop_map(move |shuffled| (from, shuffled, to))
    })
}

/// Any command, also what nobody would send.
fn any_command() -> impl Strategy<Value = Command> {
    let refund = (1..4_u128, 0..=2000_i64, any::<bool>()).prop_map(|(id, amount, all)| {
        let refund = AdminRefund { id: Uuid::from_u128(id), amount: usd(amount), reason: None };
        seen(Seen::PaidBack { all, refund: Some(refund) })
    });
    prop_oneof![
        2 => Just(cancel()),
        2 => Just(ship()),
        2 => Just(deliver()),
        2 => Just(due()),
        2 => Just(seen(Seen::StockReserved)),
        1 => Just(seen(rejected())),
        3 => Just(seen(Seen::StockReleased)),
        2 => (1..4_u32).prop_map(|attempt| seen(captured(attempt))),
        2 => (1..4_u32).prop_map(|attempt| seen(declined(attempt))),
        3 => any::<bool>().prop_map(|all| seen(paid_back(all))),
        2 => refund,
    ]
}

/// As in `spec/saga.py`.
fn rank(status: Status) -> u8 {
    match status {
        Status::Pending => 0,
        Status::Reserved => 1,
        Status::PaymentFailed => 2,
        Status::Confirmed => 3,
        Status::Cancelling => 4,
        Status::Shipped => 8,
        Status::Delivered | Status::Rejected | Status::Cancelled | Status::Expired => 9,
    }
}

fn check_step(before: &Order, after: &Order) {
    let paid_after_all = (before.status, after.status) == (Status::PaymentFailed, Status::Confirmed);
    assert!(rank(before.status) <= rank(after.status) || paid_after_all);
    if rank(before.status) == 9 {
        assert_eq!(before.status, after.status, "an end is an end");
    }
    assert!(before.version <= after.version);
    assert_eq!(after.due_at.is_some(), after.status.awaits_payment() || after.status == Status::Cancelling);
    if matches!(after.status, Status::Cancelled | Status::Expired) {
        assert!(after.cancel.is_some_and(|cancel| cancel.stock_back && cancel.paid_back));
    }
    if matches!(after.status, Status::Shipped | Status::Delivered) {
        assert!(after.shipment.is_some() && after.cancel.is_none());
    }
}

/// The rows follow each other, and no cause is there twice.
fn check_timeline(world: &World) {
    let rows = &world.set.timeline;
    assert!(rows.iter().zip(2..).all(|(row, sequence)| row.sequence == sequence), "{rows:?}");
    assert!(rows.windows(2).all(|pair| pair[1].from == Some(pair[0].to)), "{rows:?}");
    let causes: BTreeSet<&str> = rows.iter().map(|row| row.cause.as_str()).collect();
    assert_eq!(causes.len(), rows.len(), "{rows:?}");
}

proptest! {
    /// Handlers commute: an order ends the same, whatever comes early, late or again.
    #[test]
    fn one_life_has_one_end((from, facts, to) in shuffled_life()) {
        let mut world = World::of(from);
        let refunds: BTreeSet<String> = facts
            .iter()
            .filter_map(|fact| match fact {
                Seen::PaidBack { refund: Some(refund), .. } => Some(refund_cause(refund.id)),
                _ => None,
            })
            .collect();
        for fact in facts {
            world.see(fact);
        }
        prop_assert_eq!(world.order().status, to);
        let entered = world.set.timeline.iter().map(|row| row.cause.clone()).filter(|cause| cause.starts_with("refund"));
        prop_assert_eq!(entered.collect::<BTreeSet<_>>(), refunds, "each refund is entered, in whatever state");
        check_timeline(&world);
    }

    /// Rank only grows, ends are final, an order ends by a cancel only with both answers, nobody is told twice.
    #[test]
    fn the_rules_hold_whatever_comes(
        from in proptest::sample::select(&[Status::Pending, Status::Confirmed, Status::Cancelling][..]),
        commands in vec(any_command(), 1..40),
    ) {
        let mut world = World::of(from);
        let mut messages = Vec::new();
        for command in commands {
            let before = world.order().clone();
            world.apply(&command);
            check_step(&before, world.order());
            messages.extend(world.cx.take_records().iter().filter_map(message));
        }
        check_timeline(&world);
        let keys: BTreeSet<i32> = messages.iter().map(|message| message.timeline_sequence).collect();
        prop_assert_eq!(keys.len(), messages.len(), "a row of the timeline is told of once");
    }

    /// The total is the sum of its lines, or the order is refused.
    #[test]
    fn money_never_overflows_silently(lines in btree_map(0..50_u128, (0..=i64::MAX / 5_000, 1..=10_000_i64), 1..20)) {
        let items = lines.iter().map(|(id, (price, _))| item(Uuid::from_u128(*id), usd(*price)));
        let catalogue = Rows::loaded(items.map(|item| (item.product_id, item)));
        let mut set = Set { catalogue, ..Set::default() };
        let quantity = |quantity: i64| Quantity::new(quantity).unwrap();
        let wanted = lines.iter().map(|(id, (_, pieces))| {
            WantedLine { product_id: Uuid::from_u128(*id), quantity: quantity(*pieces) }
        });
        let command = Command::Place(Box::new(placement(wanted.collect())));
        let exact: i128 = lines.values().map(|(price, pieces)| i128::from(*price) * i128::from(*pieces)).sum();
        match apply(TTL, &mut set, &command, &mut context(NOW)).unwrap() {
            Reply::Placed(order) => prop_assert_eq!(i128::from(order.total.amount_minor()), exact),
            reply => {
                prop_assert_eq!(reply, Reply::Refused(Refusal::TotalTooLarge));
                prop_assert!(exact > i128::from(i64::MAX));
            }
        }
    }
}
