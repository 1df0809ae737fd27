//! Access tokens: JWTs (RFC 7519) signed with ES256.

use crate::accounts::Account;
use crate::keys::Signer;
use common::clock;
use jsonwebtoken::{Algorithm, Header, encode};
use serde::Serialize;
use time::Duration;
use uuid::Uuid;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: Uuid,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: Uuid,
    typ: &'static str,
    preferred_username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    realm_access: RealmAccess<'a>,
}

/// Where Keycloak has the roles.
#[derive(Serialize)]
struct RealmAccess<'a> {
    roles: &'a [String],
}

/// A token for `account`.
pub(crate) fn access(
    signer: &Signer,
    issuer: &str,
    audience: &str,
    ttl: Duration,
    account: &Account,
) -> Result<String, jsonwebtoken::errors::Error> {
    let now = clock::unix_seconds();
    let claims = Claims {
        iss: issuer,
        aud: audience,
        sub: account.id,
        exp: now + ttl.whole_seconds().unsigned_abs(),
        nbf: now,
        iat: now,
        jti: common::ids::new(),
        typ: "Bearer",
        preferred_username: &account.username,
        email: account.email.as_deref(),
        name: account.name.as_deref(),
        realm_access: RealmAccess { roles: &account.roles },
    };
    encode(&Header { kid: Some(signer.kid.clone()), ..Header::new(Algorithm::ES256) }, &claims, &signer.key)
}
