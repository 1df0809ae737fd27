//! The row, and the parts of it that people change.

use common::events::{ProductStatus, ProductUpdated};
use common::money::Money;
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    pub id: Uuid,
    pub sku: String,
    pub name: String,
    pub description: String,
    pub category: String,
    pub price: Money,
    pub status: ProductStatus,
    /// Grows with every change that an admin makes.
    pub version: i64,
    /// Pieces that can be ordered, as inventory told last.
    pub available: i64,
    /// The version of inventory's row that this is of: the highest one counts.
    pub stock_version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// A product that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    pub id: Uuid,
    pub sku: String,
    pub name: String,
    pub description: String,
    pub category: String,
    pub price: Money,
}

/// What is to be another; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub name: Option<String>,
    pub description: Option<String>,
    pub category: Option<String>,
    pub price: Option<Money>,
    pub status: Option<ProductStatus>,
}

impl Product {
    /// Its first version, of which there is no stock yet.
    #[must_use]
    pub fn new(new: &NewProduct, at: OffsetDateTime) -> Self {
        let NewProduct { id, sku, name, description, category, price } = new.clone();
        Self {
            id,
            sku,
            name,
            description,
            category,
            price,
            status: ProductStatus::Active,
            version: 1,
            available: 0,
            stock_version: 0,
            created_at: at,
            updated_at: at,
        }
    }

    /// The next version; the same one where nothing is another.
    #[must_use]
    pub fn changed(&self, changes: &Changes, at: OffsetDateTime) -> Self {
        let changes = changes.clone();
        let next = Self {
            name: changes.name.unwrap_or_else(|| self.name.clone()),
            description: changes.description.unwrap_or_else(|| self.description.clone()),
            category: changes.category.unwrap_or_else(|| self.category.clone()),
            price: changes.price.unwrap_or(self.price),
            status: changes.status.unwrap_or(self.status),
            ..self.clone()
        };
        if next == *self { next } else { Self { version: self.version + 1, updated_at: at, ..next } }
    }

    /// As the other services are told of it.
    #[must_use]
    pub fn event(&self) -> ProductUpdated {
        ProductUpdated {
            product_id: self.id,
            version: self.version,
            sku: self.sku.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            category: self.category.clone(),
            price: self.price,
            status: self.status,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
