//! `/v1/products` and one of them: making, seeing and changing products.

use super::{App, product_not_found};
use crate::domain::{self, Changes, Command, NewProduct};
use crate::store::reads;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use common::events::ProductStatus;
use common::money::Money;
use garde::Validate;
use http::StatusCode;
use http::header::{CONTENT_TYPE, ETAG};
use serde::{Deserialize, Serialize};
use service_kit::auth::Admin;
use service_kit::cache::Entry;
use service_kit::http::etag::etag;
use service_kit::http::rules::{line, text};
use service_kit::{Answered, IfMatch, IfNoneMatch, Incoming, Nothing, Path, Problem, db, submit};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// A product.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Product {
    id: Uuid,
    #[schema(example = "MUG-BLUE")]
    sku: String,
    #[schema(example = "Blue mug")]
    name: String,
    description: String,
    #[schema(example = "kitchen")]
    category: String,
    price: Money,
    status: ProductStatus,
    /// Whether a piece could be ordered, as inventory told last.
    in_stock: bool,
    version: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl From<domain::Product> for Product {
    fn from(product: domain::Product) -> Self {
        Self {
            id: product.id,
            sku: product.sku,
            name: product.name,
            description: product.description,
            category: product.category,
            price: product.price,
            status: product.status,
            in_stock: product.available > 0,
            version: product.version,
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}

/// `"<version>-<stockVersion>"`, of which If-Match compares the first.
pub(super) fn tag(product: &domain::Product) -> String {
    etag(format_args!("{}-{}", product.version, product.stock_version))
}

/// The cache's version of the product with this tag: the sum of the two, since each change makes one of them grow.
fn version_of(tag: &str) -> Option<i64> {
    let (version, stock_version) = tag.trim_matches('"').split_once('-')?;
    Some(version.parse::<i64>().ok()? + stock_version.parse::<i64>().ok()?)
}

/// As the cache keeps it: the tag, a line feed, the body.
pub(crate) fn cached(product: domain::Product) -> Entry {
    let version = product.version + product.stock_version;
    let mut bytes = tag(&product).into_bytes();
    bytes.push(b'\n');
    serde_json::to_writer(&mut bytes, &Product::from(product)).expect("a product is plain data");
    Entry { version, bytes: Bytes::from(bytes) }
}

/// The tag and the body of an entry.
fn parts(entry: &Entry) -> Option<(&str, Bytes)> {
    let end = entry.bytes.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&entry.bytes[..end]).ok()?, entry.bytes.slice(end + 1..)))
}

/// A product that is to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewProductBody {
    #[garde(custom(line(64)))]
    #[schema(min_length = 1, max_length = 64, example = "MUG-BLUE")]
    sku: String,
    #[garde(custom(line(200)))]
    #[schema(min_length = 1, max_length = 200, example = "Blue mug")]
    name: String,
    #[garde(custom(text(4000)))]
    #[serde(default)]
    #[schema(max_length = 4000)]
    description: String,
    #[garde(custom(line(64)))]
    #[schema(min_length = 1, max_length = 64, example = "kitchen")]
    category: String,
    #[garde(skip)]
    price: Money,
}

/// What is to be another.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProductChanges {
    #[garde(inner(custom(line(200))))]
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[garde(inner(custom(text(4000))))]
    #[schema(max_length = 4000)]
    description: Option<String>,
    #[garde(inner(custom(line(64))))]
    #[schema(min_length = 1, max_length = 64)]
    category: Option<String>,
    #[garde(skip)]
    price: Option<Money>,
    /// `active` brings an archived product back.
    #[garde(skip)]
    status: Option<ProductStatus>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(read, change, archive))
}

/// Make a product
#[utoipa::path(post, path = "/v1/products", operation_id = "createProduct", tag = "products",
    params(("Idempotency-Key" = Option<String>, Header, max_length = 255)),
    request_body = NewProductBody, responses((status = 201, body = Product)),
    security(("bearer" = []), ("password" = [])))]
async fn create(State(app): State<App>, admin: Admin, new: Incoming<NewProductBody>) -> Result<Answered, Problem> {
    let (NewProductBody { sku, name, description, category, price }, ticket) = new.by(admin.subject());
    let id = common::ids::new();
    let command = Command::Create(NewProduct { id, sku, name, description, category, price });
    submit(&app.writer, ticket.making(id), command).await
}

/// One product
#[utoipa::path(get, path = "/v1/products/{productId}", operation_id = "getProduct", tag = "products",
    params(("productId" = Uuid, Path)),
    responses((status = 200, body = Product), (status = 304, description = "`If-None-Match` names this version")),
    security(()))]
async fn read(State(app): State<App>, Path(id): Path<Uuid>, if_none_match: IfNoneMatch) -> Result<Response, Problem> {
    let load = || async { Ok(db::bounded(reads::product(&app.pool, id)).await?.map(cached)) };
    let entry = app.cache.get(id, load).await?.ok_or_else(product_not_found)?;
    let (tag, body) = parts(&entry).ok_or_else(Problem::internal)?;
    if if_none_match.matches(tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag.to_owned())]).into_response());
    }
    Ok(([(ETAG, tag.to_owned()), (CONTENT_TYPE, "application/json".to_owned())], body).into_response())
}

/// Change a product
///
/// 428 without `If-Match`, 412 where it names another version.
#[utoipa::path(patch, path = "/v1/products/{productId}", operation_id = "changeProduct", tag = "products",
    params(("productId" = Uuid, Path), ("If-Match" = String, Header)), request_body = ProductChanges,
    responses((status = 200, body = Product)), security(("bearer" = []), ("password" = [])))]
async fn change(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<Uuid>,
    if_match: IfMatch,
    asked: Incoming<ProductChanges>,
) -> Result<Answered, Problem> {
    let versions = if_match.versions()?;
    let (ProductChanges { name, description, category, price, status }, ticket) = asked.by(admin.subject());
    let changes = Changes { name, description, category, price, status };
    let answered = submit(&app.writer, ticket, Command::Change { id, versions, changes }).await?;
    expect(&app, id, &answered).await;
    Ok(answered)
}

/// Archive a product
///
/// It can't be ordered any more, and is not listed.
#[utoipa::path(delete, path = "/v1/products/{productId}", operation_id = "archiveProduct", tag = "products",
    params(("productId" = Uuid, Path)), responses((status = 204)),
    security(("bearer" = []), ("password" = [])))]
async fn archive(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<Uuid>,
    asked: Incoming<Nothing>,
) -> Result<Answered, Problem> {
    let (Nothing {}, ticket) = asked.by(admin.subject());
    let answered = submit(&app.writer, ticket, Command::Archive { id }).await?;
    expect(&app, id, &answered).await;
    Ok(answered)
}

/// Before the writer's answer goes out: this replica never serves older than it. The effect of the change, which fills
/// the cache, may come later.
async fn expect(app: &App, id: Uuid, answered: &Answered) {
    if let Some(version) = answered.0.etag.as_deref().and_then(version_of) {
        app.cache.expect(id, version).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::demo;

    #[test]
    fn an_entry_holds_tag_and_body() {
        let product = domain::Product::new(&demo::products()[0], OffsetDateTime::UNIX_EPOCH);
        let product = domain::Product { version: 3, stock_version: 7, available: 1, ..product };
        let entry = cached(product);
        let (tag, body) = parts(&entry).unwrap();
        assert_eq!((entry.version, tag, version_of(tag)), (10, "\"3-7\"", Some(10)));
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["inStock"], &body["version"], &body["sku"]), (&true.into(), &3.into(), &"DEMO-01".into()));
    }
}
