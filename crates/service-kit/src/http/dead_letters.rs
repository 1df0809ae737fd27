//! `/v1/admin/dead-letters`, the same at every service: records that were given up, and what admins do about them.

mod resource;

use super::answer::Answered;
use super::incoming::Incoming;
use super::page::{Page, Paging, PagingParams};
use super::params::{Path, Query};
use super::problem::Problem;
use super::{Json, rules};
use crate::auth::Admin;
use crate::db;
use axum::extract::State;
use engine::{DeadLetters, Decided};
use garde::Validate;
use resource::{DeadLetter, Settled, Status};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// The longest reason, in characters.
const MAX_REASON: usize = 200;

#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    #[garde(skip)]
    status: Option<Status>,
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Redrive {
    /// Why it should go well now.
    #[garde(inner(custom(rules::line(MAX_REASON))))]
    #[schema(max_length = 200, nullable = false)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Discard {
    /// Why nothing is lost without it.
    #[garde(custom(rules::line(MAX_REASON)))]
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

pub(crate) fn routes() -> OpenApiRouter<DeadLetters> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read)).routes(routes!(redrive)).routes(routes!(discard))
}

/// Records that were given up, newest first
#[utoipa::path(get, path = "/v1/admin/dead-letters", operation_id = "listDeadLetters", tag = "operations",
    params(PagingParams, Filter), responses((status = 200, body = Page<DeadLetter>)),
    security(("bearer" = []), ("password" = [])))]
async fn list(
    State(letters): State<DeadLetters>,
    _: Admin,
    paging: Paging<Uuid>,
    Query(filter): Query<Filter>,
) -> Result<Page<DeadLetter>, Problem> {
    let read = letters.page(filter.status.map(Into::into), paging.after, paging.sql_limit());
    Ok(Page::new(&paging, db::bounded(read).await?, |letter| letter.id))
}

/// One record that was given up
#[utoipa::path(get, path = "/v1/admin/dead-letters/{id}", operation_id = "getDeadLetter", tag = "operations",
    params(("id" = Uuid, Path)), responses((status = 200, body = DeadLetter)),
    security(("bearer" = []), ("password" = [])))]
async fn read(State(letters): State<DeadLetters>, _: Admin, Path(id): Path<Uuid>) -> Result<Json<DeadLetter>, Problem> {
    Ok(Json(find(&letters, id).await?.into()))
}

/// Apply a record again
///
/// What the record does is committed together with the letter's new status, so that it is done once, however often this
/// is asked for. `status` of the answer tells whether it went well: a record that fails again stays `dead`, with its new
/// cause.
#[utoipa::path(post, path = "/v1/admin/dead-letters/{id}/redrive", operation_id = "redriveDeadLetter",
    tag = "operations", request_body = Redrive,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, max_length = 255)),
    responses((status = 202, body = Settled)), security(("bearer" = []), ("password" = [])))]
async fn redrive(
    State(letters): State<DeadLetters>,
    admin: Admin,
    Path(id): Path<Uuid>,
    asked: Incoming<Redrive>,
) -> Result<Answered, Problem> {
    let (Redrive { reason }, ticket) = asked.by(admin.subject());
    let letter = find(&letters, id).await?;
    if letter.truncated {
        let detail = "the record was larger than what is kept of it, so it can't be applied again";
        return Err(Problem::conflict("dead_letter_truncated", detail));
    }
    let decided = Decided { by: admin.subject().to_owned(), reason };
    Ok(Answered(letters.redrive(&letter, ticket.request(decided)).await?))
}

/// Pass a record by for good
#[utoipa::path(post, path = "/v1/admin/dead-letters/{id}/discard", operation_id = "discardDeadLetter",
    tag = "operations", request_body = Discard,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, max_length = 255)),
    responses((status = 202, body = Settled)), security(("bearer" = []), ("password" = [])))]
async fn discard(
    State(letters): State<DeadLetters>,
    admin: Admin,
    Path(id): Path<Uuid>,
    asked: Incoming<Discard>,
) -> Result<Answered, Problem> {
    let (Discard { reason }, ticket) = asked.by(admin.subject());
    let decided = Decided { by: admin.subject().to_owned(), reason: Some(reason) };
    Ok(Answered(letters.discard(id, ticket.request(decided)).await?))
}

async fn find(letters: &DeadLetters, id: Uuid) -> Result<engine::DeadLetter, Problem> {
    db::bounded(letters.find(id)).await?.ok_or_else(|| Problem::not_found("dead_letter_not_found"))
}
