//! Who calls, as handlers ask for it.

use super::verifier::{Refused, Verifier};
use crate::http::Problem;
use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use std::sync::Arc;

/// Somebody with a token: a CUSTOMER, who sees and changes what is theirs, or an ADMIN, who does so with everybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub(super) subject: String,
    pub(super) username: Option<String>,
    pub(super) email: Option<String>,
    pub(super) admin: bool,
    pub(super) customer: bool,
}

impl Caller {
    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// `preferred_username`.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.admin
    }
}

/// An ADMIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin(Caller);

impl Admin {
    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.subject()
    }
}

/// Somebody on a public route: with a token, which then has to be right, or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaybeCaller(pub Option<Caller>);

impl MaybeCaller {
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.0.as_ref().is_some_and(Caller::is_admin)
    }
}

impl<S: Sync> FromRequestParts<S> for MaybeCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.headers.get(AUTHORIZATION) {
            None => Ok(Self(None)),
            Some(_) => Ok(Self(Some(verified(parts).await?))),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = verified(parts).await?;
        if caller.customer || caller.admin { Ok(caller) } else { Err(Problem::forbidden()) }
    }
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = verified(parts).await?;
        if caller.admin { Ok(Self(caller)) } else { Err(Problem::forbidden()) }
    }
}

async fn verified(parts: &Parts) -> Result<Caller, Problem> {
    let token = bearer(parts).ok_or_else(Problem::unauthorized)?;
    let Some(verifier) = parts.extensions.get::<Arc<Verifier>>() else {
        tracing::error!("the routes have no verifier of tokens");
        return Err(Problem::internal());
    };
    verifier.verify(token).await.map_err(|refused| match refused {
        Refused::NoKeys => Problem::unavailable(),
        Refused::Invalid(why) => Problem::invalid_token(why),
    })
}

/// RFC 6750, section 2.1; the scheme in any case (RFC 9110, section 11.1).
fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}
