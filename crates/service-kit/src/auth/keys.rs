//! Public keys that verify tokens, each with the one algorithm that it is for.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// The keys of an issuer at one time; `None` before the first.
pub type Keys = watch::Receiver<Option<Arc<KeySet>>>;

/// A place to publish keys to, for an issuer in the same process.
#[must_use]
pub fn publish(first: Option<KeySet>) -> (watch::Sender<Option<Arc<KeySet>>>, Keys) {
    watch::channel(first.map(Arc::new))
}

/// Keys by their id.
#[derive(Debug)]
pub struct KeySet {
    keys: HashMap<String, Key>,
    /// Never the same twice in a process, so that what was verified with another set is verified again.
    pub(super) generation: u64,
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl KeySet {
    /// Takes what can verify a signature; never a symmetric key, nor one for encryption.
    #[must_use]
    pub fn of(jwks: &JwkSet) -> Self {
        static GENERATIONS: AtomicU64 = AtomicU64::new(0);
        let keys = jwks.keys.iter().filter_map(|jwk| Some((jwk.common.key_id.clone()?, key(jwk)?))).collect();
        Self { keys, generation: GENERATIONS.fetch_add(1, Ordering::Relaxed) }
    }

    /// From a document as RFC 7517 has it; keys of kinds that are not known here are passed over (section 5).
    pub(super) fn read(document: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let Document { keys } = serde_json::from_slice(document)?;
        let keys = keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        Ok(Self::of(&JwkSet { keys }))
    }

    pub(super) fn get(&self, kid: &str) -> Option<&Key> {
        self.keys.get(kid)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn key(jwk: &Jwk) -> Option<Key> {
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let by_kind = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => Algorithm::ES256,
            EllipticCurve::P384 => Algorithm::ES384,
            _ => return None,
        },
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::OctetKeyPair(_) => Algorithm::EdDSA,
        _ => return None,
    };
    // What the key says of itself, within its kind.
    let algorithm = match jwk.common.key_algorithm {
        Some(named) => Algorithm::from_str(&named.to_string()).ok().filter(|a| a.family() == by_kind.family())?,
        None => by_kind,
    };
    Some(Key { algorithm, decoding: DecodingKey::from_jwk(jwk).ok()? })
}
