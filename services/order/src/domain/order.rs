//! The rows: an order, its timeline, and what can be ordered.

use common::events::{CancelReason, Contact, OrderLine};
use common::money::Money;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    pub id: Uuid,
    pub number: String,
    /// The `sub` of the customer's token.
    pub customer_id: String,
    pub status: Status,
    pub lines: Vec<OrderLine>,
    pub total: Money,
    pub contact: Contact,
    pub shipping_address: Option<Address>,
    pub shipment: Option<Shipment>,
    /// What people are told of why it ended.
    pub reason: Option<String>,
    /// From the moment of its cancel on.
    pub cancel: Option<Cancel>,
    pub expires_at: OffsetDateTime,
    /// When a timer has to look at it: its deadline, or the next time that the cancel is sent.
    pub due_at: Option<OffsetDateTime>,
    /// Grows with every row of the timeline, whose number it is.
    pub version: i64,
    /// The traceparent of the request that placed it.
    pub trace: String,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// Who has answered a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cancel {
    pub reason: CancelReason,
    pub stock_back: bool,
    pub paid_back: bool,
    /// How often it was sent.
    pub sent: i32,
}

impl Cancel {
    #[must_use]
    pub fn begun(reason: CancelReason) -> Self {
        Self { reason, stock_back: false, paid_back: false, sent: 1 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Pending,
    Reserved,
    Confirmed,
    Shipped,
    Delivered,
    Rejected,
    PaymentFailed,
    Cancelling,
    Cancelled,
    Expired,
}

impl Status {
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Reserved,
        Self::Confirmed,
        Self::Shipped,
        Self::Delivered,
        Self::Rejected,
        Self::PaymentFailed,
        Self::Cancelling,
        Self::Cancelled,
        Self::Expired,
    ];

    /// As in JSON and SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::PaymentFailed => "payment_failed",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The opposite of [`Status::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether the order still waits for its payment, so that the deadline may strike.
    #[must_use]
    pub fn awaits_payment(self) -> bool {
        matches!(self, Self::Pending | Self::Reserved | Self::PaymentFailed)
    }
}

/// Where the goods go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, garde::Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Address {
    #[garde(custom(required_line))]
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    #[garde(custom(required_line))]
    #[schema(min_length = 1, max_length = 200)]
    pub street: String,
    #[garde(custom(required_line))]
    #[schema(min_length = 1, max_length = 200)]
    pub city: String,
    #[garde(custom(required_line))]
    #[schema(min_length = 1, max_length = 200)]
    pub postal_code: String,
    /// ISO 3166-1 alpha-2, or the country's name.
    #[garde(custom(required_line))]
    #[schema(min_length = 1, max_length = 200, example = "DE")]
    pub country: String,
}

fn required_line(text: &str, (): &()) -> garde::Result {
    common::text::check_line(text, 200).map_err(garde::Error::new)
}

/// How the goods travel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shipment {
    pub carrier: String,
    pub tracking_number: String,
}

/// One row of an order's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineRow {
    pub order_id: Uuid,
    /// The order's version after it.
    pub sequence: i64,
    pub from: Option<Status>,
    /// The same as `from`, where only something was entered.
    pub to: Status,
    /// A business key, unique within the order.
    pub cause: String,
    pub actor: String,
    pub reason: Option<String>,
    /// The event that brought it.
    pub event_id: Option<Uuid>,
    pub trace_id: String,
    pub at: OffsetDateTime,
}

/// A product as orders see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueItem {
    pub product_id: Uuid,
    /// The highest one counts.
    pub version: i64,
    pub sku: String,
    pub name: String,
    pub price: Money,
    pub orderable: bool,
}
