//! The order's rules: as a table, one by one, and as properties.

mod placing;
mod properties;
mod rules;
mod table;

use super::*;
use common::events::{CancelReason, Contact, NotificationRequested, OrderLine, decode};
use common::money::{Currency, Money};
use common::quantity::Quantity;
use engine::{Cause, Ids, NewRecord};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2031-01-01 12:00 UTC);
const TTL: Duration = Duration::minutes(15);
const ORDER: Uuid = Uuid::from_u128(1 << 64);
const PRODUCT: Uuid = Uuid::from_u128(2 << 64);
const REFUND: Uuid = Uuid::from_u128(3 << 64);
const CUSTOMER: &str = "somebody";

fn money(amount: i64, currency: &str) -> Money {
    Money::new(amount, Currency::parse(currency).unwrap()).unwrap()
}

fn usd(amount: i64) -> Money {
    money(amount, "USD")
}

fn context(at: OffsetDateTime) -> Context {
    Context::new("order-service", Ids::Counted(0), Cause::own(at))
}

fn contact() -> Contact {
    Contact { email: Some("somebody@example.com".to_owned()), phone: None }
}

/// An order of 20.00 as it is in `status`, past its deadline.
fn order(status: Status) -> Order {
    let line = OrderLine {
        product_id: PRODUCT,
        sku: "SKU-1".to_owned(),
        name: "A thing".to_owned(),
        quantity: Quantity::new(2).unwrap(),
        unit_price: usd(1000),
        line_total: usd(2000),
    };
    let ended = |reason| Some(Cancel { stock_back: true, paid_back: true, ..Cancel::begun(reason) });
    let cancel = match status {
        Status::Cancelling => Some(Cancel::begun(CancelReason::Cancelled)),
        Status::Cancelled => ended(CancelReason::Cancelled),
        Status::Expired => ended(CancelReason::Expired),
        _ => None,
    };
    Order {
        id: ORDER,
        number: "0000-0000-0000".to_owned(),
        customer_id: CUSTOMER.to_owned(),
        status,
        lines: vec![line],
        total: usd(2000),
        contact: contact(),
        shipping_address: None,
        shipment: None,
        reason: None,
        cancel,
        expires_at: NOW,
        due_at: (status.awaits_payment() || status == Status::Cancelling).then_some(NOW),
        version: 1,
        trace: String::new(),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn seen(event: Seen) -> Command {
    Command::Event { order_id: ORDER, event }
}

fn rejected() -> Seen {
    Seen::StockRejected { reason: "out_of_stock".to_owned() }
}

fn captured(attempt: u32) -> Seen {
    Seen::Captured { attempt, amount: Some(usd(2000)) }
}

fn declined(attempt: u32) -> Seen {
    Seen::Declined { attempt, code: Some("card_declined".to_owned()) }
}

/// The answer to a cancel.
fn paid_back(all: bool) -> Seen {
    Seen::PaidBack { all, refund: None }
}

/// An admin's refund of 5.00, with which `all` or a part is paid back.
fn refunded(all: bool) -> Seen {
    let refund = AdminRefund { id: REFUND, amount: usd(500), reason: Some("late".to_owned()) };
    Seen::PaidBack { all, refund: Some(refund) }
}

fn cancel() -> Command {
    Command::Cancel { order_id: ORDER, by: customer(), reason: Some("changed my mind".to_owned()) }
}

fn ship() -> Command {
    let shipment = Shipment { carrier: "Parcel Post".to_owned(), tracking_number: "PP-1".to_owned() };
    Command::Ship { order_id: ORDER, by: admin(), shipment }
}

fn deliver() -> Command {
    Command::Deliver { order_id: ORDER, by: admin() }
}

fn due() -> Command {
    Command::Due { order_id: ORDER }
}

fn customer() -> By {
    By { subject: CUSTOMER.to_owned(), admin: false }
}

fn admin() -> By {
    By { subject: "an admin".to_owned(), admin: true }
}

/// One order, and what became of it.
struct World {
    set: Set,
    cx: Context,
}

impl World {
    fn with(order: Order) -> Self {
        Self { set: Set { orders: Rows::loaded([(order.id, order)]), ..Set::default() }, cx: context(NOW) }
    }

    fn of(status: Status) -> Self {
        Self::with(order(status))
    }

    fn apply(&mut self, command: &Command) -> Reply {
        apply(TTL, &mut self.set, command, &mut self.cx).unwrap()
    }

    fn see(&mut self, event: Seen) -> Status {
        self.apply(&seen(event));
        self.order().status
    }

    fn order(&self) -> &Order {
        self.set.orders.get(&ORDER).unwrap()
    }

    /// The types of what was emitted since the last call; of a message its template.
    fn told(&mut self) -> Vec<String> {
        self.cx.take_records().iter().map(name).collect()
    }
}

fn name(record: &NewRecord) -> String {
    match message(record) {
        Some(message) => message.template.as_str().to_owned(),
        None => record.event_type.to_owned(),
    }
}

fn message(record: &NewRecord) -> Option<NotificationRequested> {
    (record.event_type == "notification.send.v1").then(|| decode(Some(record.value.as_bytes())).unwrap().event.unwrap())
}
