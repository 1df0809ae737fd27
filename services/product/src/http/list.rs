//! `/v1/products`: the catalogue, searched and sorted.

use super::App;
use super::products::Product;
use crate::domain;
use crate::store::reads::{self, Wanted};
use axum::extract::State;
use common::events::ProductStatus;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use service_kit::auth::MaybeCaller;
use service_kit::{Page, Paging, PagingParams, Problem, Query, db};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
enum Sort {
    #[default]
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "price")]
    Price,
    #[serde(rename = "-price")]
    PriceDescending,
    #[serde(rename = "-createdAt")]
    Newest,
}

/// The last product of a page, as the order of the list sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase")]
enum Place {
    Name { name: String, id: Uuid },
    Price { price: i64, id: Uuid },
    Age { at: OffsetDateTime, id: Uuid },
}

#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Anywhere in name, description or sku, in any case.
    #[garde(length(chars, min = 1, max = 200))]
    q: Option<String>,
    #[garde(length(chars, min = 1, max = 64))]
    category: Option<String>,
    #[garde(skip)]
    in_stock: Option<bool>,
    #[garde(skip)]
    #[serde(default)]
    #[param(inline, example = "name")]
    sort: Sort,
    /// For admins: `archived` lists what can't be ordered any more.
    #[garde(skip)]
    status: Option<ProductStatus>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The catalogue
#[utoipa::path(get, path = "/v1/products", operation_id = "listProducts", tag = "products",
    params(PagingParams, Filter), responses((status = 200, body = Page<Product>)), security(()))]
async fn list(
    State(app): State<App>,
    caller: MaybeCaller,
    paging: Paging<Place>,
    Query(filter): Query<Filter>,
) -> Result<Page<Product>, Problem> {
    let Filter { q, category, in_stock, sort, status } = filter;
    if status.is_some() && !caller.is_admin() {
        return Err(Problem::forbidden());
    }
    let wanted = Wanted { status: status.unwrap_or(ProductStatus::Active), text: q, category, in_stock };
    let (pool, limit, after) = (&app.pool, paging.sql_limit(), paging.after.clone());
    let products = match (sort, after) {
        (Sort::Name, None) => db::bounded(reads::by_name(pool, &wanted, None, limit)).await,
        (Sort::Name, Some(Place::Name { name, id })) => {
            db::bounded(reads::by_name(pool, &wanted, Some((name, id)), limit)).await
        }
        (Sort::Price, None) => db::bounded(reads::by_price(pool, &wanted, None, limit)).await,
        (Sort::Price, Some(Place::Price { price, id })) => {
            db::bounded(reads::by_price(pool, &wanted, Some((price, id)), limit)).await
        }
        (Sort::PriceDescending, None) => db::bounded(reads::by_price_descending(pool, &wanted, None, limit)).await,
        (Sort::PriceDescending, Some(Place::Price { price, id })) => {
            db::bounded(reads::by_price_descending(pool, &wanted, Some((price, id)), limit)).await
        }
        (Sort::Newest, None) => db::bounded(reads::by_age(pool, &wanted, None, limit)).await,
        (Sort::Newest, Some(Place::Age { at, id })) => {
            db::bounded(reads::by_age(pool, &wanted, Some((at, id)), limit)).await
        }
        (_, Some(_)) => {
            let detail = "the cursor is of a list in another order";
            Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_cursor", detail))
        }
    }?;
    Ok(Page::new(&paging, products, |product| place(sort, product)))
}

fn place(sort: Sort, product: &domain::Product) -> Place {
    let id = product.id;
    match sort {
        Sort::Name => Place::Name { name: product.name.clone(), id },
        Sort::Price | Sort::PriceDescending => Place::Price { price: product.price.amount_minor(), id },
        Sort::Newest => Place::Age { at: product.created_at, id },
    }
}
