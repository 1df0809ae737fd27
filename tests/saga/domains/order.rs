//! The order, and the refunds that stand on its timeline.

use super::{CUSTOMER, LATER, NOW, ORDER, PIECES, PRODUCT, TOTAL, Told, context};
use common::events::Contact;
use common::money::{Currency, Money};
use common::quantity::Quantity;
use engine::Rows;
use order::domain::{CatalogueItem, Command, Order, Placement, Reply, Set, Status, WantedLine, apply as apply_real};
use std::collections::BTreeSet;
use std::convert::Infallible;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const TIME_TO_PAY: Duration = Duration::hours(1);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) order: Order,
    /// Refunds that are on the timeline.
    refunds: BTreeSet<Uuid>,
}

/// A new order, and what is told of it.
pub(crate) fn place() -> (Row, Told<Infallible>) {
    let price = Money::new(TOTAL / PIECES, Currency::parse("USD").expect("a currency")).expect("an amount");
    let item = CatalogueItem {
        product_id: PRODUCT,
        version: 1,
        sku: "SKU-1".to_owned(),
        name: "A thing".to_owned(),
        price,
        orderable: true,
    };
    let placement = Placement {
        order_id: ORDER,
        customer_id: CUSTOMER.to_owned(),
        lines: vec![WantedLine { product_id: PRODUCT, quantity: Quantity::new(PIECES).expect("a quantity") }],
        payment_method: "pm_card_visa".to_owned(),
        contact: Contact { email: Some("somebody@example.com".to_owned()), phone: None },
        shipping_address: None,
    };
    let mut set = Set { catalogue: Rows::loaded([(PRODUCT, item)]), ..Set::default() };
    let mut cx = context("order-service", 0, NOW);
    let reply = apply_real(TIME_TO_PAY, &mut set, &Command::Place(Box::new(placement)), &mut cx);
    let Ok(Reply::Placed(order)) = reply else { panic!("it is not placed: {reply:?}") };
    (Row { order: *order, refunds: BTreeSet::new() }, Told::of(cx))
}

/// When the timer strikes.
pub(crate) fn due_at(row: &Row) -> OffsetDateTime {
    row.order.due_at.unwrap_or(NOW)
}

/// # Errors
/// The event is poison.
pub(crate) fn apply(row: &mut Row, command: &Command, at: OffsetDateTime) -> Result<Told<Infallible>, String> {
    let refunds = row.refunds.iter().map(|refund| (ORDER, *refund)).collect();
    let mut set = Set { orders: Rows::loaded([(ORDER, row.order.clone())]), refunds, ..Set::default() };
    let mut cx = context("order-service", 0, at);
    apply_real(TIME_TO_PAY, &mut set, command, &mut cx).map_err(|poison| poison.0)?;
    row.refunds = set.refunds.into_iter().map(|(_, refund)| refund).collect();
    row.order = set.orders.get(&ORDER).cloned().expect("orders stay");
    (row.order.version, row.order.updated_at) = (1, NOW);
    row.order.due_at = row.order.due_at.map(|_| LATER);
    Ok(Told::of(cx))
}

/// It only grows, but for a payment that comes after all.
pub(crate) fn rank(status: Status) -> u8 {
    match status {
        Status::Pending => 0,
        Status::Reserved => 1,
        Status::PaymentFailed => 2,
        Status::Confirmed => 3,
        Status::Cancelling => 4,
        Status::Shipped | Status::Delivered | Status::Rejected | Status::Cancelled | Status::Expired => 9,
    }
}
