//! Notification's part of the API, and what the writer's replies look like there.

mod notifications;

use crate::domain::Reply;
use crate::store::Notifications;
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
    pub writer: Writer<Notifications>,
}

/// The routes, with their state.
pub fn router(app: App) -> Router {
    routes().with_state(app).into()
}

/// The specification.
#[must_use]
pub fn openapi() -> OpenApi {
    document("RTOMS notification", "What customers are told of their orders.", routes().into_openapi())
}

fn routes() -> OpenApiRouter<App> {
    notifications::routes()
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Done => Self::empty(204),
            Reply::Queued(notification) => Self::json(202, &notifications::Notification::from(*notification)),
            Reply::NotFound => notification_not_found().into(),
        }
    }
}

fn notification_not_found() -> Problem {
    Problem::not_found("notification_not_found")
}
