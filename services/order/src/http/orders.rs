//! `/v1/orders`: placing, seeing and changing orders.

use super::{App, order_not_found};
use crate::domain::{self, Address, By, Command, Placement, Shipment, Status, WantedLine};
use crate::store::reads;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::events::{Contact, OrderLine};
use common::money::Money;
use common::quantity::Quantity;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use service_kit::auth::{Admin, Caller};
use service_kit::http::etag::{etag, respond};
use service_kit::http::rules::line;
use service_kit::{
    Answered, IfNoneMatch, Incoming, Nothing, Page, Paging, PagingParams, Path, Problem, Query, db, submit,
};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// The longest `?wait=`, in seconds.
const MAX_WAIT_S: u64 = 30;
/// How often a waiting request looks, whichever replica changes the order.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The longest address (RFC 5321).
const MAX_EMAIL: usize = 254;

/// An order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    id: Uuid,
    /// Short, to be read out.
    #[schema(example = "7QK3-M9XW-2FTD")]
    number: String,
    /// The `sub` of the customer's token.
    customer_id: String,
    status: Status,
    lines: Vec<OrderLine>,
    total: Money,
    contact: Contact,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shipping_address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shipment: Option<Shipment>,
    /// Why it ended, or is about to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// Until when it can be paid, while it is not.
    #[serde(skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    #[schema(nullable = false)]
    expires_at: Option<OffsetDateTime>,
    version: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl From<domain::Order> for Order {
    fn from(order: domain::Order) -> Self {
        Self {
            id: order.id,
            number: order.number,
            customer_id: order.customer_id,
            status: order.status,
            lines: order.lines,
            total: order.total,
            contact: order.contact,
            shipping_address: order.shipping_address,
            shipment: order.shipment,
            reason: order.reason,
            expires_at: order.status.awaits_payment().then_some(order.expires_at),
            version: order.version,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// What a customer wants.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewOrder {
    /// Each product once.
    #[garde(length(min = 1, max = 100))]
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<NewLine>,
    /// A token of the payment provider, never a card number.
    #[garde(custom(check_payment_method))]
    #[schema(example = "pm_card_visa", max_length = 64)]
    payment_method: String,
    /// Where to tell of the order; the token's e-mail by default.
    #[garde(dive)]
    contact: Option<NewContact>,
    #[garde(dive)]
    shipping_address: Option<Address>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewLine {
    product_id: Uuid,
    quantity: Quantity,
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewContact {
    #[garde(email, length(chars, max = MAX_EMAIL))]
    #[schema(example = "customer@example.com", max_length = 254)]
    email: Option<String>,
    #[garde(inner(custom(check_phone)))]
    #[schema(example = "+49 30 1234567", max_length = 32)]
    phone: Option<String>,
}

#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Cancellation {
    #[garde(inner(custom(line(200))))]
    #[schema(max_length = 200)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewShipment {
    #[garde(custom(line(200)))]
    #[schema(min_length = 1, max_length = 200)]
    carrier: String,
    #[garde(custom(line(200)))]
    #[schema(min_length = 1, max_length = 200)]
    tracking_number: String,
}

fn check_payment_method(text: &str, (): &()) -> garde::Result {
    common::text::check_payment_method(text).map_err(garde::Error::new)
}

/// The token's, where it can be written to: another issuer may claim anything.
fn address_of(caller: &Caller) -> Option<String> {
    let can_be = |email: &&str| garde::rules::email::parse_email(email).is_ok() && email.chars().count() <= MAX_EMAIL;
    caller.email().filter(can_be).map(ToOwned::to_owned)
}

fn check_phone(text: &str, (): &()) -> garde::Result {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let known = text.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c));
    if known && digits >= 5 && text.len() <= 32 {
        return Ok(());
    }
    Err(garde::Error::new("must be a telephone number of at most 32 characters"))
}

#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    #[garde(skip)]
    status: Option<Status>,
    /// For admins; a customer sees only their own.
    #[garde(length(chars, max = 255))]
    customer_id: Option<String>,
}

#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wait {
    /// Seconds to wait for another version than `If-None-Match` names, or than there is now.
    #[garde(range(max = MAX_WAIT_S))]
    #[param(maximum = 30)]
    wait: Option<u64>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(place, list))
        .routes(routes!(read))
        .routes(routes!(cancel))
        .routes(routes!(ship))
        .routes(routes!(deliver))
}

/// Whose orders `caller` may see: their own, or (`None`) everybody's.
pub(super) fn customer(caller: &Caller) -> Option<&str> {
    (!caller.is_admin()).then(|| caller.subject())
}

fn by(subject: &str, admin: bool) -> By {
    By { subject: subject.to_owned(), admin }
}

/// Place an order
///
/// It is answered as soon as it is safe; stock and payment follow, and the order's status tells of them.
#[utoipa::path(post, path = "/v1/orders", operation_id = "placeOrder", tag = "orders",
    params(("Idempotency-Key" = Option<String>, Header, max_length = 255)),
    request_body = NewOrder, responses((status = 201, body = Order)),
    security(("bearer" = []), ("password" = [])))]
async fn place(State(app): State<App>, caller: Caller, new: Incoming<NewOrder>) -> Result<Answered, Problem> {
    let (new, ticket) = new.by(caller.subject());
    let contact = new.contact.unwrap_or(NewContact { email: None, phone: None });
    // Somebody who wants to be reached by telephone only says so.
    let email = contact.email.or_else(|| address_of(&caller).filter(|_| contact.phone.is_none()));
    let lines = new.lines.iter().map(|line| WantedLine { product_id: line.product_id, quantity: line.quantity });
    let order_id = common::ids::new();
    let placement = Placement {
        order_id,
        customer_id: caller.subject().to_owned(),
        lines: lines.collect(),
        payment_method: new.payment_method,
        contact: Contact { email, phone: contact.phone },
        shipping_address: new.shipping_address,
    };
    submit(&app.writer, ticket.making(order_id), Command::Place(Box::new(placement))).await
}

/// Orders, newest first
///
/// A customer's own; for an admin everybody's.
#[utoipa::path(get, path = "/v1/orders", operation_id = "listOrders", tag = "orders", params(PagingParams, Filter),
    responses((status = 200, body = Page<Order>)), security(("bearer" = []), ("password" = [])))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    paging: Paging<Uuid>,
    Query(filter): Query<Filter>,
) -> Result<Page<Order>, Problem> {
    let wanted = filter.customer_id.as_deref();
    let customer = customer(&caller).or(wanted);
    if wanted.is_some_and(|wanted| Some(wanted) != customer) {
        return Err(Problem::forbidden());
    }
    let read = reads::orders_page(&app.pool, customer, filter.status, paging.after, paging.sql_limit());
    Ok(Page::new(&paging, db::bounded(read).await?, |order| order.id))
}

/// One order
///
/// With `wait`, the answer is held until the order changes, or 304 when time is up.
#[utoipa::path(get, path = "/v1/orders/{orderId}", operation_id = "getOrder", tag = "orders",
    params(("orderId" = Uuid, Path), Wait),
    responses((status = 200, body = Order), (status = 304, description = "`If-None-Match` names this version")),
    security(("bearer" = []), ("password" = [])))]
async fn read(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(Wait { wait }): Query<Wait>,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let customer = customer(&caller);
    let Some(wait) = wait else {
        let order = db::bounded(reads::order(&app.pool, id, customer)).await?.ok_or_else(order_not_found)?;
        return Ok(respond(&if_none_match, etag(order.version), Order::from(order)));
    };
    let until = Instant::now() + Duration::from_secs(wait);
    let mut first = None;
    loop {
        let version = db::bounded(reads::version(&app.pool, id, customer)).await?.ok_or_else(order_not_found)?;
        let seen = if if_none_match.is_present() {
            if_none_match.matches(&etag(version))
        } else {
            *first.get_or_insert(version) == version
        };
        if !seen {
            let order = db::bounded(reads::order(&app.pool, id, customer)).await?.ok_or_else(order_not_found)?;
            return Ok(respond(&if_none_match, etag(order.version), Order::from(order)));
        }
        if Instant::now() >= until || app.stopping.is_cancelled() {
            return Ok((StatusCode::NOT_MODIFIED, [(http::header::ETAG, etag(version))]).into_response());
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = app.stopping.cancelled() => {}
        }
    }
}

/// Cancel an order
///
/// Also one that is paid: it is refunded. 202 while stock and money are on their way back, 200 once they are.
#[utoipa::path(post, path = "/v1/orders/{orderId}/cancel", operation_id = "cancelOrder", tag = "orders",
    params(("orderId" = Uuid, Path)), request_body = Cancellation,
    responses((status = 202, body = Order), (status = 200, body = Order)),
    security(("bearer" = []), ("password" = [])))]
async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(order_id): Path<Uuid>,
    asked: Incoming<Cancellation>,
) -> Result<Answered, Problem> {
    let (Cancellation { reason }, ticket) = asked.by(caller.subject());
    let by = by(caller.subject(), caller.is_admin());
    submit(&app.writer, ticket, Command::Cancel { order_id, by, reason }).await
}

/// Tell that an order has left the house
#[utoipa::path(post, path = "/v1/orders/{orderId}/ship", operation_id = "shipOrder", tag = "orders",
    params(("orderId" = Uuid, Path)), request_body = NewShipment, responses((status = 200, body = Order)),
    security(("bearer" = []), ("password" = [])))]
async fn ship(
    State(app): State<App>,
    admin: Admin,
    Path(order_id): Path<Uuid>,
    new: Incoming<NewShipment>,
) -> Result<Answered, Problem> {
    let (NewShipment { carrier, tracking_number }, ticket) = new.by(admin.subject());
    let (by, shipment) = (by(admin.subject(), true), Shipment { carrier, tracking_number });
    submit(&app.writer, ticket, Command::Ship { order_id, by, shipment }).await
}

/// Tell that an order has arrived
#[utoipa::path(post, path = "/v1/orders/{orderId}/deliver", operation_id = "deliverOrder", tag = "orders",
    params(("orderId" = Uuid, Path)), responses((status = 200, body = Order)),
    security(("bearer" = []), ("password" = [])))]
async fn deliver(
    State(app): State<App>,
    admin: Admin,
    Path(order_id): Path<Uuid>,
    asked: Incoming<Nothing>,
) -> Result<Answered, Problem> {
    let (Nothing {}, ticket) = asked.by(admin.subject());
    let by = by(admin.subject(), true);
    submit(&app.writer, ticket, Command::Deliver { order_id, by }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_method_is_a_token() {
        for token in ["pm_card_visa", "pm_rtoms_timeout", "pm_1", "pm_1MqLiJ2345678k7ixUEgbFdYl"] {
            assert!(check_payment_method(token, &()).is_ok(), "{token}");
        }
        for wrong in [
            "",
            "pm_",
            "card",
            "4242424242424242",
            "4242 4242 4242 4242",
            "pm_card visa",
            "pm_4242424242424242",
            "pm_4242_4242_4242_4242",
            &format!("pm_{}", "x".repeat(62)),
        ] {
            assert!(check_payment_method(wrong, &()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_phone_number_has_digits() {
        assert!(check_phone("+49 (30) 123-45.67", &()).is_ok());
        for wrong in ["", "1234", "call me", "+49 30 1234567\n", &"1".repeat(33)] {
            assert!(check_phone(wrong, &()).is_err(), "{wrong}");
        }
    }
}
