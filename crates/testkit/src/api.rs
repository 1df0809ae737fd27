//! The fleet's HTTP, as a client sees it.

use crate::eventually::PATIENCE;
use anyhow::{Context, Result, bail, ensure};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long a connection is kept for the next request: for less time than a service keeps it, so that none is sent into
/// one that is just being closed.
const IDLE: Duration = Duration::from_secs(3);

/// The five services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    Product,
    Payment,
    Order,
    Notification,
    Inventory,
}

impl Service {
    pub const ALL: [Self; 5] = [Self::Product, Self::Payment, Self::Order, Self::Notification, Self::Inventory];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Payment => "payment",
            Self::Order => "order",
            Self::Notification => "notification",
            Self::Inventory => "inventory",
        }
    }

    /// The port of the first replica in a local fleet.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Product => 8181,
            Self::Payment => 8182,
            Self::Order => 8183,
            Self::Notification => 8184,
            Self::Inventory => 8185,
        }
    }
}

/// A fleet, by the base URLs of each service's replicas; requests go to them in turn.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    urls: HashMap<Service, Vec<String>>,
    turn: AtomicUsize,
}

/// A response, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    /// `Null` where the body was empty.
    pub body: Value,
}

impl Answer {
    /// The body, where the status is `wanted`.
    ///
    /// # Errors
    /// Another status, with the body in the message.
    pub fn expect(self, wanted: u16) -> Result<Value> {
        if self.status.as_u16() == wanted {
            return Ok(self.body);
        }
        bail!("{} instead of {wanted}: {}", self.status, self.body)
    }

    /// The `code` of a problem.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Api {
    /// # Errors
    /// Where the HTTP client can't be made.
    pub fn new(urls: HashMap<Service, Vec<String>>) -> Result<Self> {
        let http =
            reqwest::Client::builder().timeout(Duration::from_secs(40)).pool_idle_timeout(IDLE).no_proxy().build()?;
        Ok(Self { inner: Arc::new(Inner { http, urls, turn: AtomicUsize::new(0) }) })
    }

    /// The fleet that `cargo xtask up` starts.
    ///
    /// # Errors
    /// Where the HTTP client can't be made.
    pub fn local() -> Result<Self> {
        let url = |service: Service| (service, vec![format!("http://localhost:{}", service.port())]);
        Self::new(Service::ALL.into_iter().map(url).collect())
    }

    /// The same fleet, with only the replica `n` of `service`.
    #[must_use]
    pub fn only(&self, service: Service, n: usize) -> Self {
        let mut urls = self.inner.urls.clone();
        let chosen = urls.get(&service).and_then(|urls| urls.get(n)).cloned();
        urls.insert(service, chosen.into_iter().collect());
        Self { inner: Arc::new(Inner { http: self.inner.http.clone(), urls, turn: AtomicUsize::new(0) }) }
    }

    /// The base URLs of a service's replicas.
    #[must_use]
    pub fn replicas(&self, service: Service) -> &[String] {
        &self.inner.urls[&service]
    }

    /// For what is no resource, such as `/metrics`.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.inner.http
    }

    /// Somebody without a token.
    #[must_use]
    pub fn anonymous(&self) -> User {
        User { api: self.clone(), token: None }
    }

    /// # Errors
    /// Where the issuer refuses, or does not answer.
    pub async fn login(&self, username: &str, password: &str) -> Result<User> {
        let form = [("grant_type", "password"), ("username", username), ("password", password)];
        let url = format!("{}/auth/token", self.url(Service::Order));
        // After a restart of PostgreSQL the issuer may be busy finding that out.
        let answer = patiently(|| read(self.inner.http.post(&url).form(&form))).await?;
        let answer = answer.expect(200).context("logging in")?;
        let token = answer["access_token"].as_str().context("a token answer has an access_token")?.to_owned();
        Ok(User { api: self.clone(), token: Some(token) })
    }

    /// A customer that nobody else uses.
    ///
    /// # Errors
    /// Where the issuer refuses, or does not answer.
    pub async fn new_customer(&self) -> Result<User> {
        let username = format!("customer-{}", Uuid::new_v4().simple());
        let password = Uuid::new_v4().to_string();
        let body = json!({ "username": username, "email": format!("{username}@example.com"), "password": password });
        self.anonymous().post(Service::Order, "/auth/register", &body).await?.expect(201)?;
        self.login(&username, &password).await
    }

    fn url(&self, service: Service) -> &str {
        let replicas = &self.inner.urls[&service];
        &replicas[self.inner.turn.fetch_add(1, Ordering::Relaxed) % replicas.len()]
    }
}

/// Somebody who makes requests.
#[derive(Clone)]
pub struct User {
    api: Api,
    token: Option<String>,
}

impl User {
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The same, at one replica of each service (from 0; the first follows the last).
    #[must_use]
    pub fn at_replica(&self, n: usize) -> Self {
        let Inner { http, urls, .. } = &*self.api.inner;
        let one = |(service, urls): (&Service, &Vec<String>)| (*service, vec![urls[n % urls.len()].clone()]);
        let urls = urls.iter().map(one).collect();
        let inner = Inner { http: http.clone(), urls, turn: AtomicUsize::new(0) };
        Self { api: Api { inner: Arc::new(inner) }, token: self.token.clone() }
    }

    /// The same fleet, with this as the bearer token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { api: self.api.clone(), token: Some(token.to_owned()) }
    }

    /// A request to the next replica, to be completed by the caller.
    pub fn request(&self, method: Method, service: Service, path: &str) -> RequestBuilder {
        let request = self.api.inner.http.request(method, format!("{}{path}", self.api.url(service)));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// # Errors
    /// No answer.
    pub async fn get(&self, service: Service, path: &str) -> Result<Answer> {
        read(self.request(Method::GET, service, path)).await
    }

    /// # Errors
    /// No answer.
    pub async fn post(&self, service: Service, path: &str, body: &Value) -> Result<Answer> {
        read(self.request(Method::POST, service, path).json(body)).await
    }

    /// A form, for the issuer.
    ///
    /// # Errors
    /// No answer.
    pub async fn form(&self, path: &str, form: &[(&str, &str)]) -> Result<Answer> {
        read(self.request(Method::POST, Service::Order, path).form(form)).await
    }

    /// With an `Idempotency-Key`.
    ///
    /// # Errors
    /// No answer.
    pub async fn post_keyed(&self, service: Service, path: &str, key: &str, body: &Value) -> Result<Answer> {
        read(self.request(Method::POST, service, path).header("idempotency-key", key).json(body)).await
    }
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// No answer, or a body that is not JSON.
pub async fn read(request: RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await?;
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).with_context(|| format!("{status}: {}", String::from_utf8_lossy(&bytes)))?
    };
    Ok(Answer { status, headers, body })
}

/// Asks again while the answer is 503: what was asked for was not and will not be done.
///
/// # Errors
/// No answer, or the last 503 once [`PATIENCE`] has run out.
pub async fn patiently<F: Future<Output = Result<Answer>>>(mut ask: impl FnMut() -> F) -> Result<Answer> {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await?;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            return Ok(answer);
        }
        ensure!(Instant::now() < until, "{answer:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// The steps of an order, as its people take them.
impl User {
    /// Places an order of `lines` (product, quantity).
    ///
    /// # Errors
    /// No answer.
    pub async fn place(&self, lines: &[(Uuid, u32)], payment_method: &str) -> Result<Answer> {
        let lines: Vec<Value> =
            lines.iter().map(|(id, quantity)| json!({ "productId": id, "quantity": quantity })).collect();
        let body = json!({ "lines": lines, "paymentMethod": payment_method });
        self.post_keyed(Service::Order, "/v1/orders", &Uuid::new_v4().to_string(), &body).await
    }

    /// As [`User::place`], patiently, which must succeed; the order's id.
    ///
    /// # Errors
    /// No order.
    pub async fn placed(&self, lines: &[(Uuid, u32)], payment_method: &str) -> Result<Uuid> {
        id(&patiently(|| self.place(lines, payment_method)).await?.expect(201)?)
    }

    /// # Errors
    /// No order.
    pub async fn order(&self, order_id: Uuid) -> Result<Value> {
        self.get(Service::Order, &format!("/v1/orders/{order_id}")).await?.expect(200)
    }

    /// The rows of the order's timeline.
    ///
    /// # Errors
    /// No order.
    pub async fn timeline(&self, order_id: Uuid) -> Result<Vec<Value>> {
        let body = self.get(Service::Order, &format!("/v1/orders/{order_id}/timeline")).await?.expect(200)?;
        body["data"].as_array().cloned().context("a timeline has data")
    }

    /// # Errors
    /// No answer.
    pub async fn cancel(&self, order_id: Uuid) -> Result<Answer> {
        self.post(Service::Order, &format!("/v1/orders/{order_id}/cancel"), &json!({})).await
    }

    /// # Errors
    /// No answer.
    pub async fn pay_again(&self, order_id: Uuid, payment_method: &str) -> Result<Answer> {
        let path = format!("/v1/payments/process/{order_id}");
        self.post_keyed(
            Service::Payment,
            &path,
            &Uuid::new_v4().to_string(),
            &json!({ "paymentMethod": payment_method }),
        )
        .await
    }

    /// # Errors
    /// No payment.
    pub async fn payment(&self, order_id: Uuid) -> Result<Value> {
        self.get(Service::Payment, &format!("/v1/payments/{order_id}")).await?.expect(200)
    }
}

/// The `id` of a resource.
///
/// # Errors
/// None there.
pub fn id(resource: &Value) -> Result<Uuid> {
    let text = resource["id"].as_str().context("a resource has an id")?;
    Ok(text.parse()?)
}
