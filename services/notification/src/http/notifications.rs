//! `/v1/notifications`: what was sent, and what was not.

use super::{App, notification_not_found};
use crate::domain::{self, Channel, Command, Status};
use crate::store::reads;
use axum::extract::State;
use common::events::Template;
use garde::Validate;
use serde::{Deserialize, Serialize};
use service_kit::auth::{Admin, Caller};
use service_kit::{Answered, Incoming, Json, Nothing, Page, Paging, PagingParams, Path, Problem, Query, db, submit};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// A message to a customer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notification {
    id: Uuid,
    order_id: Uuid,
    /// The `sub` of the customer's token.
    customer_id: String,
    channel: Channel,
    template: Template,
    /// An e-mail address, or a telephone number.
    #[schema(example = "customer@example.com")]
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    subject: Option<String>,
    body: String,
    status: Status,
    attempts: i32,
    /// Why the last attempt came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_error: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    #[schema(nullable = false)]
    sent_at: Option<OffsetDateTime>,
}

impl From<domain::Notification> for Notification {
    fn from(row: domain::Notification) -> Self {
        Self {
            id: row.id,
            order_id: row.order_id,
            customer_id: row.customer_id,
            channel: row.channel,
            template: row.template,
            to: row.recipient,
            subject: row.subject,
            body: row.body,
            status: row.status,
            attempts: row.attempts,
            last_error: row.last_error,
            created_at: row.created_at,
            sent_at: row.sent_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct OfOrder {
    data: Vec<Notification>,
}

#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    #[garde(skip)]
    status: Option<Status>,
    #[garde(skip)]
    channel: Option<Channel>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(of_order)).routes(routes!(resend))
}

/// All messages, newest first
#[utoipa::path(get, path = "/v1/notifications", operation_id = "listNotifications", tag = "notifications",
    params(PagingParams, Filter), responses((status = 200, body = Page<Notification>)),
    security(("bearer" = []), ("password" = [])))]
async fn list(
    State(app): State<App>,
    _: Admin,
    paging: Paging<Uuid>,
    Query(filter): Query<Filter>,
) -> Result<Page<Notification>, Problem> {
    let read = reads::page(&app.pool, filter.status, filter.channel, paging.after, paging.sql_limit());
    Ok(Page::new(&paging, db::bounded(read).await?, |notification| notification.id))
}

/// What was told of an order, oldest first
#[utoipa::path(get, path = "/v1/notifications/{orderId}", operation_id = "getNotifications", tag = "notifications",
    params(("orderId" = Uuid, Path)), responses((status = 200, body = OfOrder)),
    security(("bearer" = []), ("password" = [])))]
async fn of_order(
    State(app): State<App>,
    caller: Caller,
    Path(order_id): Path<Uuid>,
) -> Result<Json<OfOrder>, Problem> {
    let customer = (!caller.is_admin()).then(|| caller.subject());
    let rows = db::bounded(reads::of_order(&app.pool, order_id, customer)).await?;
    if rows.is_empty() {
        // Also where the order was not heard of yet.
        return Err(notification_not_found());
    }
    Ok(Json(OfOrder { data: rows.into_iter().map(Notification::from).collect() }))
}

/// Send a message again
#[utoipa::path(post, path = "/v1/notifications/{id}/resend", operation_id = "resendNotification",
    tag = "notifications", params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, max_length = 255)),
    responses((status = 202, body = Notification)), security(("bearer" = []), ("password" = [])))]
async fn resend(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<Uuid>,
    asked: Incoming<Nothing>,
) -> Result<Answered, Problem> {
    let (Nothing {}, ticket) = asked.by(admin.subject());
    submit(&app.writer, ticket, Command::Resend { id }).await
}
