//! Bad input, at every call that takes any: a problem that names what is wrong, and never a 500.

use crate::api::{Operation, Specification, problem};
use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Map, Value, json};
use testkit::api::{Answer, Service, User, read};
use uuid::Uuid;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A right body for each call that takes JSON, to be spoilt in one place after the other. A call that is not named here
/// fails the test.
fn right_body(call: &str) -> Result<Map<String, Value>> {
    let usd = json!({ "amount": 100, "currency": "USD" });
    let body = match call {
        "POST /auth/register" => {
            json!({ "username": "x".repeat(12), "email": "x@example.com", "password": "long enough", "name": "X" })
        }
        "POST /v1/products" => {
            json!({ "sku": "X", "name": "X", "description": "X", "category": "X", "price": usd })
        }
        "PATCH /v1/products/{productId}" => {
            json!({ "name": "X", "description": "X", "category": "X", "price": usd, "status": "active" })
        }
        "POST /v1/inventory/{productId}/adjustments" => json!({ "delta": 1, "reason": "X" }),
        "POST /v1/orders" => json!({
            "lines": [{ "productId": Uuid::nil(), "quantity": 1 }], "paymentMethod": "pm_card_visa",
            "contact": { "email": "x@example.com", "phone": "+49 30 1234567" },
            "shippingAddress": { "name": "X", "street": "X", "city": "X", "postalCode": "X", "country": "DE" },
        }),
        "POST /v1/orders/{orderId}/cancel"
        | "POST /v1/admin/dead-letters/{id}/redrive"
        | "POST /v1/admin/dead-letters/{id}/discard" => json!({ "reason": "X" }),
        "POST /v1/orders/{orderId}/ship" => json!({ "carrier": "X", "trackingNumber": "X" }),
        "POST /v1/payments/process/{orderId}" => json!({ "paymentMethod": "pm_card_visa" }),
        "POST /v1/payments/{orderId}/refunds" => json!({ "amount": usd, "reason": "X" }),
        _ => anyhow::bail!("no right body is known for {call}"),
    };
    body.as_object().cloned().context("a body is an object")
}

/// What is sent, and what is wrong in it: the status, the code, the pointer.
struct Bad {
    body: Vec<u8>,
    wanted: (u16, &'static str, Option<String>),
}

fn unreadable(body: impl Into<Vec<u8>>, pointer: &str) -> Bad {
    Bad { body: body.into(), wanted: (400, "malformed", Some(pointer.to_owned())) }
}

fn invalid(body: impl Into<Vec<u8>>, pointer: &str) -> Bad {
    Bad { body: body.into(), wanted: (422, "validation_failed", Some(pointer.to_owned())) }
}

/// `right` as text, with `raw` as the value of its member `name`.
fn spoilt(right: &Map<String, Value>, name: &str, raw: &str) -> String {
    let members = right.iter().map(|(key, value)| match key == name {
        true => format!("{}:{raw}", json!(key)),
        false => format!("{}:{value}", json!(key)),
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// All that can be wrong with any body.
fn bad_bodies(right: &Map<String, Value>) -> Vec<Bad> {
    let whole = Value::Object(right.clone()).to_string();
    let mut all = vec![
        unreadable("{", ""),
        unreadable(format!("{whole} {{}}"), ""),
        unreadable([b"{\"\xff".as_slice(), b"\":1}"].concat(), ""),
        invalid("[]", ""),
        invalid("null", ""),
        invalid("7", ""),
        invalid(spoilt(right, "", "").replacen('{', r#"{"colour":"red","#, 1), "/colour"),
        Bad { body: vec![b'['; 60_000], wanted: (0, "", None) },
        Bad {
            body: format!(r#"{{"x":"{}"}}"#, "x".repeat(65 * 1024)).into_bytes(),
            wanted: (413, "body_too_large", None),
        },
    ];
    for (name, value) in right {
        let pointer = format!("/{name}");
        let other = if value.is_string() { "7" } else { "\"x\"" };
        all.push(invalid(spoilt(right, name, other), &pointer));
        all.push(unreadable(spoilt(right, name, "NaN"), &pointer));
        all.push(unreadable(spoilt(right, name, "1e400"), &pointer));
        all.push(invalid(spoilt(right, name, &format!("{value},{}:{value}", json!(name))), &pointer));
        if value.is_string() {
            all.push(invalid(spoilt(right, name, r#""a\u0000b""#), &pointer));
            all.push(invalid(spoilt(right, name, &json!("x".repeat(5000)).to_string()), &pointer));
            all.push(unreadable(spoilt(right, name, r#""\ud800""#), &pointer));
        }
        // Descriptions have lines, and passwords may hold anything.
        if value.is_string() && !matches!(name.as_str(), "description" | "password") {
            all.push(invalid(spoilt(right, name, r#""a\nb""#), &pointer));
        }
    }
    all
}

/// Every call that takes JSON, by the specifications.
pub(crate) async fn bad_bodies_are_named(shop: Shop) -> Result<()> {
    let mut calls = 0;
    for service in Service::ALL {
        let specification = Specification::of(&shop, service).await?;
        for operation in specification.operations().filter(|operation| operation.body(JSON).is_some()) {
            let right = right_body(&operation.call())?;
            let described = operation.body(JSON).context("a schema")?["properties"].as_object().context("members")?;
            ensure!(
                described.keys().all(|name| right.contains_key(name)),
                "{}: one of {:?} is never spoilt",
                operation.call(),
                described.keys()
            );
            for bad in bad_bodies(&right) {
                refused(&shop.admin, &operation, JSON, bad).await?;
            }
            for required in operation.body(JSON).context("a schema")?["required"].as_array().into_iter().flatten() {
                let name = required.as_str().unwrap_or_default();
                let mut missing = right.clone();
                missing.remove(name);
                refused(
                    &shop.admin,
                    &operation,
                    JSON,
                    invalid(Value::Object(missing).to_string(), &format!("/{name}")),
                )
                .await?;
            }
            for media_type in ["text/plain", FORM, "application/json; charset=latin1"] {
                let body = Value::Object(right.clone()).to_string().into_bytes();
                let bad = Bad { body, wanted: (415, "unsupported_media_type", None) };
                refused(&shop.admin, &operation, media_type, bad).await?;
            }
            calls += 1;
        }
    }
    ensure!(calls >= 19, "only {calls} calls take JSON");
    Ok(())
}

/// Every call that changes something and takes no body refuses one that says something.
pub(crate) async fn what_nobody_asked_for_is_refused(shop: Shop) -> Result<()> {
    for service in Service::ALL {
        for operation in Specification::of(&shop, service).await?.operations() {
            if operation.method()? == Method::GET || operation.has_body() {
                continue;
            }
            refused(&shop.admin, &operation, JSON, invalid(r#"{"colour":"red"}"#, "/colour")).await?;
            refused(&shop.admin, &operation, JSON, unreadable("{", "")).await?;
            let large = Bad { body: vec![b' '; 65 * 1024], wanted: (413, "body_too_large", None) };
            refused(&shop.admin, &operation, JSON, large).await?;
        }
    }
    Ok(())
}

/// Forms are the issuer's, and answered as RFC 6749 has it.
pub(crate) async fn bad_forms_get_the_error_of_oauth(shop: Shop) -> Result<()> {
    let nobody = shop.api.anonymous();
    let bodies: [&[u8]; 7] = [
        b"",
        b"grant_type",
        b"grant_type=password&username=%00&password=%00",
        b"grant_type=password&username=%ff&password=%ff",
        b"grant_type=refresh_token&refresh_token=%00",
        b"grant_type=password&grant_type=password",
        &[b'x'; 65 * 1024],
    ];
    for path in ["/auth/token", "/auth/revoke"] {
        for body in bodies {
            for media_type in [FORM, JSON] {
                let request = nobody.request(Method::POST, Service::Order, path).header("content-type", media_type);
                let answer = read(request.body(body.to_vec())).await?;
                let text = String::from_utf8_lossy(&body[..body.len().min(80)]);
                let large = body.len() > 64 * 1024 && answer.status == 413;
                ensure!(large || answer.status == 400 && answer.body["error"].is_string(), "{path} {text}: {answer:?}");
            }
        }
    }
    Ok(())
}

/// An id that is none is nowhere; a method that nobody offers says which ones there are.
pub(crate) async fn bad_paths_and_methods_are_problems(shop: Shop) -> Result<()> {
    let long = "x".repeat(3000);
    for service in Service::ALL {
        for operation in Specification::of(&shop, service).await?.operations() {
            let path = operation.path_of(&Uuid::nil().to_string());
            let answer = read(shop.admin.request(Method::PUT, service, &path)).await?;
            ensure!(
                answer.status == 405 && problem(&answer)?["code"] == "method_not_allowed",
                "PUT {path}: {answer:?}"
            );
            ensure!(answer.headers.contains_key("allow"), "PUT {path}: {answer:?}");
            if operation.path_of("") == path {
                continue;
            }
            for id in ["7", "not-an-id", "%00", "%ff", "1e400", "%0a", "..%2f..%2f", &long] {
                let path = operation.path_of(id);
                let request = shop.admin.request(operation.method()?, service, &path).header("if-match", "*");
                let answer = read(request).await?;
                ensure!(answer.status == 404, "{} {id}: {answer:?}", operation.call());
                problem(&answer)?;
            }
        }
        let nowhere = shop.admin.get(service, "/v1/nothing").await?;
        ensure!(nowhere.status == 404 && problem(&nowhere)?["code"] == "not_found", "{nowhere:?}");
    }
    Ok(())
}

/// Every list and filter, by the specifications.
pub(crate) async fn bad_queries_are_named(shop: Shop) -> Result<()> {
    let id = Uuid::nil().to_string();
    for service in Service::ALL {
        for operation in Specification::of(&shop, service).await?.operations() {
            let query = operation.query();
            if query.is_empty() {
                continue;
            }
            let path = operation.path_of(&id);
            let ask = async |query: &str| shop.admin.get(service, &format!("{path}?{query}")).await;
            let unknown = ask("colour=red").await?;
            ensure!(points_to(&unknown, 422, "/colour")?, "{}: {unknown:?}", operation.call());
            for name in &query {
                let nul = ask(&format!("{name}=%00")).await?;
                ensure!(matches!(nul.status.as_u16(), 400 | 422), "{} {name}=%00: {nul:?}", operation.call());
                problem(&nul)?;
                let long = ask(&format!("{name}={}", "x".repeat(3000))).await?;
                ensure!(matches!(long.status.as_u16(), 400 | 422), "{} {name}=xxx: {long:?}", operation.call());
                problem(&long)?;
            }
            if !query.contains(&"limit") {
                continue;
            }
            for limit in ["0", "101", "-1", "x", "", "1e400", "1.5"] {
                let answer = ask(&format!("limit={limit}")).await?;
                ensure!(points_to(&answer, 422, "/limit")?, "{} limit={limit}: {answer:?}", operation.call());
            }
            for cursor in ["", "!", "e30", "bnVsbA", "eyJhIjoxfQ"] {
                let answer = ask(&format!("cursor={cursor}")).await?;
                let code = problem(&answer)?["code"].clone();
                ensure!(answer.status == 400 && code == "invalid_cursor", "{} {cursor}: {answer:?}", operation.call());
            }
        }
    }
    Ok(())
}

fn points_to(answer: &Answer, status: u16, pointer: &str) -> Result<bool> {
    let errors = problem(answer)?["errors"].as_array().cloned().unwrap_or_default();
    Ok(answer.status == status && errors.iter().any(|error| error["pointer"] == pointer))
}

async fn refused(by: &User, operation: &Operation<'_>, media_type: &str, bad: Bad) -> Result<()> {
    let path = operation.path_of(&Uuid::nil().to_string());
    let request = by.request(operation.method()?, operation.service, &path).header("if-match", "*");
    let answer = read(request.header("content-type", media_type).body(bad.body.clone())).await?;
    let body = String::from_utf8_lossy(&bad.body[..bad.body.len().min(300)]);
    let what = format!("{} of {media_type} {body}", operation.call());
    let (status, code, pointer) = bad.wanted;
    let found = problem(&answer).with_context(|| what.clone())?;
    if status == 0 {
        ensure!(answer.status.is_client_error(), "{what}: {answer:?}");
        return Ok(());
    }
    ensure!(answer.status == status && found["code"] == code, "{what}, wanted {status} {code}: {answer:?}");
    if let Some(pointer) = pointer {
        // What is wrong in a part of it, such as a price's amount, is named all the better.
        let named = |error: &Value| error["pointer"].as_str().is_some_and(|named| named.starts_with(&pointer));
        ensure!(found["errors"].as_array().is_some_and(|errors| errors.iter().any(named)), "{what}: {found}");
    }
    Ok(())
}
