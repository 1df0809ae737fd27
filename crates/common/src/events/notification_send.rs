//! `notification.send`: what a customer is to be told, keyed by the order's id.

use super::{Contact, NOTIFICATION_SEND, Topic, TopicEvent};
use crate::money::Money;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `notification.send.v1`: one message for each channel of `contact`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationRequested {
    pub order_id: Uuid,
    pub order_number: String,
    pub customer_id: String,
    /// The number of the timeline's row that it tells of: with order and channel, the notification's key.
    pub timeline_sequence: i32,
    pub template: Template,
    pub contact: Contact,
    pub vars: NotificationVars,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    OrderPlaced,
    OrderConfirmed,
    PaymentFailed,
    OrderRejected,
    OrderCancelled,
    OrderExpired,
    OrderShipped,
    OrderDelivered,
    OrderRefunded,
}

impl Template {
    pub const ALL: [Self; 9] = [
        Self::OrderPlaced,
        Self::OrderConfirmed,
        Self::PaymentFailed,
        Self::OrderRejected,
        Self::OrderCancelled,
        Self::OrderExpired,
        Self::OrderShipped,
        Self::OrderDelivered,
        Self::OrderRefunded,
    ];

    /// As in JSON and SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderPlaced => "order_placed",
            Self::OrderConfirmed => "order_confirmed",
            Self::PaymentFailed => "payment_failed",
            Self::OrderRejected => "order_rejected",
            Self::OrderCancelled => "order_cancelled",
            Self::OrderExpired => "order_expired",
            Self::OrderShipped => "order_shipped",
            Self::OrderDelivered => "order_delivered",
            Self::OrderRefunded => "order_refunded",
        }
    }

    /// The opposite of [`Template::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.as_str() == text)
    }
}

/// What the templates may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationVars {
    /// The order's total; of `order_refunded`, what was paid back.
    pub total: Money,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<NotificationLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationLine {
    pub name: String,
    pub quantity: u32,
    pub line_total: Money,
}

impl TopicEvent for NotificationRequested {
    fn topic() -> &'static Topic {
        &NOTIFICATION_SEND
    }

    fn event_type(&self) -> &'static str {
        "notification.send.v1"
    }

    fn key(&self) -> Uuid {
        self.order_id
    }

    fn from_data(event_type: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        match event_type {
            "notification.send.v1" => serde_json::from_str(data).map(Some),
            _ => Ok(None),
        }
    }
}
