//! Payment's part of the API: one file a noun, and what the writer's replies look like there.

mod payments;
mod refunds;

use crate::domain::{MAX_ATTEMPTS, NotRetryable, Refusal, Reply};
use crate::store::Payments;
use axum::Router;
use engine::{Answer, Writer};
use http::StatusCode;
use service_kit::Problem;
use service_kit::http::openapi::document;
use sqlx::PgPool;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// What handlers need: reads go to the pool, changes to the writer.
#[derive(Clone)]
pub struct App {
    pub pool: PgPool,
    pub writer: Writer<Payments>,
}

/// The routes, with their state.
pub fn router(app: App) -> Router {
    routes().with_state(app).into()
}

/// The specification.
#[must_use]
pub fn openapi() -> OpenApi {
    let about = "What orders have paid, and what they got back.";
    document("RTOMS payment", about, routes().into_openapi())
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(payments::routes()).merge(refunds::routes())
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Done | Reply::Alerted(_) => Self::empty(204),
            Reply::Processing(payment) => Self::json(202, &payments::Payment::from(*payment)),
            Reply::Refunding(refund, currency) => Self::json(202, &refunds::Refund::of(&refund, currency)),
            Reply::Refused(refusal) => Problem::from(refusal).into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::PaymentNotFound => payment_not_found(),
            Refusal::PaymentNotRetryable(why) => Self::conflict("payment_not_retryable", not_retryable(why)),
            Refusal::RefundExceedsCapture { left } => {
                Self::conflict("refund_exceeds_capture", format!("{left} can still be refunded"))
            }
            Refusal::RefundInProgress => {
                Self::conflict("refund_in_progress", "another call to the provider is under way for this payment")
            }
            Refusal::CurrencyMismatch { expected } => {
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "currency_mismatch", "another currency");
                problem.with_error("/amount/currency", format!("must be {expected}"))
            }
        }
    }
}

fn not_retryable(why: NotRetryable) -> String {
    match why {
        NotRetryable::Status(status) => {
            format!("only a declined payment can be paid again, and this one is {}", status.as_str())
        }
        NotRetryable::TooManyAttempts => format!("an order can be charged {MAX_ATTEMPTS} times at most"),
        NotRetryable::TooLate => "the order expires before the provider would answer".to_owned(),
    }
}

fn payment_not_found() -> Problem {
    Problem::not_found("payment_not_found")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Attempt, AttemptState, Payment, Refund, RefundCause, RefundState, State};
    use common::money::{Currency, Money};
    use common::trace::Trace;
    use serde_json::{Value, json};
    use time::macros::datetime;
    use uuid::Uuid;

    fn usd() -> Currency {
        Currency::parse("USD").unwrap()
    }

    /// Declined, captured, and partly refunded.
    fn payment() -> Payment {
        let at = datetime!(2026-01-02 03:04:05 UTC);
        let attempt = |number, state| Attempt { number, payment_method: "pm_card_visa".to_owned(), state, at };
        let refund = |number, cause, state| Refund {
            id: Uuid::from_u128(number),
            number: u32::try_from(number).unwrap(),
            amount_minor: 400,
            cause,
            state,
            at,
        };
        let reference = "re_1".to_owned();
        Payment {
            order_id: Uuid::from_u128(10),
            id: Uuid::from_u128(11),
            customer_id: "c".to_owned(),
            amount: Money::new(1000, usd()).unwrap(),
            payment_method: "pm_card_visa".to_owned(),
            expires_at: at,
            state: State::Captured,
            cancelled: true,
            attempts: vec![
                attempt(1, AttemptState::Declined { code: "card_declined".to_owned() }),
                attempt(2, AttemptState::Captured { reference: "ch_2".to_owned() }),
            ],
            refunds: vec![
                refund(1, RefundCause::Admin { reason: None }, RefundState::Refunded { reference }),
                refund(2, RefundCause::OrderCancelled, RefundState::Waiting { until: at }),
            ],
            version: 7,
            trace: Trace::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap(),
            created_at: at,
            updated_at: at,
        }
    }

    fn body(answer: &Answer) -> Value {
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[test]
    fn a_payment_shows_what_people_may_know_of_it() {
        let answer = Answer::from(Reply::Processing(Box::new(payment())));
        assert_eq!(answer.status, 202);
        let at = "2026-01-02T03:04:05Z";
        let four = json!({ "amount": 400, "currency": "USD" });
        assert_eq!(
            body(&answer),
            json!({
                "id": Uuid::from_u128(11), "orderId": Uuid::from_u128(10), "customerId": "c", "status": "refunding",
                "amount": { "amount": 1000, "currency": "USD" }, "refundedAmount": four, "currency": "USD",
                "attempts": [
                    { "number": 1, "paymentMethod": "pm_card_visa", "status": "declined", "declineCode": "card_declined",
                      "at": at },
                    { "number": 2, "paymentMethod": "pm_card_visa", "status": "captured", "providerReference": "ch_2",
                      "at": at },
                ],
                "refunds": [
                    { "id": Uuid::from_u128(1), "amount": four, "status": "refunded", "at": at },
                    { "id": Uuid::from_u128(2), "amount": four, "status": "waiting", "reason": "order_cancelled",
                      "at": at },
                ],
                "createdAt": at, "updatedAt": at,
            })
        );
    }

    #[test]
    fn refusals_are_problems() {
        let not_retryable = |why| Refusal::PaymentNotRetryable(why);
        for (refusal, status, code) in [
            (Refusal::PaymentNotFound, 404, "payment_not_found"),
            (not_retryable(NotRetryable::TooLate), 409, "payment_not_retryable"),
            (not_retryable(NotRetryable::TooManyAttempts), 409, "payment_not_retryable"),
            (Refusal::RefundExceedsCapture { left: Money::zero(usd()) }, 409, "refund_exceeds_capture"),
            (Refusal::RefundInProgress, 409, "refund_in_progress"),
            (Refusal::CurrencyMismatch { expected: usd() }, 422, "currency_mismatch"),
        ] {
            let answer = Answer::from(Reply::Refused(refusal));
            assert_eq!((answer.status, body(&answer)["code"].as_str()), (status, Some(code)));
        }
    }

    #[test]
    fn the_specification_names_every_call() {
        let own = openapi().paths.paths.into_keys().filter(|path| !path.starts_with("/v1/admin/"));
        let paths: Vec<String> = own.collect();
        assert_eq!(
            paths,
            [
                "/v1/payments",
                "/v1/payments/process/{orderId}",
                "/v1/payments/{orderId}",
                "/v1/payments/{orderId}/refunds"
            ]
        );
    }
}
