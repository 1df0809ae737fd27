//! Tokens that are believed, and all those that are not, by every service.

mod forge;
mod provider;

use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use forge::{Forge, now};
use futures::future::try_join_all;
use provider::Provider;
use reqwest::StatusCode;
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};
use testkit::annex::free_url;
use testkit::api::Service;
use testkit::eventually::{becomes, eventually};

/// A route of each service that whoever has both roles may read. That of product is public: there a token is not
/// needed, but one that is sent has to be right.
const ROUTES: [(Service, &str); 5] = [
    (Service::Product, "/v1/products"),
    (Service::Inventory, "/v1/inventory"),
    (Service::Order, "/v1/orders"),
    (Service::Payment, "/v1/payments"),
    (Service::Notification, "/v1/notifications"),
];

/// What a service said of a token.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    status: StatusCode,
    challenge: Option<String>,
    problem: Value,
}

async fn said(http: &reqwest::Client, url: &str, token: Option<&str>) -> Result<Said> {
    let request = http.get(url);
    let answer = token.map_or(request.try_clone().context("a GET can be cloned")?, |token| request.bearer_auth(token));
    let answer = answer.send().await?;
    let challenge =
        answer.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().map(str::to_owned)).transpose()?;
    Ok(Said { status: answer.status(), challenge, problem: answer.json().await? })
}

/// The fleet's own key signs the whole matrix, so that each token fails by the one thing that is wrong in it.
pub(crate) async fn a_wrong_token_is_a_401_everywhere(shop: Shop) -> Result<()> {
    let http = client()?;
    let forge = Forge::of_the_fleet(&shop).await?;
    let matrix = matrix(&forge, &shop).await?;
    // Each replica of each service.
    let routes = ROUTES.iter().flat_map(|(service, path)| {
        shop.api.replicas(*service).iter().map(move |replica| (*service, format!("{replica}{path}")))
    });
    try_join_all(routes.map(|(service, url)| {
        let (http, forge, matrix) = (&http, &forge, &matrix);
        async move {
            let control = said(http, &url, Some(&forge.token(&json!({}))?)).await?;
            ensure!(control.status == 200, "{url} refuses what is right: {control:?}");
            for (wrong, token) in matrix {
                let refused = said(http, &url, Some(token)).await?;
                let challenge = refused.challenge.as_deref().unwrap_or_default();
                ensure!(
                    refused.status == 401
                        && refused.problem["code"] == "unauthorized"
                        && challenge.starts_with("Bearer realm=\"rtoms\", error=\"invalid_token\", error_description="),
                    "{url}, {wrong}: {refused:?}"
                );
            }
            if service != Service::Product {
                let without = said(http, &url, None).await?;
                let silent = without.challenge.as_deref() == Some("Bearer realm=\"rtoms\"");
                ensure!(without.status == 401 && silent, "{url}, no token: {without:?}");
            }
            let control = said(http, &url, Some(&forge.token(&json!({}))?)).await?;
            ensure!(control.status == 200, "{url} refuses what is right after all that: {control:?}");
            Ok(())
        }
    }))
    .await?;
    Ok(())
}

/// What is wrong, and the token.
async fn matrix(forge: &Forge, shop: &Shop) -> Result<Vec<(String, String)>> {
    let mut matrix: Vec<(String, String)> = Vec::new();
    for wrong in [
        json!({ "exp": now() - 60 }),
        json!({ "exp": null }),
        json!({ "exp": "tomorrow" }),
        json!({ "nbf": now() + 600 }),
        json!({ "nbf": "tomorrow" }),
        json!({ "iss": "http://issuer.example" }),
        json!({ "iss": null }),
        json!({ "iss": ["http://issuer.example"] }),
        json!({ "aud": "another" }),
        json!({ "aud": ["another", "account"] }),
        json!({ "aud": 7 }),
        json!({ "aud": { "rtoms": true } }),
        json!({ "aud": null }),
        json!({ "sub": null }),
        json!({ "sub": 7 }),
        json!({ "typ": "ID" }),
        json!({ "typ": "Refresh" }),
    ] {
        matrix.push((wrong.to_string(), forge.token(&wrong)?));
    }
    let right = forge.token(&json!({}))?;
    let (signed, signature) = right.rsplit_once('.').context("a token has a signature")?;
    let stranger = Forge { key: forge::new_key()?.0, ..forge.clone() };
    let unknown = Forge { kid: "nobody-has-this-key".to_owned(), ..stranger.clone() };
    let refresh_token = refresh_token(shop).await?;
    for (wrong, token) in [
        ("alg none", forge.unsigned()?),
        ("HS256, signed with the public key", forge.confused()?),
        ("another key under a known kid", stranger.token(&json!({}))?),
        ("an unknown kid", unknown.token(&json!({}))?),
        ("no kid", forge.without_kid()?),
        ("a critical header", forge.critical()?),
        ("a cut signature", format!("{signed}.{}", &signature[..signature.len() / 2])),
        ("no signature", format!("{signed}.")),
        ("a refresh token", refresh_token),
        ("no token at all", "x".to_owned()),
    ] {
        matrix.push((wrong.to_owned(), token));
    }
    Ok(matrix)
}

async fn refresh_token(shop: &Shop) -> Result<String> {
    let form = [("grant_type", "password"), ("username", "customeruser"), ("password", "customer123")];
    let token = shop.api.anonymous().form("/auth/token", &form).await?.expect(200)?;
    Ok(token["refresh_token"].as_str().context("a refresh token")?.to_owned())
}

/// Another issuer than the built-in one: away at first, then with a key, then with another, then away again.
pub(crate) async fn keys_come_from_any_issuer(shop: Shop) -> Result<()> {
    let http = client()?;
    let (issuer, url) = (free_url()?, free_url()?);
    let annex = shop.annex().await?;
    let service = annex.launch(Service::Product, &url, &issuer, &[("OIDC_REFRESH_S", "1")])?;
    let (key, public) = forge::new_key()?;
    let one = Forge { kid: "one".to_owned(), key, issuer: issuer.clone() };
    let (key, next_public) = forge::new_key()?;
    let two = Forge { kid: "two".to_owned(), key, issuer: issuer.clone() };
    let asks = async |forge: &Forge| said(&http, &format!("{url}/v1/products"), Some(&forge.token(&json!({}))?)).await;

    let without = eventually("an answer", || async { Ok(Some(asks(&one).await?)) }).await?;
    ensure!(without.status == 503 && without.problem["code"] == "unavailable", "without keys: {without:?}");
    let unready = http.get(format!("{url}/readyz")).send().await?;
    ensure!(unready.status() == 503, "without keys it is not ready");

    let provider = Provider::serve(&issuer, &[("one", &public)]).await?;
    service.ready().await?;
    ensure!(asks(&one).await?.status == 200);
    let unknown = asks(&two).await?;
    ensure!(unknown.status == 401, "a key that is not published: {unknown:?}");
    provider.publish(&[("one", &public), ("two", &next_public)]);
    becomes("a new key", 200, || async { Ok(asks(&two).await?.status.as_u16()) }).await?;
    ensure!(asks(&one).await?.status == 200, "the old key is still published");
    provider.publish(&[("two", &next_public)]);
    becomes("a withdrawn key", 401, || async { Ok(asks(&one).await?.status.as_u16()) }).await?;

    drop(provider);
    becomes("an issuer that is away", json!("degraded"), || async {
        let ready: Value = http.get(format!("{url}/readyz")).send().await?.json().await?;
        Ok(ready["checks"]["issuer"].clone())
    })
    .await?;
    ensure!(asks(&two).await?.status == 200, "its keys are good for a while without it");
    Ok(())
}

fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(20)).build()?)
}
