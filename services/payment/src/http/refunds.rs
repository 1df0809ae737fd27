//! `/v1/payments/{orderId}/refunds`: what an admin pays back.

use super::App;

use crate::domain::{self, Command, RefundState};
use axum::extract::State;
use common::money::{Currency, Money};
use garde::Validate;
use serde::{Deserialize, Serialize};
use service_kit::auth::Admin;
use service_kit::http::rules::line;
use service_kit::{Answered, Incoming, Path, Problem, submit};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

const MAX_REASON: usize = 200;

/// Money on its way back, or there.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refund {
    id: Uuid,
    amount: Money,
    status: RefundStatus,
    /// The admin's words, or `order_cancelled`, or `surplus_capture` (which is in none of the payment's amounts).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "one was damaged")]
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RefundStatus {
    /// For another call to end, or for its next try.
    Waiting,
    /// The provider has not answered yet.
    Processing,
    Refunded,
    /// The provider refused.
    Failed,
}

impl Refund {
    pub(super) fn of(refund: &domain::Refund, currency: Currency) -> Self {
        let status = match refund.state {
            RefundState::Waiting { .. } => RefundStatus::Waiting,
            RefundState::Processing(_) => RefundStatus::Processing,
            RefundState::Refunded { .. } => RefundStatus::Refunded,
            RefundState::Failed { .. } => RefundStatus::Failed,
        };
        let reason = refund.reason().map(ToOwned::to_owned);
        Self { id: refund.id, amount: refund.amount(currency), status, reason, at: refund.at }
    }
}

/// What to pay back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewRefund {
    /// All that is left, where it is absent.
    #[garde(custom(something))]
    #[schema(nullable = false)]
    amount: Option<Money>,
    #[garde(inner(custom(line(MAX_REASON))))]
    #[schema(nullable = false, example = "one was damaged", min_length = 1, max_length = 200)]
    reason: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde asks for this shape")]
fn something(amount: &Option<Money>, (): &()) -> garde::Result {
    match amount {
        Some(amount) if amount.amount_minor() == 0 => Err(garde::Error::new("must not be zero")),
        _ => Ok(()),
    }
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(refund))
}

/// Pay back what was captured, or a part of it
///
/// 409 `refund_exceeds_capture`, with open refunds counted; 409 `refund_in_progress` while another one is open.
#[utoipa::path(post, path = "/v1/payments/{orderId}/refunds", operation_id = "refundPayment", tag = "payments",
    params(("orderId" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, max_length = 255)),
    request_body = NewRefund, responses((status = 202, body = Refund)),
    security(("bearer" = []), ("password" = [])))]
async fn refund(
    State(app): State<App>,
    admin: Admin,
    Path(order_id): Path<Uuid>,
    new: Incoming<NewRefund>,
) -> Result<Answered, Problem> {
    let (NewRefund { amount, reason }, ticket) = new.by(admin.subject());
    submit(&app.writer, ticket, Command::Refund { order_id, amount, reason }).await
}
