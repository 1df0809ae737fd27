//! Inventory's part of the API: one file a noun, and what the writer's replies look like there.

mod movements;
mod reservations;
mod stock;

use crate::domain::{MAX_ON_HAND, Refusal, Reply};
use crate::store::Inventory;
use axum::Router;
use engine::{Answer, Writer};
use service_kit::Problem;
use service_kit::http::openapi::document;
use sqlx::PgPool;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// What handlers need: reads go to the pool, changes to the writer.
#[derive(Clone)]
pub struct App {
    pub pool: PgPool,
    pub writer: Writer<Inventory>,
}

/// The routes, with their state.
pub fn router(app: App) -> Router {
    routes().with_state(app).into()
}

/// The specification.
#[must_use]
pub fn openapi() -> OpenApi {
    let about = "What is in stock, and what orders hold of it.";
    document("RTOMS inventory", about, routes().into_openapi())
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(stock::routes()).merge(movements::routes()).merge(reservations::routes())
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Done | Reply::Alerted(_) => Self::empty(204),
            Reply::Adjusted(movement) => Self::json(201, &movements::Movement::from(movement)),
            Reply::Refused(refusal) => Problem::from(refusal).into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::StockNotFound => stock_not_found(),
            Refusal::StockWouldGoNegative { on_hand, reserved } => Self::conflict(
                "stock_would_go_negative",
                format!("{on_hand} pieces are on hand, and orders hold {reserved} of them"),
            ),
            Refusal::StockWouldBeTooLarge => {
                Self::conflict("stock_would_be_too_large", format!("at most {MAX_ON_HAND} pieces can be on hand"))
            }
        }
    }
}

fn stock_not_found() -> Problem {
    Problem::not_found("stock_not_found")
}
