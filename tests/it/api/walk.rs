//! A walk through the whole API: each call as it succeeds, and with each of its errors.

use super::calls::{CALLS, Call, Specification};
use super::problem;
use super::schema::conforms;
use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use testkit::api::{Answer, Service, User, id, read};
use uuid::Uuid;

/// One request, and what has to come of it.
struct Step<'a> {
    by: &'a User,
    method: Method,
    path: String,
    headers: Vec<(&'static str, &'a str)>,
    body: Body,
    /// A status; for a refusal its code and, where something in the request is to blame, the pointer to it.
    wanted: &'static str,
}

enum Body {
    None,
    Json(Value),
    Form(Vec<(&'static str, String)>),
}

fn get<'a>(by: &'a User, path: impl Into<String>, wanted: &'static str) -> Step<'a> {
    Step { by, method: Method::GET, path: path.into(), headers: Vec::new(), body: Body::None, wanted }
}

fn post<'a>(by: &'a User, path: impl Into<String>, body: Value, wanted: &'static str) -> Step<'a> {
    Step { method: Method::POST, body: Body::Json(body), ..get(by, path, wanted) }
}

fn patch<'a>(by: &'a User, path: &str, body: Value, wanted: &'static str) -> Step<'a> {
    Step { method: Method::PATCH, ..post(by, path, body, wanted) }
}

fn delete<'a>(by: &'a User, path: &str, wanted: &'static str) -> Step<'a> {
    Step { method: Method::DELETE, ..get(by, path, wanted) }
}

fn form<'a>(by: &'a User, path: &str, fields: &[(&'static str, &str)], wanted: &'static str) -> Step<'a> {
    let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Step { body: Body::Form(fields), ..post(by, path, Value::Null, wanted) }
}

impl<'a> Step<'a> {
    fn with(mut self, name: &'static str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// What the walk comes past.
struct World {
    owner: User,
    stranger: User,
    nobody: User,
    /// Can be ordered; ten pieces.
    mug: Uuid,
    mug_sku: String,
    /// Of another currency.
    tea: Uuid,
    /// Is archived, and brought back.
    cup: Uuid,
    /// The owner's: paid, and declined.
    paid: Uuid,
    declined: Uuid,
    /// Of the paid one.
    notification: String,
}

impl World {
    async fn of(shop: &Shop) -> Result<Self> {
        let (owner, stranger) = (shop.customer().await?, shop.customer().await?);
        let (mug, cup) = (shop.product(1000, 10).await?, shop.product(1000, 1).await?);
        let tea = shop.product_in("EUR", 500, 10).await?;
        let paid = owner.placed(&[(mug, 2)], "pm_card_visa").await?;
        let declined = owner.placed(&[(mug, 1)], "pm_card_chargeDeclined").await?;
        shop.ends(paid, "confirmed").await?;
        shop.ends(declined, "payment_failed").await?;
        shop.told(paid, &["order_placed", "order_confirmed"]).await?;
        shop.told(declined, &["order_placed", "payment_failed"]).await?;
        let told = owner.get(Service::Notification, &format!("/v1/notifications/{paid}")).await?.expect(200)?;
        let notification = id(&told["data"][0])?.to_string();
        let product = shop.admin.get(Service::Product, &format!("/v1/products/{mug}")).await?.expect(200)?;
        let mug_sku = product["sku"].as_str().context("a product has a sku")?.to_owned();
        Ok(Self { nobody: shop.api.anonymous(), owner, stranger, mug, mug_sku, tea, cup, paid, declined, notification })
    }
}

/// What succeeds has the shape that its service's specification describes; what is refused is a problem with the code that
/// programs decide by.
pub(crate) async fn every_call_and_its_errors(shop: Shop) -> Result<()> {
    let world = World::of(&shop).await?;
    let mut specifications = HashMap::new();
    for service in Service::ALL {
        specifications.insert(service, Specification::of(&shop, service).await?);
    }
    let mut succeeded = BTreeSet::new();
    for (service, steps) in [
        (Service::Order, tokens(&world)),
        (Service::Product, products(&shop, &world)),
        (Service::Inventory, stock(&shop, &world)),
        (Service::Order, orders(&shop, &world)),
        (Service::Payment, payments(&shop, &world)),
        (Service::Notification, notifications(&shop, &world)),
        (Service::Order, shipping(&shop, &world)),
    ] {
        walk(&specifications[&service], steps, &mut succeeded).await?;
    }
    for service in Service::ALL {
        walk(&specifications[&service], dead_letters(&shop, &world), &mut succeeded).await?;
    }
    // Of a letter that is there: `dead_letters` makes one, and sees them succeed.
    let elsewhere = |call: &String| call.contains("/v1/admin/dead-letters/{id}");
    let missed: Vec<String> =
        CALLS.iter().map(Call::named).filter(|call| !elsewhere(call) && !succeeded.contains(call)).collect();
    ensure!(missed.is_empty(), "the walk sees none of these succeed: {missed:?}");
    Ok(())
}

async fn walk(of: &Specification, steps: Vec<Step<'_>>, succeeded: &mut BTreeSet<String>) -> Result<()> {
    for step in steps {
        let (method, path) = (step.method.clone(), step.path.clone());
        let call =
            Call::of(of.service, &method, &path).with_context(|| format!("{method} {path} is no call of the API"))?;
        let what = format!("{method} {path}, wanted {}", step.wanted);
        let wanted = step.wanted;
        let answer = send(step, call).await.with_context(|| what.clone())?;
        let mut parts = wanted.split(' ');
        ensure!(parts.next() == Some(answer.status.as_str()), "{what}: {answer:?}");
        if answer.status.is_success() {
            described(of, call, &answer).with_context(|| what.clone())?;
            succeeded.insert(call.named());
            continue;
        }
        let code = parts.next().unwrap_or_default();
        if let Some(error) = code.strip_prefix("oauth:") {
            ensure!(answer.body["error"] == error, "{what}: {answer:?}");
            continue;
        }
        let body = problem(&answer).with_context(|| what.clone())?;
        let pointers: Vec<&str> =
            body["errors"].as_array().into_iter().flatten().filter_map(|error| error["pointer"].as_str()).collect();
        ensure!(body["code"] == code, "{what}: {body}");
        ensure!(parts.all(|pointer| pointers.contains(&pointer)), "{what}: {body}");
    }
    Ok(())
}

async fn send(step: Step<'_>, call: &Call) -> Result<Answer> {
    let mut request = step.by.request(step.method, call.service, &step.path);
    for (name, value) in step.headers {
        request = request.header(name, value);
    }
    read(match step.body {
        Body::None => request,
        Body::Json(body) => request.json(&body),
        Body::Form(fields) => request.form(&fields),
    })
    .await
}

fn described(specification: &Specification, call: &Call, answer: &Answer) -> Result<()> {
    let operation = specification.operations().find(|operation| operation.call() == call.named());
    let operation = operation.context("the specification does not name the call")?;
    let described = operation.answer(answer.status.as_u16());
    match (described, &answer.body) {
        (None, Value::Null) => Ok(()),
        (None, body) => anyhow::bail!("the specification describes no body, and there is one: {body}"),
        (Some(schema), body) => conforms(&specification.document, schema, body, ""),
    }
}

fn tokens(world: &World) -> Vec<Step<'_>> {
    let World { owner, nobody, .. } = world;
    let name = format!("walker-{}", Uuid::new_v4().simple());
    let registration =
        |name: &str, password: &str| json!({ "username": name, "email": "walker@example.com", "password": password });
    let login = |password| [("grant_type", "password"), ("username", name.as_str()), ("password", password)];
    vec![
        post(nobody, "/auth/register", registration(&name, "long enough"), "201"),
        post(nobody, "/auth/register", registration(&name, "long enough"), "409 username_taken"),
        post(nobody, "/auth/register", registration(&name, "short"), "422 validation_failed /password"),
        form(nobody, "/auth/token", &login("long enough"), "200"),
        form(nobody, "/auth/token", &login("another one"), "400 oauth:invalid_grant"),
        form(nobody, "/auth/token", &[("grant_type", "magic")], "400 oauth:unsupported_grant_type"),
        form(nobody, "/auth/token", &[("username", "x")], "400 oauth:invalid_request"),
        form(nobody, "/auth/revoke", &[("token", "of nobody")], "200"),
        get(nobody, "/auth/jwks.json", "200"),
        get(nobody, "/.well-known/openid-configuration", "200"),
        get(owner, "/auth/userinfo", "200"),
        get(nobody, "/auth/userinfo", "401 unauthorized"),
    ]
}

fn products<'a>(shop: &'a Shop, world: &'a World) -> Vec<Step<'a>> {
    let World { owner, nobody, cup, mug_sku, .. } = world;
    let admin = &shop.admin;
    let (one, none) = (format!("/v1/products/{cup}"), format!("/v1/products/{}", Uuid::new_v4()));
    let usd = json!({ "amount": 1, "currency": "USD" });
    let new = |sku: &str| json!({ "sku": sku, "name": "A walker", "category": "walks", "price": usd });
    let fresh = format!("WALK-{}", Uuid::new_v4().simple());
    vec![
        get(nobody, "/v1/products?q=test&category=tests&inStock=true&sort=-price&limit=1", "200"),
        get(nobody, "/v1/products?sort=size", "422 validation_failed /sort"),
        get(nobody, "/v1/products?colour=red", "422 validation_failed /colour"),
        get(nobody, "/v1/products?status=archived", "403 forbidden"),
        get(admin, "/v1/products?status=archived&limit=1", "200"),
        get(nobody, one.as_str(), "200"),
        get(nobody, none.as_str(), "404 product_not_found"),
        post(admin, "/v1/products", new(&fresh), "201"),
        post(admin, "/v1/products", new(mug_sku), "409 sku_taken"),
        post(admin, "/v1/products", new(""), "422 validation_failed /sku"),
        post(owner, "/v1/products", new("X"), "403 forbidden"),
        patch(admin, &one, json!({ "name": "Blue" }), "428 precondition_required"),
        patch(admin, &one, json!({ "name": "Blue" }), "412 precondition_failed").with("if-match", "\"99-0\""),
        patch(admin, &one, json!({ "name": "Blue" }), "400 precondition_invalid").with("if-match", "1"),
        patch(admin, &one, json!({ "name": "" }), "422 validation_failed /name").with("if-match", "*"),
        patch(admin, &one, json!({ "sku": "OTHER" }), "422 validation_failed /sku").with("if-match", "*"),
        patch(admin, &none, json!({ "name": "Blue" }), "404 product_not_found").with("if-match", "*"),
        patch(admin, &one, json!({ "name": "Blue mug" }), "200").with("if-match", "*"),
        delete(admin, &none, "404 product_not_found"),
        delete(owner, &one, "403 forbidden"),
        delete(admin, &one, "204"),
        delete(admin, &one, "204"),
        patch(admin, &one, json!({ "status": "active" }), "200").with("if-match", "*"),
    ]
}

fn stock<'a>(shop: &'a Shop, world: &'a World) -> Vec<Step<'a>> {
    let World { owner, mug, paid, .. } = world;
    let admin = &shop.admin;
    let none = Uuid::new_v4();
    let check = |product: Uuid, quantity: &str| format!("/v1/inventory/check?productId={product}&quantity={quantity}");
    let adjust = |product: Uuid| format!("/v1/inventory/{product}/adjustments");
    let by = |delta: i64| json!({ "delta": delta, "reason": "counted" });
    vec![
        get(owner, check(*mug, "1"), "200"),
        // Nobody has any of what is not in stock yet.
        get(owner, check(none, "1"), "200"),
        get(owner, check(*mug, "0"), "422 validation_failed /quantity"),
        get(owner, "/v1/inventory/check?quantity=1", "422 validation_failed /productId"),
        get(admin, "/v1/inventory?belowAvailable=1000000&limit=1", "200"),
        get(admin, "/v1/inventory?belowAvailable=few", "422 validation_failed /belowAvailable"),
        get(owner, "/v1/inventory", "403 forbidden"),
        get(admin, format!("/v1/inventory/{mug}"), "200"),
        get(admin, format!("/v1/inventory/{none}"), "404 stock_not_found"),
        post(admin, adjust(*mug), by(5), "201"),
        post(admin, adjust(*mug), by(-100), "409 stock_would_go_negative"),
        post(admin, adjust(*mug), by(1_000_000_000_000), "422 validation_failed /delta"),
        post(admin, adjust(*mug), by(0), "422 validation_failed /delta"),
        post(admin, adjust(none), by(1), "404 stock_not_found"),
        post(owner, adjust(*mug), by(1), "403 forbidden"),
        get(admin, format!("/v1/inventory/{mug}/movements?limit=2"), "200"),
        get(admin, format!("/v1/inventory/{none}/movements"), "404 stock_not_found"),
        get(admin, format!("/v1/reservations/{paid}"), "200"),
        get(admin, format!("/v1/reservations/{none}"), "404 reservation_not_found"),
    ]
}

fn orders<'a>(shop: &'a Shop, world: &'a World) -> Vec<Step<'a>> {
    let World { owner, stranger, mug, tea, paid, .. } = world;
    let order = |lines: &[(Uuid, i64)]| {
        let lines: Vec<Value> = lines.iter().map(|(id, n)| json!({ "productId": id, "quantity": n })).collect();
        json!({ "lines": lines, "paymentMethod": "pm_card_visa" })
    };
    let card = json!({ "lines": [{ "productId": mug, "quantity": 1 }], "paymentMethod": "4242424242424242" });
    let (one, none) = (format!("/v1/orders/{paid}"), format!("/v1/orders/{}", Uuid::new_v4()));
    let unknown = Uuid::new_v4();
    vec![
        post(owner, "/v1/orders", order(&[(*mug, 1)]), "201"),
        post(owner, "/v1/orders", order(&[(*mug, 1), (*mug, 2)]), "422 duplicate_line /lines/1/productId"),
        post(owner, "/v1/orders", order(&[(*mug, 1), (unknown, 1)]), "422 product_not_orderable /lines/1/productId"),
        post(owner, "/v1/orders", order(&[(*mug, 1), (*tea, 1)]), "422 mixed_currencies /lines/1/productId"),
        post(owner, "/v1/orders", order(&[]), "422 validation_failed /lines"),
        post(owner, "/v1/orders", order(&[(*mug, 0)]), "422 validation_failed /lines/0/quantity"),
        post(owner, "/v1/orders", card, "422 validation_failed /paymentMethod"),
        post(&world.nobody, "/v1/orders", order(&[(*mug, 1)]), "401 unauthorized"),
        get(owner, "/v1/orders?status=confirmed&limit=1", "200"),
        get(owner, "/v1/orders?status=lost", "422 validation_failed /status"),
        get(owner, "/v1/orders?customerId=somebody-else", "403 forbidden"),
        get(&shop.admin, "/v1/orders?customerId=somebody-else", "200"),
        get(owner, one.as_str(), "200"),
        get(stranger, one.as_str(), "404 order_not_found"),
        get(owner, format!("{one}?wait=31"), "422 validation_failed /wait"),
        get(owner, format!("{one}/timeline"), "200"),
        get(stranger, format!("{one}/timeline"), "404 order_not_found"),
        post(stranger, format!("{one}/cancel"), json!({}), "404 order_not_found"),
        post(owner, format!("{none}/cancel"), json!({}), "404 order_not_found"),
    ]
}

fn payments<'a>(shop: &'a Shop, world: &'a World) -> Vec<Step<'a>> {
    let World { owner, stranger, paid, declined, .. } = world;
    let admin = &shop.admin;
    let process = |order: Uuid| format!("/v1/payments/process/{order}");
    let (refunds, none) = (format!("/v1/payments/{paid}/refunds"), Uuid::new_v4());
    let card = |method: &str| json!({ "paymentMethod": method });
    let back = |amount: i64, currency: &str| json!({ "amount": { "amount": amount, "currency": currency } });
    vec![
        get(owner, format!("/v1/payments/{paid}"), "200"),
        get(stranger, format!("/v1/payments/{paid}"), "404 payment_not_found"),
        get(admin, "/v1/payments?status=captured&limit=1", "200"),
        get(admin, "/v1/payments?status=stolen", "422 validation_failed /status"),
        get(owner, "/v1/payments", "403 forbidden"),
        post(owner, process(*declined), card("4242424242424242"), "422 validation_failed /paymentMethod"),
        post(owner, process(*paid), card("pm_card_visa"), "409 payment_not_retryable"),
        post(owner, process(none), card("pm_card_visa"), "404 payment_not_found"),
        post(stranger, process(*declined), card("pm_card_visa"), "404 payment_not_found"),
        post(owner, process(*declined), card("pm_card_visa"), "202"),
        post(admin, refunds.as_str(), back(2001, "USD"), "409 refund_exceeds_capture"),
        post(admin, refunds.as_str(), back(0, "USD"), "422 validation_failed /amount"),
        post(admin, refunds.as_str(), back(1, "EUR"), "422 currency_mismatch /amount/currency"),
        post(admin, format!("/v1/payments/{none}/refunds"), json!({}), "404 payment_not_found"),
        post(owner, refunds.as_str(), json!({}), "403 forbidden"),
        post(admin, refunds.as_str(), back(1, "USD"), "202"),
    ]
}

fn notifications<'a>(shop: &'a Shop, world: &'a World) -> Vec<Step<'a>> {
    let World { owner, stranger, paid, notification, .. } = world;
    let admin = &shop.admin;
    vec![
        get(owner, format!("/v1/notifications/{paid}"), "200"),
        get(stranger, format!("/v1/notifications/{paid}"), "404 notification_not_found"),
        get(admin, "/v1/notifications?status=sent&channel=email&limit=1", "200"),
        get(admin, "/v1/notifications?channel=pigeon", "422 validation_failed /channel"),
        get(owner, "/v1/notifications", "403 forbidden"),
        post(admin, format!("/v1/notifications/{notification}/resend"), json!({}), "202"),
        post(admin, format!("/v1/notifications/{}/resend", Uuid::new_v4()), json!({}), "404 notification_not_found"),
        post(owner, format!("/v1/notifications/{notification}/resend"), json!({}), "403 forbidden"),
    ]
}

fn shipping<'a>(shop: &'a Shop, world: &'a World) -> Vec<Step<'a>> {
    let World { owner, paid, .. } = world;
    let admin = &shop.admin;
    let to = |step: &str| format!("/v1/orders/{paid}/{step}");
    let parcel = json!({ "carrier": "A carrier", "trackingNumber": "1Z" });
    let none = Uuid::new_v4();
    vec![
        post(admin, to("deliver"), json!({}), "409 order_not_deliverable"),
        post(owner, to("ship"), parcel.clone(), "403 forbidden"),
        post(admin, to("ship"), json!({ "carrier": "A carrier" }), "422 validation_failed /trackingNumber"),
        post(admin, format!("/v1/orders/{none}/ship"), parcel.clone(), "404 order_not_found"),
        post(admin, to("ship"), parcel.clone(), "200"),
        post(admin, to("ship"), parcel, "409 order_not_shippable"),
        post(owner, to("cancel"), json!({}), "409 order_not_cancellable"),
        post(owner, to("deliver"), json!({}), "403 forbidden"),
        post(admin, format!("/v1/orders/{none}/deliver"), json!({}), "404 order_not_found"),
        post(admin, to("deliver"), json!({}), "200"),
        post(owner, format!("/v1/orders/{}/cancel", world.declined), json!({ "reason": "no more" }), "202"),
    ]
}

fn dead_letters<'a>(shop: &'a Shop, world: &'a World) -> Vec<Step<'a>> {
    let admin = &shop.admin;
    let (all, one) = ("/v1/admin/dead-letters", format!("/v1/admin/dead-letters/{}", Uuid::new_v4()));
    vec![
        get(admin, format!("{all}?status=dead&limit=1"), "200"),
        get(admin, format!("{all}?status=alive"), "422 validation_failed /status"),
        get(&world.owner, all, "403 forbidden"),
        get(admin, one.as_str(), "404 dead_letter_not_found"),
        post(admin, format!("{one}/redrive"), json!({}), "404 dead_letter_not_found"),
        post(admin, format!("{one}/discard"), json!({ "reason": "of no use" }), "404 dead_letter_not_found"),
        post(admin, format!("{one}/discard"), json!({}), "422 validation_failed /reason"),
    ]
}
