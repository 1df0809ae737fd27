//! The issuer's endpoints, as OpenID Connect clients know them.

mod accounts;
mod discovery;
mod token;

pub(crate) use accounts::{check_password, check_username};

use crate::Identity;
use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub(crate) fn router(identity: Identity) -> Router {
    routes().with_state(identity).into()
}

/// The issuer's part of the order service's specification.
#[must_use]
pub fn openapi() -> OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().merge(accounts::routes()).merge(token::routes()).merge(discovery::routes())
}
