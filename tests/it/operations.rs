//! What every service tells those who run it, and how it ends.

use crate::shop::Shop;
use crate::sockets::Raw;
use anyhow::{Context, Result, ensure};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::annex::{api_of, free_url};
use testkit::api::{Service, read};
use uuid::Uuid;

/// After which whoever stopped a process kills it.
const END_WITHIN: Duration = Duration::from_secs(20);

/// Every replica of every service, as (service, URL).
fn replicas(shop: &Shop) -> impl Iterator<Item = (Service, &str)> {
    Service::ALL
        .into_iter()
        .flat_map(|service| shop.api.replicas(service).iter().map(move |url| (service, url.as_str())))
}

fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?)
}

pub(crate) async fn every_replica_tells_how_it_is(shop: Shop) -> Result<()> {
    let http = client()?;
    let text = async |url: String| {
        let answer = http.get(&url).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        ensure!(status == 200, "{url}: {status}");
        Ok::<(HeaderMap, String), anyhow::Error>((headers, answer.text().await?))
    };
    for (service, url) in replicas(&shop) {
        let json = async |path: &str| {
            let (headers, body) = text(format!("{url}{path}")).await?;
            ensure!(headers.get("cache-control").is_some_and(|v| v == "no-store"), "{url}{path}: {headers:?}");
            Ok::<Value, anyhow::Error>(serde_json::from_str(&body)?)
        };
        ensure!(json("/livez").await? == json!({ "status": "alive" }));
        let ready = json("/readyz").await?;
        ensure!(ready["status"] == "ready", "{url}: {ready}");
        for check in ["running", "postgres", "kafka", "outbox", "issuer"] {
            ensure!(ready["checks"][check] == "up", "{url} {check}: {ready}");
        }
        ensure!(ready["checks"].get("redis").is_some() == (service == Service::Product), "{ready}");
        let about = json("/info").await?;
        ensure!(about["name"] == service.name() && about["version"].is_string(), "{about}");
        ensure!(about["buildTime"].is_string() && about.get("gitSha").is_some(), "{about}");

        let (headers, metrics) = text(format!("{url}/metrics")).await?;
        ensure!(headers.get("content-type").is_some_and(|v| v.as_bytes().starts_with(b"text/plain; version=0.0.4")));
        let seconds = metrics
            .lines()
            .any(|line| line.starts_with("http_server_request_duration_seconds") && line.contains("route=\"/livez\""));
        ensure!(seconds && metrics.contains("rtoms_batches_total"), "{url}: {metrics}");
        ensure!(!metrics.contains(&Uuid::nil().to_string()), "ids make no metrics");

        let (headers, page) = text(format!("{url}/swagger-ui/")).await?;
        ensure!(
            headers.get("content-type").is_some_and(|v| v.as_bytes().starts_with(b"text/html"))
                && page.contains("swagger")
        );
        let (_, script) = text(format!("{url}/swagger-ui/swagger-initializer.js")).await?;
        for other in Service::ALL {
            ensure!(script.contains(&format!("\"{}\"", other.name())), "{url} does not show {}", other.name());
        }
    }
    Ok(())
}

/// Swagger UI of one service calls the others, with everything that calls and answers may carry; pages of elsewhere do not.
pub(crate) async fn pages_of_this_computer_may_call(shop: Shop) -> Result<()> {
    let http = client()?;
    for (_, url) in replicas(&shop) {
        let asked = "authorization,content-type,idempotency-key,if-match,if-none-match,x-request-id,traceparent";
        for (origin, allowed) in
            [("http://localhost:8183", true), ("http://127.0.0.1:8185", true), ("https://example.com", false)]
        {
            for method in ["GET", "POST", "PATCH", "DELETE"] {
                let preflight = http.request(Method::OPTIONS, format!("{url}/v1/anything")).header("origin", origin);
                let preflight = preflight.header("access-control-request-method", method);
                let answer = preflight.header("access-control-request-headers", asked).send().await?;
                let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
                ensure!(
                    header("access-control-allow-origin") == allowed.then_some(origin),
                    "{url} {origin}: {answer:?}"
                );
                if allowed {
                    ensure!(header("access-control-allow-methods").is_some_and(|m| m.contains(method)), "{answer:?}");
                    ensure!(header("access-control-allow-headers") == Some(asked), "{answer:?}");
                }
            }
            let answer = http.get(format!("{url}/v1/nothing")).header("origin", origin).send().await?;
            let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
            ensure!(header("access-control-allow-origin") == allowed.then_some(origin), "{url}: {answer:?}");
            let exposed = header("access-control-expose-headers").unwrap_or_default();
            for name in ["etag", "location", "retry-after", "x-request-id", "idempotent-replayed"] {
                ensure!(!allowed || exposed.contains(name), "{name} can't be read: {exposed}");
            }
        }
    }
    Ok(())
}

/// The ids that a client gives come back, and its trace goes on through everything that its order sets off.
pub(crate) async fn ids_and_traces_are_the_clients(shop: Shop) -> Result<()> {
    let product = shop.product(1000, 5).await?;
    let customer = shop.customer().await?;
    let trace_id = Uuid::new_v4().simple().to_string();
    let traceparent = format!("00-{trace_id}-b7ad6b7169203331-01");
    let body = json!({ "lines": [{ "productId": product, "quantity": 1 }], "paymentMethod": "pm_card_visa" });
    let request = customer.request(Method::POST, Service::Order, "/v1/orders").json(&body);
    let placed = read(request.header("x-request-id", "walk-1").header("traceparent", &traceparent)).await?;
    let header = |name: &str| placed.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ensure!(placed.status == 201 && header("x-request-id") == "walk-1", "{placed:?}");
    let span = header("traceparent");
    ensure!(span.contains(&trace_id) && span != traceparent, "a span of its own in the same trace: {span}");
    let order = testkit::api::id(&placed.body)?;
    shop.ends(order, "confirmed").await?;
    let timeline = customer.timeline(order).await?;
    ensure!(timeline.len() >= 2 && timeline.iter().all(|row| row["traceId"] == trace_id.as_str()), "{timeline:?}");
    for unusable in ["two words", "", &"x".repeat(200)] {
        for service in Service::ALL {
            let request = customer.request(Method::GET, service, "/v1/nothing").header("x-request-id", unusable);
            let answer = read(request.header("traceparent", "00-00-00-zz")).await?;
            let given = answer.headers.get("x-request-id").and_then(|value| value.to_str().ok()).unwrap_or_default();
            ensure!(given.parse::<Uuid>().is_ok() && answer.body["requestId"] == given, "{unusable:?}: {answer:?}");
        }
    }
    Ok(())
}

/// Told to end, a service answers what is under way, takes nothing new, and is gone in time; here without a broker to say
/// goodbye to.
pub(crate) async fn a_service_that_is_told_to_end_finishes_first(shop: Shop) -> Result<()> {
    let annex = shop.annex().await?;
    let issuer = shop.api.replicas(Service::Order)[0].as_str();
    let url = free_url()?;
    let product = annex.launch(Service::Product, &url, issuer, &[])?;
    product.ready().await?;
    let token = shop.admin.token().context("a token")?;
    let body = json!({
        "sku": "LAST", "name": "The last one", "category": "ends", "price": { "amount": 1, "currency": "USD" },
    });
    let body = body.to_string();
    let (first, second) = body.split_at(body.len() / 2);
    let mut under_way = Raw::connect(&url).await?;
    let head = format!(
        "POST /v1/products HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{first}",
        body.len()
    );
    under_way.send(&head).await?;
    // So that the server has read the head: a request that was answered after it was sent was read after it.
    api_of(&[&product])?.anonymous().get(Service::Product, "/v1/products").await?.expect(200)?;
    let told = Instant::now();
    product.tell_to_end()?;
    testkit::eventually::eventually("a service that takes nothing new", || async {
        Ok(Raw::connect(&url).await.is_err().then_some(()))
    })
    .await?;
    under_way.send(second).await?;
    let answer = under_way.rest().await?;
    ensure!(answer.starts_with("HTTP/1.1 201 ") && answer.contains("The last one"), "{answer}");
    let fate = product.ended().await?;
    ensure!(fate.contains("exit status: 0"), "{fate}");
    ensure!(told.elapsed() < END_WITHIN, "it took {:?}", told.elapsed());
    Ok(())
}
