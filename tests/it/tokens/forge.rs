//! Tokens as an issuer would sign them, but for what the test wants wrong.

use crate::shop::Shop;
use anyhow::{Result, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use testkit::api::Service;

/// Signs with a private key.
#[derive(Clone)]
pub(super) struct Forge {
    pub(super) kid: String,
    /// PKCS #8.
    pub(super) key: Vec<u8>,
    pub(super) issuer: String,
}

impl Forge {
    /// With the key that the fleet's own issuer signs with.
    pub(super) async fn of_the_fleet(shop: &Shop) -> Result<Self> {
        let (kid, key) = shop.ledger.signing_key().await?;
        Ok(Self { kid, key, issuer: shop.api.replicas(Service::Order)[0].clone() })
    }

    /// With both roles, and some claims changed; `null` takes one away.
    pub(super) fn token(&self, change: &Value) -> Result<String> {
        self.signed(&self.header(), &self.claims(change))
    }

    /// RFC 7519, section 6.
    pub(super) fn unsigned(&self) -> Result<String> {
        let header = json!({ "alg": "none", "typ": "JWT", "kid": self.kid });
        Ok(format!("{}.{}.", base64(&header), base64(&self.claims(&json!({})))))
    }

    /// A verifier that lets the token choose the algorithm takes the public key, which everybody knows, for a secret.
    pub(super) fn confused(&self) -> Result<String> {
        let public = self.public()?;
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::HS256) };
        Ok(encode(&header, &self.claims(&json!({})), &EncodingKey::from_secret(&public))?)
    }

    pub(super) fn without_kid(&self) -> Result<String> {
        self.signed(&Header::new(Algorithm::ES256), &self.claims(&json!({})))
    }

    /// With an extension that has to be understood (RFC 7515, section 4.1.11).
    pub(super) fn critical(&self) -> Result<String> {
        let header = Header { crit: Some(vec!["b64".to_owned()]), ..self.header() };
        self.signed(&header, &self.claims(&json!({})))
    }

    fn header(&self) -> Header {
        Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::ES256) }
    }

    fn signed(&self, header: &Header, claims: &Value) -> Result<String> {
        Ok(encode(header, claims, &EncodingKey::from_ec_der(&self.key))?)
    }

    fn claims(&self, change: &Value) -> Value {
        let mut claims = json!({
            "iss": self.issuer, "aud": "rtoms", "sub": "somebody", "iat": now(), "nbf": now(), "exp": now() + 300,
            "typ": "Bearer", "realm_access": { "roles": ["ADMIN", "CUSTOMER"] },
        });
        for (name, value) in change.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        if let Some(claims) = claims.as_object_mut() {
            claims.retain(|_, value| !value.is_null());
        }
        claims
    }

    fn public(&self) -> Result<Vec<u8>> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.key);
        Ok(pair.map_err(|_| anyhow!("no key"))?.public_key().as_ref().to_vec())
    }
}

/// A private key, and its public half as a JWK without an id.
pub(super) fn new_key() -> Result<(Vec<u8>, Jwk)> {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let key = key.map_err(|_| anyhow!("a key can't be made"))?.as_ref().to_vec();
    let public = Jwk::from_encoding_key(&EncodingKey::from_ec_der(&key), Algorithm::ES256)?;
    Ok((key, public))
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn base64(part: &Value) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part.to_string())
}
