//! `/v1/reservations`: what orders hold.

use super::App;
use crate::domain::{self, Status};
use crate::store::reads;
use axum::extract::State;
use serde::Serialize;
use service_kit::auth::Admin;
use service_kit::{Json, Path, Problem, db};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// What an order holds, or held.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Reservation {
    order_id: Uuid,
    status: Status,
    /// What the order asks for: all of it is held, or nothing.
    lines: Vec<ReservationLine>,
    /// Why it is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "out_of_stock")]
    reason: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReservationLine {
    product_id: Uuid,
    #[schema(example = 2, minimum = 1)]
    quantity: u32,
}

impl From<domain::Reservation> for Reservation {
    fn from(reservation: domain::Reservation) -> Self {
        let domain::Reservation { order_id, status, lines, reason, .. } = reservation;
        let lines = lines.unwrap_or_default().into_iter();
        let lines = lines.map(|(product_id, quantity)| ReservationLine { product_id, quantity }).collect();
        Self { order_id, status, lines, reason }
    }
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read))
}

/// The reservation of an order
#[utoipa::path(get, path = "/v1/reservations/{orderId}", operation_id = "getReservation", tag = "reservations", params(("orderId" = Uuid, Path)),
    responses((status = 200, body = Reservation)), security(("bearer" = []), ("password" = [])))]
async fn read(State(app): State<App>, _: Admin, Path(order_id): Path<Uuid>) -> Result<Json<Reservation>, Problem> {
    let reservation = db::bounded(reads::reservation(&app.pool, order_id)).await?;
    reservation.map(|found| Json(found.into())).ok_or_else(|| Problem::not_found("reservation_not_found"))
}
