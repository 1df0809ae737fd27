//! The order service's part of the API, and what the writer's replies look like there.

mod orders;
mod timeline;

use crate::domain::{Refusal, Reply, Status};
use crate::store::Orders;
use axum::Router;
use engine::{Answer, Writer};
use http::StatusCode;
use service_kit::Problem;
use service_kit::http::etag::etag;
use service_kit::http::openapi::document;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// What handlers need: reads go to the pool, changes to the writer.
#[derive(Clone)]
pub struct App {
    pub pool: PgPool,
    pub writer: Writer<Orders>,
    /// Ends what waits for a change.
    pub stopping: CancellationToken,
}

/// The routes, with their state.
pub fn router(app: App) -> Router {
    routes().with_state(app).into()
}

/// The specification, with that of the built-in issuer.
#[must_use]
pub fn openapi() -> OpenApi {
    let about = "Orders: placed, paid, shipped, cancelled; and the tokens to do it with.";
    let mut paths = routes().into_openapi();
    paths.merge(identity::openapi());
    document("RTOMS order", about, paths)
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(orders::routes()).merge(timeline::routes())
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Done => Self::empty(204),
            Reply::Placed(order) => {
                let (location, tag) = (format!("/v1/orders/{}", order.id), etag(order.version));
                Self::json(201, &orders::Order::from(*order)).with_location(location).with_etag(tag)
            }
            Reply::Cancelling(order) => {
                let status = if order.status == Status::Cancelled { 200 } else { 202 };
                let tag = etag(order.version);
                Self::json(status, &orders::Order::from(*order)).with_etag(tag)
            }
            Reply::Changed(order) => {
                let tag = etag(order.version);
                Self::json(200, &orders::Order::from(*order)).with_etag(tag)
            }
            Reply::Refused(refusal) => Problem::from(refusal).into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let of_lines = |code: &'static str, detail: &'static str, lines: Vec<usize>| {
            let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
            lines.into_iter().fold(problem, |problem, at| problem.with_error(format!("/lines/{at}/productId"), detail))
        };
        match refusal {
            Refusal::OrderNotFound => order_not_found(),
            Refusal::NoLines => Self::validation_failed().with_error("/lines", "must not be empty"),
            Refusal::DuplicateLine { lines } => {
                of_lines("duplicate_line", "another line names the same product: say how many in one", lines)
            }
            Refusal::NotOrderable { lines } => {
                of_lines("product_not_orderable", "there is no such product, or it can't be ordered", lines)
            }
            Refusal::MixedCurrencies { lines } => {
                of_lines("mixed_currencies", "all lines of an order are of one currency", lines)
            }
            Refusal::TotalTooLarge => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "total_too_large", "the order's total can't be written")
            }
            Refusal::NotCancellable(status) => wrong_status("order_not_cancellable", "cancelled", status),
            Refusal::NotShippable(status) => wrong_status("order_not_shippable", "shipped", status),
            Refusal::NotDeliverable(status) => wrong_status("order_not_deliverable", "delivered", status),
        }
    }
}

fn wrong_status(code: &'static str, wanted: &str, status: Status) -> Problem {
    Problem::conflict(code, format!("the order is {}, and can't be {wanted}", status.as_str().replace('_', " ")))
}

fn order_not_found() -> Problem {
    Problem::not_found("order_not_found")
}
