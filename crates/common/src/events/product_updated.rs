//! `product.updated`: the whole product as it is now, keyed by its id; the topic is compacted.

use super::{PRODUCT_UPDATED, Topic, TopicEvent};
use crate::money::Money;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// `product.updated.v1`. Readers keep the highest `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductUpdated {
    pub product_id: Uuid,
    pub version: i64,
    pub sku: String,
    pub name: String,
    #[serde(default)]
    pub description: String,
    pub category: String,
    pub price: Money,
    pub status: ProductStatus,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProductStatus {
    Active,
    /// Can't be ordered and is not listed.
    Archived,
}

impl ProductStatus {
    /// As in JSON and SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }

    /// The opposite of [`ProductStatus::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Archived].into_iter().find(|status| status.as_str() == text)
    }
}

impl TopicEvent for ProductUpdated {
    fn topic() -> &'static Topic {
        &PRODUCT_UPDATED
    }

    fn event_type(&self) -> &'static str {
        "product.updated.v1"
    }

    fn key(&self) -> Uuid {
        self.product_id
    }

    fn from_data(event_type: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        match event_type {
            "product.updated.v1" => serde_json::from_str(data).map(Some),
            _ => Ok(None),
        }
    }
}
