//! `/v1/orders/{orderId}/timeline`: what has become of an order, step by step.

use super::orders::customer;
use super::{App, order_not_found};
use crate::domain::{self, Status};
use crate::store::reads;
use axum::extract::State;
use serde::Serialize;
use service_kit::auth::Caller;
use service_kit::{Json, Path, Problem, db};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

#[derive(Debug, Serialize, ToSchema)]
struct Timeline {
    data: Vec<TimelineRow>,
}

/// A transition, or something that was entered: then `from` and `to` are the same.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TimelineRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    from: Option<Status>,
    to: Status,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// What brought it, such as `captured 1`.
    cause: String,
    /// A person's `sub`, or a service.
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// The event that brought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    event_id: Option<Uuid>,
    trace_id: String,
}

impl From<domain::TimelineRow> for TimelineRow {
    fn from(row: domain::TimelineRow) -> Self {
        let domain::TimelineRow { from, to, cause, actor, reason, event_id, trace_id, at, .. } = row;
        Self { from, to, at, cause, actor, reason, event_id, trace_id }
    }
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read))
}

/// What has become of an order, oldest first
#[utoipa::path(get, path = "/v1/orders/{orderId}/timeline", operation_id = "getTimeline", tag = "orders",
    params(("orderId" = Uuid, Path)), responses((status = 200, body = Timeline)),
    security(("bearer" = []), ("password" = [])))]
async fn read(State(app): State<App>, caller: Caller, Path(id): Path<Uuid>) -> Result<Json<Timeline>, Problem> {
    let rows = db::bounded(reads::timeline(&app.pool, id, customer(&caller))).await?;
    if rows.is_empty() {
        // Every order has a first row.
        return Err(order_not_found());
    }
    Ok(Json(Timeline { data: rows.into_iter().map(TimelineRow::from).collect() }))
}
