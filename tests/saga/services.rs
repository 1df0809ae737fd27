//! The three services: what they make of an input in a state. The domains are pure, so each pair is worked out once.

use crate::domains::{CUSTOMER, NOW, ORDER, Told, inventory as stock, order as orders, payment as payments};
use crate::interned::{CallId, Interned, OrderId, PaymentId, RecordId, StockId};
use crate::provider::{self, Answer};
use crate::rules::{self, Rule};
use crate::topics::{Record, TOPICS};
use engine::{NewRecord, Subscription};
use hashbrown::HashMap;
use order::domain::Shipment;
use payment::domain::Effect;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// What reaches a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    Record(RecordId),
    /// Its timer strikes, exactly when it is due.
    Due,
    Cancel,
    Ship,
    PayAgain,
    Refund(u8),
    Answer(CallId, Answer),
    CapturedAfterAll(u8),
}

/// What a service makes of an input.
#[derive(Debug)]
pub(crate) struct Outcome<Id> {
    pub(crate) row: Id,
    pub(crate) records: Vec<RecordId>,
    pub(crate) calls: Vec<CallId>,
}

impl<Id: Copy + PartialEq> Outcome<Id> {
    pub(crate) fn is_nothing_to(&self, row: Id) -> bool {
        self.row == row && self.records.is_empty() && self.calls.is_empty()
    }
}

pub(crate) type Outcomes<Id> = HashMap<(Id, Input), Result<Rc<Outcome<Id>>, String>>;

pub(crate) struct Services {
    broken: Option<Rule>,
    pub(crate) records: Interned<Record>,
    pub(crate) calls: Interned<Effect>,
    pub(crate) orders: Interned<orders::Row>,
    pub(crate) stocks: Interned<stock::Row>,
    pub(crate) payments: Interned<payments::Row>,
    pub(crate) of_order: Outcomes<OrderId>,
    pub(crate) of_inventory: Outcomes<StockId>,
    pub(crate) of_payment: Outcomes<PaymentId>,
    order_reads: Vec<Subscription<order::domain::Command>>,
    inventory_reads: Vec<Subscription<inventory::domain::Command>>,
    payment_reads: Vec<Subscription<payment::domain::Command>>,
}

impl Services {
    pub(crate) fn new(broken: Option<Rule>) -> Self {
        Self {
            broken,
            records: Interned::default(),
            calls: Interned::default(),
            orders: Interned::default(),
            stocks: Interned::default(),
            payments: Interned::default(),
            of_order: HashMap::new(),
            of_inventory: HashMap::new(),
            of_payment: HashMap::new(),
            order_reads: order::kafka::subscriptions(),
            inventory_reads: inventory::kafka::subscriptions(),
            payment_reads: payment::kafka::subscriptions(),
        }
    }

    /// A new order, and the records that tell of it.
    pub(crate) fn place(&mut self) -> (OrderId, Vec<RecordId>) {
        let (row, told) = orders::place();
        (self.orders.id(row), self.published(told.records))
    }

    /// How many pairs of state and input were worked out.
    pub(crate) fn applied(&self) -> usize {
        self.of_order.len() + self.of_inventory.len() + self.of_payment.len()
    }

    /// # Errors
    /// The event is poison, `apply` panics, or the rows are wrong.
    pub(crate) fn order(&mut self, id: OrderId, input: Input) -> Result<Rc<Outcome<OrderId>>, String> {
        use order::domain::{By, Command};
        if let Some(known) = self.of_order.get(&(id, input)) {
            return known.clone();
        }
        let mut row = self.orders.get(id).clone();
        let by = |subject: &str, admin| By { subject: subject.to_owned(), admin };
        let command = match input {
            Input::Record(record) => read(&self.order_reads, self.records.get(record)),
            Input::Due => Ok(Some(Command::Due { order_id: ORDER })),
            Input::Cancel => Ok(Some(Command::Cancel { order_id: ORDER, by: by(CUSTOMER, false), reason: None })),
            Input::Ship => {
                let shipment = Shipment { carrier: "Parcel Post".to_owned(), tracking_number: "PP-1".to_owned() };
                Ok(Some(Command::Ship { order_id: ORDER, by: by("an admin", true), shipment }))
            }
            Input::PayAgain | Input::Refund(_) | Input::Answer(..) | Input::CapturedAfterAll(_) => Ok(None),
        };
        let at = if input == Input::Due { orders::due_at(&row) } else { NOW };
        let told = command.and_then(|command| match command {
            Some(command) => caught(|| rules::order(self.broken, &mut row, &command, at)),
            None => Ok(Told::<Infallible>::nothing()),
        });
        let outcome = told.map(|told| {
            Rc::new(Outcome { row: self.orders.id(row), records: self.published(told.records), calls: Vec::new() })
        });
        self.of_order.insert((id, input), outcome.clone());
        outcome
    }

    /// # Errors
    /// As [`Services::order`].
    pub(crate) fn inventory(&mut self, id: StockId, input: Input) -> Result<Rc<Outcome<StockId>>, String> {
        if let Some(known) = self.of_inventory.get(&(id, input)) {
            return known.clone();
        }
        let mut row = self.stocks.get(id).clone();
        let command = match input {
            Input::Record(record) => read(&self.inventory_reads, self.records.get(record)),
            _ => Ok(None),
        };
        let told = command.and_then(|command| match command {
            Some(command) => caught(|| rules::inventory(self.broken, &mut row, &command)),
            None => Ok(Told::nothing()),
        });
        let outcome = told.map(|told| {
            Rc::new(Outcome { row: self.stocks.id(row), records: self.published(told.records), calls: Vec::new() })
        });
        self.of_inventory.insert((id, input), outcome.clone());
        outcome
    }

    /// # Errors
    /// As [`Services::order`].
    pub(crate) fn payment(&mut self, id: PaymentId, input: Input) -> Result<Rc<Outcome<PaymentId>>, String> {
        use payment::domain::{By, Command};
        if let Some(known) = self.of_payment.get(&(id, input)) {
            return known.clone();
        }
        let mut row = self.payments.get(id).clone();
        let command = match input {
            Input::Record(record) => read(&self.payment_reads, self.records.get(record)),
            Input::Due => Ok(Some(Command::CallDue { order_id: ORDER })),
            Input::PayAgain => Ok(Some(Command::Process {
                order_id: ORDER,
                by: By { subject: CUSTOMER.to_owned(), admin: false },
                payment_method: "pm_card_mastercard".to_owned(),
            })),
            Input::Refund(minor) => Ok(Some(Command::Refund {
                order_id: ORDER,
                amount: payments::payment(&row).map(|payment| payment.money(minor.into())),
                reason: None,
            })),
            Input::Answer(call, answer) => Ok(Some(provider::answered(self.calls.get(call), answer))),
            Input::CapturedAfterAll(attempt) => Ok(Some(provider::captured_after_all(attempt))),
            Input::Cancel | Input::Ship => Ok(None),
        };
        let at = if input == Input::Due { payments::due_at(&row) } else { NOW };
        let told = command.and_then(|command| match command {
            Some(command) => caught(|| Ok(rules::payment(self.broken, &mut row, &command, at))),
            None => Ok(Told::nothing()),
        });
        let outcome = told.map(|told| {
            let calls = told.effects.into_iter().map(|effect| self.calls.id(effect)).collect();
            Rc::new(Outcome { row: self.payments.id(row), records: self.published(told.records), calls })
        });
        self.of_payment.insert((id, input), outcome.clone());
        outcome
    }

    fn published(&mut self, records: Vec<NewRecord>) -> Vec<RecordId> {
        records.into_iter().filter_map(Record::of).map(|record| self.records.id(record)).collect()
    }
}

/// What the service's own reader makes of a record.
fn read<C>(subscriptions: &[Subscription<C>], record: &Record) -> Result<Option<C>, String> {
    let subscription = subscriptions.iter().find(|subscription| subscription.topic == TOPICS[record.topic]);
    let subscription = subscription.ok_or_else(|| format!("nobody here reads {}", TOPICS[record.topic].name))?;
    let parsed = (subscription.read)(Some(record.value.as_bytes()));
    parsed.map(|parsed| parsed.command).map_err(|unreadable| unreadable.to_string())
}

fn caught<T>(apply: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(apply)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(format!("apply panics: {}", text.unwrap_or_default()))
    })
}
