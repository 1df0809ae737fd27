//! Guessing passwords, and names.

use super::{Account, log_in};
use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use testkit::annex::{Lodger, free_url};
use testkit::api::Service;
use testkit::eventually::becomes;

const PER_ACCOUNT: usize = 3;
const PER_ADDRESS: usize = 9;
const WINDOW_S: u64 = 15;
/// How many passwords are verified at once.
const AT_ONCE: usize = 2;

/// An issuer that is quick to close; of the fleet's own, all tests share one address.
async fn strict(shop: &Shop) -> Result<Lodger> {
    let annex = shop.annex().await?;
    let url = free_url()?;
    let database = annex.database_url("identity")?;
    let (per_account, per_address) = (PER_ACCOUNT.to_string(), PER_ADDRESS.to_string());
    let env = [
        ("IDENTITY_DATABASE_URL", database.as_str()),
        ("LOGIN_FAILURES_PER_ACCOUNT", &per_account),
        ("LOGIN_FAILURES_PER_ADDRESS", &per_address),
        ("LOGIN_WINDOW_S", &WINDOW_S.to_string()),
    ];
    let issuer = annex.launch(Service::Order, &url, &url, &env)?;
    issuer.ready().await?;
    Ok(issuer)
}

/// Somebody at an address of their own: all of 127/8 is this machine.
struct Guesser {
    http: reqwest::Client,
    url: String,
}

/// What a guess is told, without what differs from request to request.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    status: u16,
    body: Value,
    headers: Vec<(String, String)>,
    retry_after: Option<u64>,
}

impl Guesser {
    fn at(last: u8, issuer: &Lodger) -> Result<Self> {
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let http = reqwest::Client::builder().no_proxy().local_address(address).timeout(Duration::from_secs(30));
        Ok(Self { http: http.build()?, url: issuer.url.clone() })
    }

    async fn guess(&self, username: &str, password: &str) -> Result<Told> {
        let form = [("grant_type", "password"), ("username", username), ("password", password)];
        let answer = self.http.post(format!("{}/auth/token", self.url)).form(&form).send().await?;
        let own = ["date", "x-request-id", "traceparent", "retry-after", "content-length"];
        let headers = answer.headers().iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let headers = headers.map(|(name, value)| Ok((name.to_string(), value.to_str()?.to_owned())));
        Ok(Told {
            status: answer.status().as_u16(),
            headers: headers.collect::<Result<_>>()?,
            retry_after: answer
                .headers()
                .get("retry-after")
                .map(|after| after.to_str()?.parse().context("seconds"))
                .transpose()?,
            body: answer.json().await?,
        })
    }

    /// Guesses until the answer is 429: how many guesses were heard before.
    async fn until_closed(&self, mut username: impl FnMut(usize) -> String) -> Result<(usize, Told)> {
        // Twice: the window may run out in between, on a slow machine.
        for guess in 0..2 * PER_ADDRESS {
            let told = self.guess(&username(guess), "wrong").await?;
            if told.status == 429 {
                return Ok((guess, told));
            }
            ensure!(told.status == 400, "{told:?}");
        }
        anyhow::bail!("it never closes")
    }

    /// So far, by the issuer's own count.
    async fn verified(&self) -> Result<u64> {
        let metrics = self.http.get(format!("{}/metrics", self.url)).send().await?.text().await?;
        let line = metrics.lines().find_map(|line| line.strip_prefix("rtoms_passwords_verified_total "));
        line.map_or(Ok(0), |count| count.trim().parse().context("a count"))
    }
}

pub(crate) async fn unknown_users_look_like_wrong_passwords(shop: Shop) -> Result<()> {
    let issuer = strict(&shop).await?;
    let somebody = testkit::annex::api_of(&[&issuer])?.anonymous();
    let account = Account::register(&somebody).await?;
    let guesser = Guesser::at(2, &issuer)?;
    let before = guesser.verified().await?;
    let wrong = guesser.guess(&account.username, "wrong").await?;
    ensure!(wrong.status == 400 && wrong.body["error"] == "invalid_grant", "{wrong:?}");
    let for_a_known_name = guesser.verified().await? - before;
    let unknown = guesser.guess("nobody-has-this-name", "wrong").await?;
    ensure!(unknown == wrong, "an unknown name is told apart: {unknown:?}, {wrong:?}");
    let for_an_unknown_name = guesser.verified().await? - before - for_a_known_name;
    ensure!((for_a_known_name, for_an_unknown_name) == (1, 1), "{for_a_known_name}, {for_an_unknown_name}");

    // Nor does it show in how both are closed.
    let (known, told) = guesser.until_closed(|_| account.username.clone()).await?;
    let guesser = Guesser::at(3, &issuer)?;
    let (unknown, told_of_nobody) = guesser.until_closed(|_| "nobody-else".to_owned()).await?;
    ensure!(known < PER_ACCOUNT && unknown == PER_ACCOUNT, "{known}, {unknown}");
    ensure!(Told { retry_after: None, ..told } == Told { retry_after: None, ..told_of_nobody });
    Ok(())
}

pub(crate) async fn failures_close_an_account_and_an_address(shop: Shop) -> Result<()> {
    let issuer = strict(&shop).await?;
    let somebody = testkit::annex::api_of(&[&issuer])?.anonymous();
    let (account, other, third) =
        tokio::try_join!(Account::register(&somebody), Account::register(&somebody), Account::register(&somebody))?;

    let guesser = Guesser::at(2, &issuer)?;
    let (heard, told) = guesser.until_closed(|_| account.username.clone()).await?;
    ensure!(heard == PER_ACCOUNT, "{heard} guesses were heard");
    ensure!(told.retry_after.is_some_and(|after| (1..=WINDOW_S + 1).contains(&after)), "{told:?}");
    let right = guesser.guess(&account.username, &account.password).await?;
    ensure!(right.status == 429, "closed for the right password too, or it would tell: {right:?}");
    ensure!(guesser.guess(&other.username, &other.password).await?.status == 200, "no other account is closed");

    // Many at once hear no more than one by one.
    let guesser = Guesser::at(3, &issuer)?;
    let at_once = try_join_all((0..40).map(|_| guesser.guess(&third.username, "wrong"))).await?;
    let heard = at_once.iter().filter(|told| told.status == 400).count();
    ensure!((PER_ACCOUNT..PER_ACCOUNT + AT_ONCE).contains(&heard), "{heard} of 40 guesses at once were heard");

    let guesser = Guesser::at(4, &issuer)?;
    let (heard, _) = guesser.until_closed(|guess| format!("name-{guess}")).await?;
    ensure!(heard == PER_ADDRESS, "{heard} names were tried");
    let right = guesser.guess(&other.username, &other.password).await?;
    ensure!(right.status == 429, "the address is closed to all logins: {right:?}");
    ensure!(log_in(&somebody, &other.username, &other.password).await?.status == 200, "no other address is closed");

    becomes("a closed account, in the end", 200, || async {
        Ok(log_in(&somebody, &account.username, &account.password).await?.status.as_u16())
    })
    .await
}
