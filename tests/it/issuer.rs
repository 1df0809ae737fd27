//! The built-in issuer: who may register and log in, and what becomes of the tokens.

mod disconnects;
mod lockout;
mod rotation;

pub(crate) use disconnects::a_client_that_goes_away_spoils_nothing;
pub(crate) use lockout::{failures_close_an_account_and_an_address, unknown_users_look_like_wrong_passwords};
pub(crate) use rotation::keys_rotate_and_no_token_is_refused;

use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::api::{Answer, Service, User, read};
use uuid::Uuid;

/// Somebody who has registered, and has not logged in.
struct Account {
    username: String,
    password: String,
}

impl Account {
    async fn register(somebody: &User) -> Result<Self> {
        let account = Self { username: format!("a-{}", Uuid::new_v4().simple()), password: Uuid::new_v4().to_string() };
        somebody.post(Service::Order, "/auth/register", &account.registration()).await?.expect(201)?;
        Ok(account)
    }

    fn registration(&self) -> Value {
        let email = format!("{}@example.com", self.username);
        json!({ "username": self.username, "password": self.password, "email": email })
    }

    async fn log_in(&self, somebody: &User) -> Result<Answer> {
        log_in(somebody, &self.username, &self.password).await
    }
}

async fn log_in(somebody: &User, username: &str, password: &str) -> Result<Answer> {
    let form = [("grant_type", "password"), ("username", username), ("password", password)];
    somebody.form("/auth/token", &form).await
}

async fn refresh(somebody: &User, token: &str) -> Result<Answer> {
    somebody.form("/auth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str> {
    body[name].as_str().with_context(|| format!("no {name} in {body}"))
}

pub(crate) async fn a_customer_registers_and_is_known(shop: Shop) -> Result<()> {
    let somebody = shop.api.anonymous();
    let account = Account::register(&somebody).await?;
    let tokens = account.log_in(&somebody).await?;
    ensure!(tokens.headers["cache-control"] == "no-store" && tokens.headers["pragma"] == "no-cache", "{tokens:?}");
    let tokens = tokens.expect(200)?;
    ensure!(tokens["token_type"] == "Bearer" && tokens["expires_in"] == 900, "{tokens}");
    let known = somebody.with_token(text(&tokens, "access_token")?);
    let told = known.get(Service::Order, "/auth/userinfo").await?.expect(200)?;
    let email = format!("{}@example.com", account.username);
    ensure!(
        told["preferred_username"] == account.username
            && told["email"] == email
            && told["roles"] == json!(["CUSTOMER"]),
        "{told}"
    );
    ensure!(text(&told, "sub")?.parse::<Uuid>().is_ok(), "{told}");
    ensure!(told.get("name").is_none(), "what was not given is not told: {told}");
    let upper = log_in(&somebody, &account.username.to_uppercase(), &account.password).await?;
    ensure!(upper.status == 200, "names that differ in case are one name: {upper:?}");
    Ok(())
}

pub(crate) async fn what_can_not_register_is_told_why(shop: Shop) -> Result<()> {
    let somebody = shop.api.anonymous();
    let account = Account::register(&somebody).await?;
    let register = async |change: Value| {
        let mut body = account.registration();
        for (name, value) in change.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        somebody.post(Service::Order, "/auth/register", &body).await
    };
    for name in [account.username.clone(), account.username.to_uppercase()] {
        let taken = register(json!({ "username": name })).await?;
        ensure!(taken.status == 409 && taken.code() == "username_taken", "{taken:?}");
    }
    for (pointer, value) in [
        ("/username", json!("ab")),
        ("/username", json!("a b")),
        ("/username", json!("x".repeat(65))),
        ("/username", json!("new\u{0}line")),
        ("/password", json!("1234567")),
        ("/password", json!("x".repeat(129))),
        ("/email", json!("nobody")),
        ("/email", json!("no body@example.com")),
        ("/email", json!("nobody@example.com\r\nBcc: others@example.com")),
        ("/email", json!(format!("{}@example.com", "x".repeat(250)))),
        ("/name", json!("two\nlines")),
        ("/name", json!("x".repeat(201))),
        ("/roles", json!(["ADMIN"])),
    ] {
        let field = pointer.trim_start_matches('/');
        let refused = register(json!({ "username": "new-customer", field: value })).await?;
        let accused = refused.body["errors"][0]["pointer"] == pointer;
        ensure!(refused.status == 422 && accused, "{pointer} {value}: {refused:?}");
    }
    Ok(())
}

/// The same name at the same time, on both replicas.
pub(crate) async fn a_name_is_registered_once(shop: Shop) -> Result<()> {
    let somebody = shop.api.anonymous();
    let account = Account { username: format!("a-{}", Uuid::new_v4().simple()), password: "long enough".to_owned() };
    let registration = account.registration();
    let at_once = (0..6).map(|_| somebody.post(Service::Order, "/auth/register", &registration));
    let mut statuses: Vec<u16> =
        futures::future::try_join_all(at_once).await?.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    ensure!(statuses == [201, 409, 409, 409, 409, 409], "{statuses:?}");
    Ok(())
}

/// RFC 6749, section 5.2.
pub(crate) async fn a_malformed_grant_gets_the_error_of_oauth(shop: Shop) -> Result<()> {
    let somebody = shop.api.anonymous();
    for (body, error) in [
        ("", "invalid_request"),
        ("grant_type=", "invalid_request"),
        ("username=x&password=y", "invalid_request"),
        ("grant_type=password", "invalid_request"),
        ("grant_type=password&username=x", "invalid_request"),
        ("grant_type=password&username=&password=y", "invalid_request"),
        ("grant_type=password&grant_type=password&username=x&password=y", "invalid_request"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=client_credentials", "unsupported_grant_type"),
        ("grant_type=authorization_code&code=x", "unsupported_grant_type"),
        ("grant_type=PASSWORD&username=x&password=y", "unsupported_grant_type"),
        ("grant_type=refresh_token&refresh_token=unknown", "invalid_grant"),
        ("grant_type=password&username=x%00y&password=z", "invalid_grant"),
    ] {
        let answer = post(&somebody, "/auth/token", "application/x-www-form-urlencoded", body).await?;
        ensure!(answer.status == 400 && answer.body["error"] == error, "{body}: {answer:?}");
        ensure!(answer.headers["cache-control"] == "no-store", "{body}: {answer:?}");
        ensure!(!text(&answer.body, "error_description")?.is_empty());
    }
    let json = post(&somebody, "/auth/token", "application/json", r#"{"grant_type":"password"}"#).await?;
    ensure!(json.status == 400 && json.body["error"] == "invalid_request", "{json:?}");
    let known = Account::register(&somebody).await?;
    let body = format!("grant_type=password&username={}&password={}&scope=openid", known.username, known.password);
    post(&somebody, "/auth/token", "application/x-www-form-urlencoded; charset=utf-8", &body).await?.expect(200)?;
    let large = format!("{body}&more={}", "x".repeat(70_000));
    let large = post(&somebody, "/auth/token", "application/x-www-form-urlencoded", &large).await?;
    ensure!(large.status == 413, "{large:?}");
    Ok(())
}

async fn post(somebody: &User, path: &str, kind: &str, body: &str) -> Result<Answer> {
    let request = somebody.request(Method::POST, Service::Order, path);
    read(request.header("content-type", kind).body(body.to_owned())).await
}

/// A thief and the customer can't both use what was stolen.
pub(crate) async fn a_refresh_token_used_twice_ends_its_family(shop: Shop) -> Result<()> {
    let somebody = shop.api.anonymous();
    let account = Account::register(&somebody).await?;
    let first = account.log_in(&somebody).await?.expect(200)?;
    let second = refresh(&somebody, text(&first, "refresh_token")?).await?.expect(200)?;
    let access = somebody.with_token(text(&second, "access_token")?);
    access.get(Service::Order, "/v1/orders").await?.expect(200)?;
    let third = refresh(&somebody, text(&second, "refresh_token")?).await?.expect(200)?;
    let others = account.log_in(&somebody).await?.expect(200)?;
    let reused = refresh(&somebody, text(&first, "refresh_token")?).await?;
    ensure!(reused.status == 400 && reused.body["error"] == "invalid_grant", "{reused:?}");
    let newest = refresh(&somebody, text(&third, "refresh_token")?).await?;
    ensure!(newest.status == 400 && newest.body == reused.body, "the whole family ends: {newest:?}");
    refresh(&somebody, text(&others, "refresh_token")?).await?.expect(200)?;
    Ok(())
}

/// Whoever uses the newest token while an old one is found out has no token afterwards, whichever was first.
pub(crate) async fn a_family_ends_as_a_whole(shop: Shop) -> Result<()> {
    let somebody = shop.api.anonymous();
    let account = Account::register(&somebody).await?;
    for _ in 0..20 {
        let first = account.log_in(&somebody).await?.expect(200)?;
        let second = refresh(&somebody, text(&first, "refresh_token")?).await?.expect(200)?;
        let (old, new) = (text(&first, "refresh_token")?, text(&second, "refresh_token")?);
        let (reused, next) = tokio::try_join!(refresh(&somebody, old), refresh(&somebody, new))?;
        ensure!(reused.status == 400, "{reused:?}");
        if next.status == 200 {
            let survivor = refresh(&somebody, text(&next.body, "refresh_token")?).await?;
            ensure!(survivor.status == 400, "a token outlived its family: {survivor:?}");
        }
    }
    Ok(())
}

/// RFC 7009.
pub(crate) async fn a_revoked_login_is_over(shop: Shop) -> Result<()> {
    let somebody = shop.api.anonymous();
    let account = Account::register(&somebody).await?;
    let first = account.log_in(&somebody).await?.expect(200)?;
    let second = refresh(&somebody, text(&first, "refresh_token")?).await?.expect(200)?;
    for token in [text(&first, "refresh_token")?, text(&first, "refresh_token")?, "unknown"] {
        let revoked = somebody.form("/auth/revoke", &[("token", token), ("token_type_hint", "refresh_token")]).await?;
        ensure!(revoked.status == 200, "{token}: {revoked:?}");
    }
    let over = refresh(&somebody, text(&second, "refresh_token")?).await?;
    ensure!(over.status == 400 && over.body["error"] == "invalid_grant", "all of the login is over: {over:?}");
    let nothing = somebody.form("/auth/revoke", &[]).await?;
    ensure!(nothing.status == 400 && nothing.body["error"] == "invalid_request", "{nothing:?}");
    Ok(())
}

/// Every replica tells the same, and what it tells is there.
pub(crate) async fn the_issuer_can_be_discovered(shop: Shop) -> Result<()> {
    let somebody = shop.api.anonymous();
    let issuer = &shop.api.replicas(Service::Order)[0];
    let account = Account::register(&somebody).await?;
    let tokens = account.log_in(&somebody).await?.expect(200)?;
    let header = jsonwebtoken::decode_header(text(&tokens, "access_token")?)?;
    for _ in shop.api.replicas(Service::Order) {
        let told = somebody.get(Service::Order, "/.well-known/openid-configuration").await?.expect(200)?;
        ensure!(told["issuer"] == **issuer && told["jwks_uri"] == format!("{issuer}/auth/jwks.json"), "{told}");
        for (name, path) in [
            ("token_endpoint", "/auth/token"),
            ("revocation_endpoint", "/auth/revoke"),
            ("userinfo_endpoint", "/auth/userinfo"),
        ] {
            ensure!(told[name] == format!("{issuer}{path}"), "{told}");
        }
        let jwks = somebody.get(Service::Order, "/auth/jwks.json").await?.expect(200)?;
        let keys = jwks["keys"].as_array().context("keys")?;
        let signing =
            keys.iter().find(|key| key["kid"].as_str() == header.kid.as_deref()).context("the signing key")?;
        ensure!(signing["kty"] == "EC" && signing["crv"] == "P-256" && signing["use"] == "sig", "{signing}");
        ensure!(keys.iter().all(|key| key.get("d").is_none()), "private keys stay private");
    }
    Ok(())
}
