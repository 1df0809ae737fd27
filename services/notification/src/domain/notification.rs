//! The row: one message to one customer in one channel.

use common::events::Template;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub id: Uuid,
    pub order_id: Uuid,
    /// The `sub` of the customer's token.
    pub customer_id: String,
    /// The number of the timeline's row that it tells of.
    pub timeline_sequence: i32,
    pub channel: Channel,
    pub template: Template,
    pub recipient: String,
    pub subject: Option<String>,
    pub body: String,
    pub html: Option<String>,
    pub status: Status,
    /// Those that were begun.
    pub attempts: i32,
    pub last_error: Option<String>,
    /// The end of the lease of an attempt under way, or the time of the next one.
    pub due_at: Option<OffsetDateTime>,
    /// The traceparent of the event that asked for it.
    pub trace: String,
    pub created_at: OffsetDateTime,
    pub sent_at: Option<OffsetDateTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    Sms,
}

impl Channel {
    /// As in JSON and SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }

    /// The opposite of [`Channel::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Email, Self::Sms].into_iter().find(|channel| channel.as_str() == text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Queued,
    Sent,
    Failed,
}

impl Status {
    pub const ALL: [Self; 3] = [Self::Queued, Self::Sent, Self::Failed];

    /// As in JSON and SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }

    /// The opposite of [`Status::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}
