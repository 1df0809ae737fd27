//! Whether a token is to be believed, and whom it speaks of.

use super::extract::Caller;
use super::keys::{KeySet, Keys};
use super::remote::Refresher;
use crate::http::health::Condition;
use jsonwebtoken::{Validation, decode, decode_header};
use moka::sync::Cache;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Clocks of issuer and service differ by moments.
const LEEWAY_S: u64 = 5;
/// The longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The longest subject.
const MAX_SUBJECT: usize = 255;
/// How many verified tokens are remembered.
const MAX_REMEMBERED: u64 = 20_000;

/// What a token has to claim.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `iss`, to the letter.
    pub issuer: String,
    /// Named by `aud`.
    pub audience: String,
    /// Where the roles are, such as `realm_access.roles`.
    pub roles_claim: String,
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are no keys yet: nobody can say.
    #[error("the issuer's keys are not known yet")]
    NoKeys,
    /// In words for the client, which tell nothing of the keys.
    #[error("{0}")]
    Invalid(&'static str),
}

/// Verifies tokens of one issuer.
pub struct Verifier {
    pub(super) settings: Settings,
    pub(super) keys: Keys,
    pub(super) refresher: Option<Refresher>,
    /// By the hash of the whole token.
    pub(super) verified: Cache<[u8; 32], Arc<Verified>>,
}

pub(super) struct Verified {
    caller: Caller,
    expires_at: u64,
    generation: u64,
}

impl Verifier {
    /// With keys that somebody in this process publishes.
    #[must_use]
    pub fn new(settings: Settings, keys: Keys) -> Self {
        Self::with(settings, keys, None)
    }

    pub(super) fn with(settings: Settings, keys: Keys, refresher: Option<Refresher>) -> Self {
        Self { settings, keys, refresher, verified: Cache::new(MAX_REMEMBERED) }
    }

    /// For `/readyz`: red as long as there were never any keys.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match (&*self.keys.borrow(), &self.refresher) {
            (None, _) => Condition::Down,
            (Some(_), Some(refresher)) => Condition::degraded_unless(refresher.issuer_answers()),
            (Some(_), None) => Condition::Up,
        }
    }

    /// Whom `token` speaks of.
    ///
    /// # Errors
    /// Why it is not to be believed.
    pub async fn verify(&self, token: &str) -> Result<Caller, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refused::Invalid("the token is too long"));
        }
        let keys = self.keys.borrow().clone().ok_or(Refused::NoKeys)?;
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.verified.get(&hash)
            && known.generation == keys.generation
            && known.expires_at.saturating_add(LEEWAY_S) > common::clock::unix_seconds()
        {
            return Ok(known.caller.clone());
        }
        let header = decode_header(token).map_err(|_| Refused::Invalid("the token can't be read"))?;
        if header.crit.is_some() {
            // RFC 7515, section 4.1.11: it names what has to be understood, and nothing of it is.
            return Err(Refused::Invalid("the token's header asks for what is not known"));
        }
        let kid = header.kid.ok_or(Refused::Invalid("the token names no key"))?;
        let keys = self.keys_with(keys, &kid).await;
        let verified = verify(&self.settings, &keys, &kid, token)?;
        let caller = verified.caller.clone();
        self.verified.insert(hash, Arc::new(verified));
        Ok(caller)
    }

    /// A key that is not known may be a new one: then, and not too often, the issuer is asked.
    async fn keys_with(&self, keys: Arc<KeySet>, kid: &str) -> Arc<KeySet> {
        match &self.refresher {
            Some(refresher) if keys.get(kid).is_none() => {
                refresher.refresh().await;
                self.keys.borrow().clone().unwrap_or(keys)
            }
            _ => keys,
        }
    }
}

fn verify(settings: &Settings, keys: &KeySet, kid: &str, token: &str) -> Result<Verified, Refused> {
    let key = keys.get(kid).ok_or(Refused::Invalid("the token's key is not known"))?;
    let mut validation = Validation::new(key.algorithm);
    validation.leeway = LEEWAY_S;
    validation.validate_nbf = true;
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&[&settings.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims: Map<String, Value> =
        decode(token, &key.decoding, &validation).map_err(|error| Refused::Invalid(reason(error.kind())))?.claims;
    // A refresh token or an ID token is signed by the same keys.
    if claims.get("typ").is_some_and(|typ| typ.as_str() != Some("Bearer")) {
        return Err(Refused::Invalid("the token is no access token"));
    }
    // nbf of another type than a number would not be looked at.
    if claims.get("nbf").is_some_and(|nbf| !nbf.is_number()) {
        return Err(Refused::Invalid("nbf is no number"));
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    let subject = text("sub").filter(|sub| !sub.is_empty() && sub.chars().count() <= MAX_SUBJECT);
    let roles = roles(&claims, &settings.roles_claim);
    let has = |role: &str| roles.is_some_and(|roles| roles.iter().any(|r| r == role));
    Ok(Verified {
        caller: Caller {
            subject: subject.ok_or(Refused::Invalid("sub is no text of 1 to 255 characters"))?,
            username: text("preferred_username"),
            email: text("email"),
            admin: has("ADMIN"),
            customer: has("CUSTOMER"),
        },
        expires_at: claims.get("exp").and_then(numeric_date).ok_or(Refused::Invalid("exp is no number"))?,
        generation: keys.generation,
    })
}

/// The list at a path of names such as `realm_access.roles`.
fn roles<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Vec<Value>> {
    let mut names = path.split('.');
    let first = claims.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))?.as_array()
}

/// RFC 7519 allows fractions.
fn numeric_date(value: &Value) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a second is dropped")]
    value.as_u64().or_else(|| value.as_f64().filter(|date| *date >= 0.0).map(|date| date as u64))
}

fn reason(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        ErrorKind::InvalidSignature => "the signature does not fit",
        ErrorKind::InvalidAlgorithm => "the algorithm is not the key's",
        _ => "the token can't be read",
    }
}
