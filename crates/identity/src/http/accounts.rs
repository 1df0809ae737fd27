//! `/auth/register` and `/auth/userinfo`.

use crate::Identity;
use crate::accounts::{self, Account, NewAccount, Taken};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::clock;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use service_kit::auth::Caller;
use service_kit::http::rules::line;
use service_kit::{Json, Problem, db};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Registration {
    /// Letters, digits, and . _ - in between.
    #[garde(custom(|name: &String, (): &()| check_username(name).map_err(garde::Error::new)))]
    #[schema(min_length = 3, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "newcustomer")]
    username: String,
    #[garde(email, length(chars, max = 254))]
    #[schema(max_length = 254, example = "newcustomer@example.com")]
    email: String,
    #[garde(custom(|password: &String, (): &()| check_password(password).map_err(garde::Error::new)))]
    #[schema(min_length = 8, max_length = 128, example = "a long passphrase")]
    password: String,
    #[garde(inner(custom(line(200))))]
    #[schema(max_length = 200)]
    name: Option<String>,
}

/// # Errors
/// A sentence for the person who chose it.
pub(crate) fn check_username(name: &str) -> Result<(), &'static str> {
    let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (3..=64).contains(&name.len())
        && name.chars().all(known)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
    {
        return Ok(());
    }
    Err("must be 3 to 64 letters, digits, and . _ - in between")
}

/// # Errors
/// A sentence for the person who chose it.
pub(crate) fn check_password(password: &str) -> Result<(), &'static str> {
    if (8..=128).contains(&password.chars().count()) { Ok(()) } else { Err("must have 8 to 128 characters") }
}

#[derive(Serialize, ToSchema)]
struct Registered {
    id: Uuid,
    username: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    roles: Vec<String>,
}

/// OpenID Connect Core 1.0, section 5.3.
#[derive(Serialize, ToSchema)]
struct UserInfo {
    sub: Uuid,
    preferred_username: String,
    /// Not of an administrator that was made at the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    roles: Vec<String>,
}

pub(super) fn routes() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().routes(routes!(register)).routes(routes!(userinfo))
}

/// Become a customer
#[utoipa::path(post, path = "/auth/register", operation_id = "register", tag = "tokens", request_body = Registration,
    responses((status = 201, body = Registered)), security(()))]
async fn register(State(identity): State<Identity>, Json(new): Json<Registration>) -> Result<Response, Problem> {
    let inner = &identity.inner;
    let password_hash = inner.passwords.hash(new.password).await.map_err(|error| {
        tracing::warn!("a password was not hashed: {error:#}");
        Problem::busy()
    })?;
    let account = NewAccount {
        id: common::ids::new(),
        username: new.username,
        email: Some(new.email.clone()),
        name: new.name,
        password_hash,
        roles: vec!["CUSTOMER".to_owned()],
    };
    match db::bounded(accounts::insert(&inner.pool, &account, clock::now())).await? {
        Ok(()) => {
            let Account { id, username, name, roles, .. } = account;
            Ok((StatusCode::CREATED, Json(Registered { id, username, email: new.email, name, roles })).into_response())
        }
        Err(Taken) => Err(Problem::conflict("username_taken", "another account has this username")),
    }
}

/// Who the token speaks of
#[utoipa::path(get, path = "/auth/userinfo", operation_id = "userinfo", tag = "tokens",
    responses((status = 200, body = UserInfo)), security(("bearer" = []), ("password" = [])))]
async fn userinfo(State(identity): State<Identity>, caller: Caller) -> Result<Json<UserInfo>, Problem> {
    let id = Uuid::parse_str(caller.subject()).map_err(|_| Problem::not_found("account_not_found"))?;
    let account = db::bounded(accounts::by_id(&identity.inner.pool, id)).await?;
    let Account { id, username, email, name, roles, .. } =
        account.ok_or_else(|| Problem::not_found("account_not_found"))?;
    Ok(Json(UserInfo { sub: id, preferred_username: username, email, name, roles }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_and_passwords_have_bounds() {
        for right in ["abc", "a.b_c-1", &"x".repeat(64)] {
            assert!(check_username(right).is_ok(), "{right}");
        }
        for wrong in ["", "ab", ".abc", "a b c", "äbc", "a\nbc", &"x".repeat(65)] {
            assert!(check_username(wrong).is_err(), "{wrong}");
        }
        assert!(check_password("12345678").is_ok() && check_password(&"ä".repeat(128)).is_ok());
        assert!(check_password("1234567").is_err() && check_password(&"x".repeat(129)).is_err());
    }
}
