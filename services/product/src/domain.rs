//! The catalogue: what can be ordered, and at what price. Pure.

pub mod demo;
mod product;
#[cfg(test)]
mod tests;

pub use product::{Changes, NewProduct, Product};

use common::events::ProductStatus;
use engine::{Poison, Rows};
use std::collections::HashMap;
use uuid::Uuid;

pub type Context = engine::Context<Fresh>;

/// The rows that a batch works on.
#[derive(Debug, Clone, Default)]
pub struct Set {
    pub products: Rows<Uuid, Product>,
    /// Whose the skus are that the batch's new products want.
    pub skus: HashMap<String, Uuid>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Create(NewProduct),
    /// A product of the demo catalogue: made once.
    Seed(NewProduct),
    /// `versions`: those that it may be changed from; `None` is any.
    Change {
        id: Uuid,
        versions: Option<Vec<i64>>,
        changes: Changes,
    },
    Archive {
        id: Uuid,
    },
    /// By inventory.
    StockChanged {
        id: Uuid,
        stock_version: i64,
        available: i64,
    },
    /// A record of the service's own topic: the last one of a product has to be the newest.
    Published {
        id: Uuid,
        version: i64,
    },
}

/// The effect of every change: the cache gets the product as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh(pub Box<Product>);

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An event is dealt with.
    Done,
    Created(Box<Product>),
    Changed(Box<Product>),
    Archived(Box<Product>),
    Refused(Refusal),
}

/// Why a request is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    ProductNotFound,
    SkuTaken,
    /// It has changed since it was read.
    Stale,
}

impl Command {
    #[must_use]
    pub fn id(&self) -> Uuid {
        match self {
            Self::Create(new) | Self::Seed(new) => new.id,
            Self::Change { id, .. }
            | Self::Archive { id }
            | Self::StockChanged { id, .. }
            | Self::Published { id, .. } => *id,
        }
    }

    /// The sku that has to be free.
    #[must_use]
    pub fn sku(&self) -> Option<&str> {
        match self {
            Self::Create(new) | Self::Seed(new) => Some(&new.sku),
            _ => None,
        }
    }
}

/// Applies one command.
///
/// # Errors
/// None: nothing that can be read contradicts a product.
pub fn apply(set: &mut Set, command: &Command, cx: &mut Context) -> Result<Reply, Poison> {
    Ok(match command {
        Command::Create(new) => create(set, new, cx),
        Command::Seed(new) => {
            create(set, new, cx);
            Reply::Done
        }
        Command::Change { id, versions, changes } => change(set, *id, versions.as_deref(), changes, cx),
        Command::Archive { id } => archive(set, *id, cx),
        Command::StockChanged { id, stock_version, available } => {
            stock_changed(set, *id, *stock_version, *available, cx);
            Reply::Done
        }
        Command::Published { id, version } => {
            published(set, *id, *version, cx);
            Reply::Done
        }
    })
}

fn create(set: &mut Set, new: &NewProduct, cx: &mut Context) -> Reply {
    if set.skus.contains_key(&new.sku) || set.products.get(&new.id).is_some() {
        return Reply::Refused(Refusal::SkuTaken);
    }
    let product = Product::new(new, cx.now());
    set.skus.insert(product.sku.clone(), product.id);
    tell(set, product.clone(), cx);
    Reply::Created(Box::new(product))
}

fn change(set: &mut Set, id: Uuid, versions: Option<&[i64]>, changes: &Changes, cx: &mut Context) -> Reply {
    let Some(known) = set.products.get(&id) else { return Reply::Refused(Refusal::ProductNotFound) };
    if versions.is_some_and(|versions| !versions.contains(&known.version)) {
        return Reply::Refused(Refusal::Stale);
    }
    let product = known.changed(changes, cx.now());
    if product != *known {
        tell(set, product.clone(), cx);
    }
    Reply::Changed(Box::new(product))
}

fn archive(set: &mut Set, id: Uuid, cx: &mut Context) -> Reply {
    let archived = Changes { status: Some(ProductStatus::Archived), ..Changes::default() };
    match change(set, id, None, &archived, cx) {
        Reply::Changed(product) => Reply::Archived(product),
        other => other,
    }
}

/// Keeps a new version, and tells the others.
fn tell(set: &mut Set, product: Product, cx: &mut Context) {
    cx.emit(product.version, &product.event());
    keep(set, product, cx);
}

fn keep(set: &mut Set, product: Product, cx: &mut Context) {
    cx.effect(Fresh(Box::new(product.clone())));
    set.products.put(product.id, product);
}

fn stock_changed(set: &mut Set, id: Uuid, stock_version: i64, available: i64, cx: &mut Context) {
    match set.products.get(&id) {
        Some(known) if known.stock_version < stock_version => {
            let product = Product { available, stock_version, ..known.clone() };
            keep(set, product, cx);
        }
        Some(_) => cx.ignore("stock is known as new as this"),
        None => cx.ignore("stock of a product that is not known"),
    }
}

/// Compaction keeps the last record of a product: where that is an older one, the newest follows it, which ends this.
fn published(set: &mut Set, id: Uuid, version: i64, cx: &mut Context) {
    match set.products.get(&id) {
        Some(known) if version < known.version => cx.emit_folded(known.version, &known.event()),
        _ => cx.ignore("the newest version, in its own topic"),
    }
}
