//! From what a customer wants to an order, or to the reasons why not.

use super::{CatalogueItem, Order, Placement, Refusal, Status, WantedLine};
use common::events::OrderLine;
use common::ids::order_number;
use common::money::Money;
use engine::Rows;
use std::collections::HashSet;
use time::OffsetDateTime;
use uuid::Uuid;

/// Prices come from the catalogue, never from the client.
pub(super) fn order(
    placement: &Placement,
    catalogue: &Rows<Uuid, CatalogueItem>,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
    trace: String,
) -> Result<Order, Refusal> {
    let items = items(&placement.lines, catalogue)?;
    let lines = placement
        .lines
        .iter()
        .zip(items)
        .map(|(wanted, item)| line(wanted, item))
        .collect::<Result<Vec<OrderLine>, Refusal>>()?;
    Ok(Order {
        id: placement.order_id,
        number: order_number(placement.order_id),
        customer_id: placement.customer_id.clone(),
        status: Status::Pending,
        total: total(&lines)?,
        lines,
        contact: placement.contact.clone(),
        shipping_address: placement.shipping_address.clone(),
        shipment: None,
        reason: None,
        cancel: None,
        expires_at,
        due_at: Some(expires_at),
        version: 1,
        trace,
        created_at: now,
        updated_at: now,
    })
}

/// What the lines name, each once, all of one currency.
fn items<'a>(
    lines: &[WantedLine],
    catalogue: &'a Rows<Uuid, CatalogueItem>,
) -> Result<Vec<&'a CatalogueItem>, Refusal> {
    let mut seen = HashSet::new();
    let twice: Vec<usize> = (0..lines.len()).filter(|at| !seen.insert(lines[*at].product_id)).collect();
    if !twice.is_empty() {
        return Err(Refusal::DuplicateLine { lines: twice });
    }
    let found: Vec<Option<&CatalogueItem>> =
        lines.iter().map(|line| catalogue.get(&line.product_id).filter(|item| item.orderable)).collect();
    let missing: Vec<usize> = (0..found.len()).filter(|at| found[*at].is_none()).collect();
    if !missing.is_empty() {
        return Err(Refusal::NotOrderable { lines: missing });
    }
    let items: Vec<&CatalogueItem> = found.into_iter().flatten().collect();
    let currency = items.first().map(|item| item.price.currency());
    let others: Vec<usize> = (0..items.len()).filter(|at| Some(items[*at].price.currency()) != currency).collect();
    if !others.is_empty() {
        return Err(Refusal::MixedCurrencies { lines: others });
    }
    Ok(items)
}

fn line(wanted: &WantedLine, item: &CatalogueItem) -> Result<OrderLine, Refusal> {
    Ok(OrderLine {
        product_id: item.product_id,
        sku: item.sku.clone(),
        name: item.name.clone(),
        quantity: wanted.quantity,
        unit_price: item.price,
        line_total: item.price.times(wanted.quantity).map_err(|_| Refusal::TotalTooLarge)?,
    })
}

fn total(lines: &[OrderLine]) -> Result<Money, Refusal> {
    let (first, rest) = lines.split_first().ok_or(Refusal::NoLines)?;
    rest.iter().try_fold(first.line_total, |sum, line| sum.plus(line.line_total)).map_err(|_| Refusal::TotalTooLarge)
}
