//! `/v1/inventory`: what is in stock.

use super::{App, stock_not_found};
use crate::domain;
use crate::store::reads;
use axum::extract::State;
use axum::response::Response;
use common::quantity::Quantity;
use garde::Validate;
use serde::{Deserialize, Serialize};
use service_kit::auth::{Admin, Caller};
use service_kit::http::etag::{etag, respond};
use service_kit::{IfNoneMatch, Json, Page, Paging, PagingParams, Path, Problem, Query, db};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// The stock of a product.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stock {
    product_id: Uuid,
    #[schema(example = "MUG-BLUE")]
    sku: String,
    #[schema(example = "Blue mug")]
    name: String,
    /// Pieces in the house.
    #[schema(example = 1000, minimum = 0)]
    on_hand: i64,
    /// The part of them that orders hold.
    #[schema(example = 12, minimum = 0)]
    reserved: i64,
    /// The part that can still be ordered.
    #[schema(example = 988, minimum = 0)]
    available: i64,
    #[schema(example = 13, minimum = 1)]
    version: i64,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl From<domain::Stock> for Stock {
    fn from(stock: domain::Stock) -> Self {
        let available = stock.available();
        let domain::Stock { product_id, sku, name, on_hand, reserved, version, updated_at, .. } = stock;
        Self { product_id, sku, name, on_hand, reserved, available, version, updated_at }
    }
}

#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    #[garde(skip)]
    product_id: Uuid,
    #[garde(skip)]
    quantity: Quantity,
}

/// Whether so many pieces could be ordered now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Availability {
    product_id: Uuid,
    quantity: Quantity,
    available: bool,
}

#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only products of which fewer pieces are available.
    #[garde(skip)]
    below_available: Option<i64>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(check)).routes(routes!(list)).routes(routes!(read))
}

/// Is there enough of a product?
///
/// Of the moment only: an order holds what it gets when it is placed.
#[utoipa::path(get, path = "/v1/inventory/check", operation_id = "checkStock", tag = "inventory", params(Wanted),
    responses((status = 200, body = Availability)), security(("bearer" = []), ("password" = [])))]
async fn check(State(app): State<App>, _: Caller, Query(wanted): Query<Wanted>) -> Result<Json<Availability>, Problem> {
    let Wanted { product_id, quantity } = wanted;
    let pieces = db::bounded(reads::available(&app.pool, product_id)).await?;
    Ok(Json(Availability { product_id, quantity, available: pieces >= i64::from(quantity.get()) }))
}

/// All stock, in the order of the products' ids
#[utoipa::path(get, path = "/v1/inventory", operation_id = "listStock", tag = "inventory", params(PagingParams, Filter),
    responses((status = 200, body = Page<Stock>)), security(("bearer" = []), ("password" = [])))]
async fn list(
    State(app): State<App>,
    _: Admin,
    paging: Paging<Uuid>,
    Query(filter): Query<Filter>,
) -> Result<Page<Stock>, Problem> {
    let read = reads::stock_page(&app.pool, filter.below_available, paging.after, paging.sql_limit());
    Ok(Page::new(&paging, db::bounded(read).await?, |stock| stock.product_id))
}

/// The stock of one product
#[utoipa::path(get, path = "/v1/inventory/{productId}", operation_id = "getStock", tag = "inventory", params(("productId" = Uuid, Path)),
    responses((status = 200, body = Stock), (status = 304, description = "`If-None-Match` names this version")),
    security(("bearer" = []), ("password" = [])))]
async fn read(
    State(app): State<App>,
    _: Admin,
    Path(product_id): Path<Uuid>,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let stock = db::bounded(reads::stock(&app.pool, product_id)).await?.ok_or_else(stock_not_found)?;
    Ok(respond(&if_none_match, etag(stock.version), Stock::from(stock)))
}
