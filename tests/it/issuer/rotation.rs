//! One key follows the other while tokens are in use.

use super::{Account, refresh, text};
use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use testkit::annex::{api_of, free_url};
use testkit::api::{Service, User};
use testkit::eventually::{PATIENCE, becomes};
use tokio::time::sleep;

/// Short times, in the proportions of the real ones.
const TIMES: [(&str, &str); 4] =
    [("OIDC_REFRESH_S", "2"), ("SIGNING_KEY_AHEAD_S", "6"), ("SIGNING_KEY_TTL_S", "3"), ("ACCESS_TOKEN_TTL_S", "8")];
/// How long services keep the keys that they have fetched.
const CACHED: Duration = Duration::from_secs(2);
const ACCESS_TTL: Duration = Duration::from_secs(8);
/// How many keys have to sign, one after the other.
const KEYS: usize = 3;

/// Two replicas of the issuer, and a service that only knows the published keys.
pub(crate) async fn keys_rotate_and_no_token_is_refused(shop: Shop) -> Result<()> {
    let annex = shop.annex().await?;
    let (issuer, replica, verifier) = (free_url()?, free_url()?, free_url()?);
    let issuing = [
        annex.launch(Service::Order, &issuer, &issuer, &with_database(&annex.database_url("identity")?))?,
        annex.launch(Service::Order, &replica, &issuer, &with_database(&annex.database_url("identity")?))?,
    ];
    let verifying = annex.launch(Service::Product, &verifier, &issuer, &TIMES)?;
    for lodger in issuing.iter().chain([&verifying]) {
        lodger.ready().await?;
    }
    // Requests go to the issuer's replicas in turn, also when they renew a login.
    let somebody = api_of(&[&issuing[0], &issuing[1], &verifying])?.anonymous();
    let account = Account::register(&somebody).await?;
    let mut login = account.log_in(&somebody).await?.expect(200)?;
    let mut published: HashMap<String, Instant> = HashMap::new();
    let mut signed: Vec<String> = Vec::new();
    let mut in_use: VecDeque<(String, Instant)> = VecDeque::new();
    let until = Instant::now() + 2 * PATIENCE;
    while signed.len() < KEYS {
        ensure!(Instant::now() < until, "only {} keys have signed so far", signed.len());
        for kid in published_by(&somebody).await? {
            published.entry(kid).or_insert_with(Instant::now);
        }
        let token = text(&login, "access_token")?.to_owned();
        let kid = jsonwebtoken::decode_header(&token)?.kid.context("a kid")?;
        if !signed.contains(&kid) {
            // The very first key has to sign at once.
            let known_for = published.get(&kid).map(Instant::elapsed).unwrap_or_default();
            ensure!(signed.is_empty() || known_for > CACHED, "{kid} signs {known_for:?} after it was published");
            signed.push(kid);
        }
        in_use.push_back((token, Instant::now() + ACCESS_TTL - Duration::from_secs(1)));
        in_use.retain(|(_, expires)| *expires > Instant::now());
        // The newest, and the one that is about to expire.
        for (token, _) in in_use.front().into_iter().chain(in_use.back()) {
            accepted_by_all(&somebody.with_token(token)).await?;
        }
        sleep(Duration::from_millis(200)).await;
        login = refresh(&somebody, text(&login, "refresh_token")?).await?.expect(200)?;
    }
    becomes("the first key is published, long after its last token", false, || async {
        Ok(published_by(&somebody).await?.contains(&signed[0]))
    })
    .await
}

fn with_database(url: &str) -> Vec<(&'static str, &str)> {
    TIMES.into_iter().chain([("IDENTITY_DATABASE_URL", url)]).collect()
}

/// By the next replica.
async fn published_by(somebody: &User) -> Result<Vec<String>> {
    let jwks = somebody.get(Service::Order, "/auth/jwks.json").await?.expect(200)?;
    let keys = jwks["keys"].as_array().context("keys")?;
    keys.iter().map(|key| Ok(text(key, "kid")?.to_owned())).collect()
}

async fn accepted_by_all(user: &User) -> Result<()> {
    for (service, path) in
        [(Service::Order, "/auth/userinfo"), (Service::Order, "/auth/userinfo"), (Service::Product, "/v1/products")]
    {
        user.get(service, path).await?.expect(200).with_context(|| format!("{} at {path}", service.name()))?;
    }
    Ok(())
}
