//! `/v1/payments`: what orders have paid, and another try where they could not.

use super::refunds::Refund;

use super::{App, payment_not_found};
use crate::domain::{self, AttemptState, By, Command, Status};
use crate::store::reads;
use axum::extract::State;
use common::money::{Currency, Money};
use garde::Validate;
use serde::{Deserialize, Serialize};
use service_kit::auth::{Admin, Caller};
use service_kit::{Answered, Incoming, Json, Page, Paging, PagingParams, Path, Problem, Query, db, submit};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// The payment of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payment {
    id: Uuid,
    order_id: Uuid,
    /// The `sub` of the customer's tokens.
    customer_id: String,
    status: Status,
    /// The order's total.
    amount: Money,
    /// What of it was paid back so far.
    refunded_amount: Money,
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    attempts: Vec<Attempt>,
    refunds: Vec<Refund>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// One attempt to charge the whole amount.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    #[schema(example = 1, minimum = 1, maximum = 5)]
    number: u32,
    #[schema(example = "pm_card_visa")]
    payment_method: String,
    status: AttemptStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "card_declined")]
    decline_code: Option<String>,
    /// The provider's own name for the charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    provider_reference: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AttemptStatus {
    /// The provider has not answered yet.
    Processing,
    Captured,
    Declined,
    /// Captured on top of another attempt, or too late: it is paid back, and in none of the amounts.
    Surplus,
}

impl From<domain::Payment> for Payment {
    fn from(payment: domain::Payment) -> Self {
        let (status, currency) = (payment.status(), payment.amount.currency());
        Self {
            id: payment.id,
            order_id: payment.order_id,
            status,
            refunded_amount: payment.money(payment.refunded_minor()),
            amount: payment.amount,
            currency,
            customer_id: payment.customer_id,
            attempts: payment.attempts.into_iter().map(Attempt::from).collect(),
            refunds: payment.refunds.iter().map(|refund| Refund::of(refund, currency)).collect(),
            created_at: payment.created_at,
            updated_at: payment.updated_at,
        }
    }
}

impl From<domain::Attempt> for Attempt {
    fn from(attempt: domain::Attempt) -> Self {
        let domain::Attempt { number, payment_method, state, at } = attempt;
        let (status, decline_code, provider_reference) = match state {
            AttemptState::Processing(_) => (AttemptStatus::Processing, None, None),
            AttemptState::Captured { reference } => (AttemptStatus::Captured, None, Some(reference)),
            AttemptState::Declined { code } => (AttemptStatus::Declined, Some(code), None),
            AttemptState::Surplus { reference } => (AttemptStatus::Surplus, None, Some(reference)),
        };
        Self { number, payment_method, status, decline_code, provider_reference, at }
    }
}

/// How to pay.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewAttempt {
    /// A token of the provider, never a card number.
    #[garde(custom(check_payment_method))]
    #[schema(example = "pm_card_mastercard", pattern = "^pm_[A-Za-z0-9_]+$", max_length = 64)]
    payment_method: String,
}

/// What looks like anything but a token is not even stored: it could be the number of a card.
fn check_payment_method(text: &str, (): &()) -> garde::Result {
    common::text::check_payment_method(text).map_err(garde::Error::new)
}

#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    #[garde(skip)]
    status: Option<Status>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read)).routes(routes!(process))
}

/// All payments, of the newest orders first
#[utoipa::path(get, path = "/v1/payments", operation_id = "listPayments", tag = "payments",
    params(PagingParams, Filter), responses((status = 200, body = Page<Payment>)),
    security(("bearer" = []), ("password" = [])))]
async fn list(
    State(app): State<App>,
    _: Admin,
    paging: Paging<Uuid>,
    Query(filter): Query<Filter>,
) -> Result<Page<Payment>, Problem> {
    let read = reads::payments_page(&app.pool, filter.status, paging.after, paging.sql_limit());
    Ok(Page::new(&paging, db::bounded(read).await?, |payment| payment.order_id))
}

/// The payment of an order
#[utoipa::path(get, path = "/v1/payments/{orderId}", operation_id = "getPayment", tag = "payments",
    params(("orderId" = Uuid, Path)), responses((status = 200, body = Payment)),
    security(("bearer" = []), ("password" = [])))]
async fn read(State(app): State<App>, caller: Caller, Path(order_id): Path<Uuid>) -> Result<Json<Payment>, Problem> {
    let owner = (!caller.is_admin()).then(|| caller.subject());
    let payment = db::bounded(reads::payment(&app.pool, order_id, owner)).await?;
    payment.map(|found| Json(found.into())).ok_or_else(payment_not_found)
}

/// Pay a declined order again
///
/// 409 `payment_not_retryable` where it is not declined, was charged too often, or expires too soon.
#[utoipa::path(post, path = "/v1/payments/process/{orderId}", operation_id = "processPayment", tag = "payments",
    params(("orderId" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, max_length = 255)),
    request_body = NewAttempt, responses((status = 202, body = Payment)),
    security(("bearer" = []), ("password" = [])))]
async fn process(
    State(app): State<App>,
    caller: Caller,
    Path(order_id): Path<Uuid>,
    new: Incoming<NewAttempt>,
) -> Result<Answered, Problem> {
    let (NewAttempt { payment_method }, ticket) = new.by(caller.subject());
    let by = By { subject: caller.subject().to_owned(), admin: caller.is_admin() };
    submit(&app.writer, ticket, Command::Process { order_id, by, payment_method }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_are_payment_methods() {
        let valid = |text: &str| NewAttempt { payment_method: text.to_owned() }.validate().is_ok();
        assert!(valid("pm_card_visa") && valid("pm_1") && valid(&format!("pm_{}", "x".repeat(61))));
        for wrong in ["", "pm_", "4242424242424242", "pm_4242 4242", "pm_card\n", "card_visa", "PM_card_visa"] {
            assert!(!valid(wrong), "{wrong:?}");
        }
        assert!(!valid(&format!("pm_{}", "x".repeat(62))));
    }
}
