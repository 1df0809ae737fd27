//! `/v1/inventory/{productId}/adjustments` and `/movements`: the books of a product.

use super::{App, stock_not_found};
use crate::domain::{self, Adjustment, Command, Kind, MAX_ON_HAND};
use crate::store::reads;
use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};
use service_kit::auth::Admin;
use service_kit::http::rules::line;
use service_kit::{Answered, Incoming, Nothing, Page, Paging, PagingParams, Path, Problem, Query, db, submit};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

const MAX_REASON: usize = 200;

/// An entry in the books. On hand and reserved are each the sum of what they moved by.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Movement {
    id: Uuid,
    product_id: Uuid,
    kind: Kind,
    #[schema(example = 50)]
    delta_on_hand: i64,
    #[schema(example = 0)]
    delta_reserved: i64,
    /// Of all kinds but `adjust`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "delivery 4711")]
    reason: Option<String>,
    /// The `sub` of the admin's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    actor: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

impl From<domain::Movement> for Movement {
    fn from(movement: domain::Movement) -> Self {
        let domain::Movement { id, product_id, kind, delta_on_hand, delta_reserved, order_id, reason, actor, at } =
            movement;
        Self { id, product_id, kind, delta_on_hand, delta_reserved, order_id, reason, actor, at }
    }
}

/// Pieces that came, or went.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewAdjustment {
    /// How many came; below zero: how many went. Never zero.
    #[garde(range(min = -MAX_ON_HAND, max = MAX_ON_HAND), custom(not_zero))]
    #[schema(example = 50)]
    delta: i64,
    #[garde(custom(line(MAX_REASON)))]
    #[schema(example = "delivery 4711", min_length = 1, max_length = 200)]
    reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde asks for this shape")]
fn not_zero(delta: &i64, (): &()) -> garde::Result {
    if *delta == 0 { Err(garde::Error::new("must not be zero")) } else { Ok(()) }
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(adjust)).routes(routes!(list))
}

/// Adjust the stock of a product
///
/// 409 `stock_would_go_negative` where less would be on hand than orders hold.
#[utoipa::path(post, path = "/v1/inventory/{productId}/adjustments", operation_id = "adjustStock", tag = "inventory",
    params(("productId" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, max_length = 255)),
    request_body = NewAdjustment, responses((status = 201, body = Movement)),
    security(("bearer" = []), ("password" = [])))]
async fn adjust(
    State(app): State<App>,
    admin: Admin,
    Path(product_id): Path<Uuid>,
    new: Incoming<NewAdjustment>,
) -> Result<Answered, Problem> {
    let (NewAdjustment { delta, reason }, ticket) = new.by(admin.subject());
    let actor = admin.subject().to_owned();
    submit(&app.writer, ticket, Command::Adjust(Adjustment { product_id, delta, reason, actor })).await
}

/// All movements of a product, newest first
#[utoipa::path(get, path = "/v1/inventory/{productId}/movements", operation_id = "listMovements", tag = "inventory",
    params(("productId" = Uuid, Path), PagingParams), responses((status = 200, body = Page<Movement>)),
    security(("bearer" = []), ("password" = [])))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Path(product_id): Path<Uuid>,
    paging: Paging<Uuid>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Page<Movement>, Problem> {
    let read = reads::movements_page(&app.pool, product_id, paging.after, paging.sql_limit());
    let movements = db::bounded(read).await?;
    if movements.is_empty() && db::bounded(reads::stock(&app.pool, product_id)).await?.is_none() {
        return Err(stock_not_found());
    }
    Ok(Page::new(&paging, movements, |movement| movement.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adjustment_moves_something_and_says_why() {
        let valid = |delta, reason: &str| NewAdjustment { delta, reason: reason.to_owned() }.validate().is_ok();
        assert!(valid(1, "x") && valid(-MAX_ON_HAND, "x") && valid(MAX_ON_HAND, &"x".repeat(MAX_REASON)));
        assert!(!valid(0, "x") && !valid(MAX_ON_HAND + 1, "x") && !valid(i64::MIN, "x"));
        assert!(!valid(1, "") && !valid(1, " ") && !valid(1, "a\nb") && !valid(1, &"x".repeat(MAX_REASON + 1)));
    }
}
