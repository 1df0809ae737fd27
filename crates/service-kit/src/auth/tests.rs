//! The tokens that are believed, and all those that are not.

use super::keys::{KeySet, publish};
use super::verifier::{Refused, Settings, Verifier};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

struct Issuer {
    key: EncodingKey,
    public: Vec<u8>,
    jwk: Jwk,
}

fn issuer(kid: &str) -> Issuer {
    let rng = aws_lc_rs::rand::SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    let key = EncodingKey::from_ec_der(pkcs8.as_ref());
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    Issuer { key, public: pair.public_key().as_ref().to_vec(), jwk }
}

fn verifier(keys: &[&Issuer]) -> Verifier {
    let jwks = JwkSet { keys: keys.iter().map(|issuer| issuer.jwk.clone()).collect() };
    let settings = Settings {
        issuer: "https://issuer.example".to_owned(),
        audience: "rtoms".to_owned(),
        roles_claim: "realm_access.roles".to_owned(),
    };
    Verifier::new(settings, publish(Some(KeySet::of(&jwks))).1)
}

fn now() -> u64 {
    common::clock::unix_seconds()
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer.example", "aud": "rtoms", "sub": "somebody", "exp": now() + 60, "typ": "Bearer",
        "email": "somebody@example.com", "realm_access": { "roles": ["CUSTOMER"] },
    })
}

fn header(kid: &str) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) }
}

/// The claims with some changed; `null` takes one away.
fn token(issuer: &Issuer, change: &Value) -> String {
    let mut claims = claims();
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    encode(&header("one"), &claims, &issuer.key).unwrap()
}

#[tokio::test]
async fn a_right_token_names_its_caller() {
    let issuer = issuer("one");
    let verifier = verifier(&[&issuer]);
    let caller = verifier.verify(&token(&issuer, &json!({}))).await.unwrap();
    assert_eq!(
        (caller.subject(), caller.email(), caller.is_admin()),
        ("somebody", Some("somebody@example.com"), false)
    );
    let others = json!({ "aud": ["account", "rtoms"], "typ": null, "realm_access": { "roles": ["ADMIN", "x"] } });
    assert!(verifier.verify(&token(&issuer, &others)).await.unwrap().is_admin());
    let nbf = json!({ "nbf": now() - 1 });
    assert!(verifier.verify(&token(&issuer, &nbf)).await.is_ok());
}

#[tokio::test]
async fn a_token_may_last_for_ever() {
    let issuer = issuer("one");
    let verifier = verifier(&[&issuer]);
    let token = token(&issuer, &json!({ "exp": u64::MAX }));
    assert!(verifier.verify(&token).await.is_ok() && verifier.verify(&token).await.is_ok(), "from memory too");
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let issuer = issuer("one");
    let verifier = verifier(&[&issuer]);
    for wrong in [
        json!({ "exp": now() - 60 }),
        json!({ "exp": null }),
        json!({ "exp": "tomorrow" }),
        json!({ "nbf": now() + 60 }),
        json!({ "nbf": "tomorrow" }),
        json!({ "iss": "https://other.example" }),
        json!({ "iss": 7 }),
        json!({ "iss": null }),
        json!({ "aud": "other" }),
        json!({ "aud": 7 }),
        json!({ "aud": null }),
        json!({ "aud": [] }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": "x".repeat(256) }),
        json!({ "typ": "Refresh" }),
        json!({ "typ": "ID" }),
    ] {
        let refused = verifier.verify(&token(&issuer, &wrong)).await;
        assert!(matches!(refused, Err(Refused::Invalid(_))), "{wrong}: {refused:?}");
    }
}

#[tokio::test]
async fn wrong_signatures_are_refused() {
    let (one, two) = (issuer("one"), issuer("two"));
    let verifier = verifier(&[&one]);
    let right = token(&one, &json!({}));
    let body = right.split('.').nth(1).unwrap();
    let part = |value: Value| BASE64.encode(value.to_string());
    let unsigned = format!("{}.{body}.", part(json!({ "alg": "none", "kid": "one", "typ": "JWT" })));
    let secret = EncodingKey::from_secret(&one.public);
    let hs256 = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
    let critical = Header { crit: Some(vec!["b64".to_owned()]), ..header("one") };
    for (what, wrong) in [
        ("another key", encode(&header("one"), &claims(), &two.key).unwrap()),
        ("an unknown key", encode(&header("two"), &claims(), &two.key).unwrap()),
        ("no key", encode(&Header::new(Algorithm::ES256), &claims(), &one.key).unwrap()),
        ("no algorithm", unsigned),
        ("HS256 with the public key", encode(&hs256, &claims(), &secret).unwrap()),
        ("a header that asks for more", encode(&critical, &claims(), &one.key).unwrap()),
        ("a cut signature", right[..right.len() - 10].to_owned()),
        ("no signature", right.rsplit_once('.').unwrap().0.to_owned()),
        ("nothing", String::new()),
        ("too much", "x".repeat(9000)),
    ] {
        let refused = verifier.verify(&wrong).await;
        assert!(matches!(refused, Err(Refused::Invalid(_))), "{what}: {refused:?}");
    }
    assert!(verifier.verify(&right).await.is_ok(), "nothing of this spoils a right token");
}

#[tokio::test]
async fn without_keys_nobody_can_say() {
    let settings = Settings { issuer: String::new(), audience: String::new(), roles_claim: String::new() };
    let (_sender, keys) = publish(None);
    assert_eq!(Verifier::new(settings, keys).verify("a.b.c").await, Err(Refused::NoKeys));
}

#[tokio::test]
async fn a_key_that_is_withdrawn_takes_its_tokens_with_it() {
    let (one, two) = (issuer("one"), issuer("two"));
    let set = |issuer: &Issuer| KeySet::of(&JwkSet { keys: vec![issuer.jwk.clone()] });
    let (sender, keys) = publish(Some(set(&one)));
    let verifier = Verifier { keys, ..verifier(&[]) };
    let token = token(&one, &json!({}));
    assert!(verifier.verify(&token).await.is_ok() && verifier.verify(&token).await.is_ok(), "from memory too");
    sender.send_replace(Some(set(&two).into()));
    assert_eq!(verifier.verify(&token).await, Err(Refused::Invalid("the token's key is not known")));
}

#[test]
fn symmetric_keys_and_keys_for_encryption_are_left_out() {
    let secret = json!({ "kty": "oct", "kid": "s", "k": "c2VjcmV0" });
    let mut encryption = serde_json::to_value(issuer("e").jwk).unwrap();
    encryption["use"] = json!("enc");
    let jwks: JwkSet = serde_json::from_value(json!({ "keys": [secret, encryption] })).unwrap();
    assert!(KeySet::of(&jwks).is_empty());
}

#[test]
fn keys_of_unknown_kinds_do_not_hide_the_others() {
    let known = serde_json::to_value(issuer("known").jwk).unwrap();
    let document = json!({ "keys": [{ "kty": "AKP", "kid": "x", "alg": "ML-DSA-44", "pub": "AA" }, known, 7] });
    let keys = KeySet::read(document.to_string().as_bytes()).unwrap();
    assert!(keys.get("known").is_some() && keys.get("x").is_none());
    assert!(KeySet::read(b"{}").is_err());
}
