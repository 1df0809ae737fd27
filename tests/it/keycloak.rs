//! A Keycloak in place of the built-in issuer, by configuration alone. Too heavy for every run: `cargo xtask test
//! --keycloak`.

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use stack::keycloak::{self, Keycloak, REALM};
use stack::ports::free_ports;
use testkit::api::{Service, User, id};
use testkit::eventually::{becomes, eventually};
use testkit::fleet::{Fleet, Plan};
use tokio::runtime::Handle;
use uuid::Uuid;

/// Of the demo catalogue.
const PRODUCT: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);

pub(crate) fn trial(runtime: Handle) -> Trial {
    let run = move || {
        let run = a_keycloak_in_place_of_the_built_in_issuer();
        runtime.block_on(run).map_err(|error| Failed::from(format!("{error:#}")))
    };
    Trial::test("keycloak::a_keycloak_in_place_of_the_built_in_issuer", run).with_ignored_flag(true)
}

async fn a_keycloak_in_place_of_the_built_in_issuer() -> Result<()> {
    let [port] = free_ports()?;
    let issuer = keycloak::issuer(port, "rtoms");
    let fleet = Plan::whole().issuer(&issuer).launch().await?;
    without_keycloak(&fleet).await?;
    let dir = stack::throwaway_dir()?;
    let home = dir.path().to_owned();
    let start = move || {
        let say = |what: &str| eprintln!("{what}");
        let tools = stack::tools::find_or_install(&say)?;
        let dist = keycloak::resolve(&stack::keycloak_of(&stack::checkout()), &tools, &say)?;
        Keycloak::start(&tools, &dist, &home, port, &[&with_another_client()?, &another_realm()?])
    };
    let keycloak = tokio::task::spawn_blocking(start).await??;
    fleet.ready().await?;

    let token =
        async |realm: &str, client: &str, user: (&str, &str)| tokens(&keycloak.issuer(realm), client, user).await;
    let (customer, admin) = (("customeruser", "customer123"), ("adminuser", "admin123"));
    let customers = token("rtoms", "rtoms", customer).await?;
    let user =
        |token: &Value| Ok::<_, anyhow::Error>(fleet.api().anonymous().with_token(token.as_str().context("a token")?));
    let (customer_user, admin_user) =
        (user(&customers["access_token"])?, user(&token("rtoms", "rtoms", admin).await?["access_token"])?);
    an_order_is_confirmed(&customer_user, &admin_user).await?;
    roles_are_kept(&customer_user, &admin_user).await?;

    let no_audience = token("rtoms", "elsewhere", customer).await?;
    let another_realm = token("others", "rtoms", customer).await?;
    for (what, wrong) in [
        ("a token of another realm", &another_realm["access_token"]),
        ("a token for another audience", &no_audience["access_token"]),
        ("an ID token", &customers["id_token"]),
        ("a refresh token", &customers["refresh_token"]),
    ] {
        for (service, path) in [(Service::Order, "/v1/orders"), (Service::Product, "/v1/products")] {
            let refused = user(wrong)?.get(service, path).await?;
            ensure!(refused.status == 401, "{what} at {path}: {refused:?}");
        }
    }
    let built_in = fleet.api().anonymous().form("/auth/token", &[("grant_type", "password")]).await?;
    ensure!(built_in.status == 404, "there is no second issuer beside it: {built_in:?}");
    fleet.stop(false);
    Ok(())
}

/// Nobody can say whether a token is right, so nobody says that it is wrong.
async fn without_keycloak(fleet: &Fleet) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    for service in Service::ALL {
        for url in fleet.api().replicas(service) {
            becomes(&format!("{} without keys", service.name()), (503, json!("down"), json!("up")), || async {
                let unready = http.get(format!("{url}/readyz")).send().await?;
                let (status, told) = (unready.status().as_u16(), unready.json::<Value>().await?);
                Ok((status, told["checks"]["issuer"].clone(), told["checks"]["postgres"].clone()))
            })
            .await?;
        }
    }
    let somebody = fleet.api().anonymous().with_token("a.b.c");
    for (service, path) in [(Service::Order, "/v1/orders"), (Service::Payment, "/v1/payments")] {
        let answer = somebody.get(service, path).await?;
        ensure!(answer.status == 503 && answer.headers.contains_key("retry-after"), "{path}: {answer:?}");
    }
    Ok(())
}

async fn an_order_is_confirmed(customer: &User, admin: &User) -> Result<()> {
    // As soon as the order service has heard of the demo catalogue.
    let order = eventually("an order", || async {
        let placed = customer.place(&[(PRODUCT, 1)], "pm_card_visa").await?;
        Ok(Some(placed.expect(201)?))
    })
    .await?;
    let order_id = id(&order)?;
    becomes("the order", "confirmed".to_owned(), || async {
        Ok(customer.order(order_id).await?["status"].as_str().unwrap_or_default().to_owned())
    })
    .await?;
    ensure!(order["contact"]["email"] == "customeruser@example.com", "the address comes from the token: {order}");
    ensure!(customer.payment(order_id).await?["status"] == "captured");
    let path = format!("/v1/orders/{order_id}/ship");
    let shipment = json!({ "carrier": "Post", "trackingNumber": "1" });
    let by_customer = customer.post(Service::Order, &path, &shipment).await?;
    ensure!(by_customer.status == 403, "{by_customer:?}");
    admin.post(Service::Order, &path, &shipment).await?.expect(200)?;
    Ok(())
}

async fn roles_are_kept(customer: &User, admin: &User) -> Result<()> {
    let admins = admin.placed(&[(PRODUCT, 1)], "pm_card_visa").await?;
    let hidden = customer.get(Service::Order, &format!("/v1/orders/{admins}")).await?;
    ensure!(hidden.status == 404, "{hidden:?}");
    for (service, path) in [
        (Service::Inventory, "/v1/inventory"),
        (Service::Payment, "/v1/payments"),
        (Service::Notification, "/v1/notifications"),
    ] {
        let forbidden = customer.get(service, path).await?;
        ensure!(forbidden.status == 403, "{path}: {forbidden:?}");
        admin.get(service, path).await?.expect(200)?;
    }
    Ok(())
}

/// By the password grant, with an ID token beside the access token.
async fn tokens(issuer: &str, client: &str, (username, password): (&str, &str)) -> Result<Value> {
    let form = [
        ("grant_type", "password"),
        ("client_id", client),
        ("username", username),
        ("password", password),
        ("scope", "openid"),
    ];
    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer = http.post(keycloak::token_url(issuer)).form(&form).send().await?;
    let (status, tokens) = (answer.status(), answer.json::<Value>().await?);
    ensure!(status == 200, "{issuer}, {client}: {status} {tokens}");
    Ok(tokens)
}

/// The project's realm, and in it a client whose tokens are for nobody here.
fn with_another_client() -> Result<String> {
    let mut realm: Value = serde_json::from_str(REALM)?;
    let clients = realm["clients"].as_array_mut().context("a realm has clients")?;
    clients.push(json!({ "clientId": "elsewhere", "publicClient": true, "directAccessGrantsEnabled": true }));
    Ok(realm.to_string())
}

/// The same again under another name.
fn another_realm() -> Result<String> {
    let mut realm: Value = serde_json::from_str(REALM)?;
    realm["realm"] = json!("others");
    Ok(realm.to_string())
}
