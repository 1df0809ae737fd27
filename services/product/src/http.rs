//! Product's part of the API, and what the writer's replies look like there.

mod list;
mod products;

pub(crate) use products::cached;

use crate::domain::{Refusal, Reply};
use crate::store::Catalogue;
use axum::Router;
use engine::{Answer, Writer};
use service_kit::Problem;
use service_kit::cache::Cache;
use service_kit::http::openapi::document;
use sqlx::PgPool;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// What handlers need: reads go to the cache or the pool, changes to the writer.
#[derive(Clone)]
pub struct App {
    pub pool: PgPool,
    pub writer: Writer<Catalogue>,
    pub cache: Cache,
}

/// The routes, with their state.
pub fn router(app: App) -> Router {
    routes().with_state(app).into()
}

/// The specification.
#[must_use]
pub fn openapi() -> OpenApi {
    document("RTOMS product", "What can be ordered, and at what price.", routes().into_openapi())
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(list::routes()).merge(products::routes())
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Done => Self::empty(204),
            Reply::Archived(product) => Self::empty(204).with_etag(products::tag(&product)),
            Reply::Created(product) => {
                let (location, tag) = (format!("/v1/products/{}", product.id), products::tag(&product));
                Self::json(201, &products::Product::from(*product)).with_location(location).with_etag(tag)
            }
            Reply::Changed(product) => {
                let tag = products::tag(&product);
                Self::json(200, &products::Product::from(*product)).with_etag(tag)
            }
            Reply::Refused(refusal) => Problem::from(refusal).into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ProductNotFound => product_not_found(),
            Refusal::SkuTaken => Self::conflict("sku_taken", "another product has this sku"),
            Refusal::Stale => Self::precondition_failed(),
        }
    }
}

fn product_not_found() -> Problem {
    Problem::not_found("product_not_found")
}
