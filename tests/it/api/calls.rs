//! The calls that there have to be, and those that the specifications name.

use crate::shop::Shop;
use anyhow::Result;
use reqwest::Method;
use serde_json::{Map, Value};
use std::sync::LazyLock;
use testkit::api::Service;

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Anybody, without a token.
    Public,
    /// CUSTOMER, for what is theirs; ADMIN, for everybody's.
    Customer,
    Admin,
}

/// A call of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) who: Who,
    method: &'static str,
    /// With `{…}` for what comes from the caller.
    pub(crate) path: &'static str,
}

const fn call(service: Service, who: Who, method: &'static str, path: &'static str) -> Call {
    Call { service, who, method, path }
}

/// The whole API.
pub(crate) static CALLS: LazyLock<Vec<Call>> = LazyLock::new(|| {
    let operations = Service::ALL
        .into_iter()
        .flat_map(|service| OPERATIONS.map(|(method, path)| call(service, Who::Admin, method, path)));
    OF_ONE_SERVICE.iter().copied().chain(operations).collect()
});

/// Of every service.
const OPERATIONS: [(&str, &str); 4] = [
    ("GET", "/v1/admin/dead-letters"),
    ("GET", "/v1/admin/dead-letters/{id}"),
    ("POST", "/v1/admin/dead-letters/{id}/redrive"),
    ("POST", "/v1/admin/dead-letters/{id}/discard"),
];

const OF_ONE_SERVICE: &[Call] = {
    use Service::{Inventory, Notification, Order, Payment, Product};
    use Who::{Admin, Customer, Public};
    &[
        call(Order, Public, "POST", "/auth/register"),
        call(Order, Public, "POST", "/auth/token"),
        call(Order, Public, "POST", "/auth/revoke"),
        call(Order, Public, "GET", "/auth/jwks.json"),
        call(Order, Public, "GET", "/.well-known/openid-configuration"),
        call(Order, Customer, "GET", "/auth/userinfo"),
        call(Product, Public, "GET", "/v1/products"),
        call(Product, Public, "GET", "/v1/products/{productId}"),
        call(Product, Admin, "POST", "/v1/products"),
        call(Product, Admin, "PATCH", "/v1/products/{productId}"),
        call(Product, Admin, "DELETE", "/v1/products/{productId}"),
        call(Inventory, Customer, "GET", "/v1/inventory/check"),
        call(Inventory, Admin, "GET", "/v1/inventory"),
        call(Inventory, Admin, "GET", "/v1/inventory/{productId}"),
        call(Inventory, Admin, "POST", "/v1/inventory/{productId}/adjustments"),
        call(Inventory, Admin, "GET", "/v1/inventory/{productId}/movements"),
        call(Inventory, Admin, "GET", "/v1/reservations/{orderId}"),
        call(Order, Customer, "POST", "/v1/orders"),
        call(Order, Customer, "GET", "/v1/orders"),
        call(Order, Customer, "GET", "/v1/orders/{orderId}"),
        call(Order, Customer, "GET", "/v1/orders/{orderId}/timeline"),
        call(Order, Customer, "POST", "/v1/orders/{orderId}/cancel"),
        call(Order, Admin, "POST", "/v1/orders/{orderId}/ship"),
        call(Order, Admin, "POST", "/v1/orders/{orderId}/deliver"),
        call(Payment, Customer, "GET", "/v1/payments/{orderId}"),
        call(Payment, Admin, "GET", "/v1/payments"),
        call(Payment, Customer, "POST", "/v1/payments/process/{orderId}"),
        call(Payment, Admin, "POST", "/v1/payments/{orderId}/refunds"),
        call(Notification, Customer, "GET", "/v1/notifications/{orderId}"),
        call(Notification, Admin, "GET", "/v1/notifications"),
        call(Notification, Admin, "POST", "/v1/notifications/{id}/resend"),
    ]
};

impl Call {
    pub(crate) fn method(&self) -> Method {
        Method::from_bytes(self.method.as_bytes()).expect("the methods here are methods")
    }

    /// Such as `GET /v1/orders/{orderId}`.
    pub(crate) fn named(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The path with `id` in every place that is the caller's.
    pub(crate) fn path_of(&self, id: &str) -> String {
        let fill = |segment: &'static str| if segment.starts_with('{') { id } else { segment };
        self.path.split('/').map(fill).collect::<Vec<_>>().join("/")
    }

    /// The call that a request to `service` makes; where two fit, the one with fewer places that are the caller's.
    pub(crate) fn of(service: Service, method: &Method, path: &str) -> Option<&'static Self> {
        let path = path.split('?').next().unwrap_or_default();
        let fits = |call: &&Self| {
            let (wanted, given) = (call.path.split('/'), path.split('/'));
            wanted.clone().count() == given.clone().count()
                && wanted.zip(given).all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
        };
        let of_method = CALLS.iter().filter(|call| call.service == service && call.method == method.as_str());
        of_method.filter(fits).min_by_key(|call| call.path.matches('{').count())
    }
}

/// What a service says of itself at `/openapi.json`.
pub(crate) struct Specification {
    pub(crate) service: Service,
    pub(crate) document: Value,
}

/// One operation of it.
pub(crate) struct Operation<'a> {
    pub(crate) service: Service,
    method: String,
    path: &'a str,
    members: &'a Map<String, Value>,
    document: &'a Value,
}

impl Specification {
    pub(crate) async fn of(shop: &Shop, service: Service) -> Result<Self> {
        let document = shop.api.anonymous().get(service, "/openapi.json").await?.expect(200)?;
        Ok(Self { service, document })
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let paths = self.document["paths"].as_object().into_iter().flatten();
        paths.flat_map(|(path, item)| {
            let operations = item.as_object().into_iter().flatten();
            operations.filter_map(|(method, operation)| {
                let members = operation.as_object()?;
                let method = method.to_uppercase();
                Some(Operation { service: self.service, method, path, members, document: &self.document })
            })
        })
    }
}

impl Operation<'_> {
    pub(crate) fn call(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn method(&self) -> Result<Method> {
        Ok(Method::from_bytes(self.method.as_bytes())?)
    }

    /// The path with `id` for each of its parameters.
    pub(crate) fn path_of(&self, id: &str) -> String {
        self.path
            .split('/')
            .map(|segment| if segment.starts_with('{') { id } else { segment })
            .collect::<Vec<_>>()
            .join("/")
    }

    /// Whether it says who may call it.
    pub(crate) fn declares_security(&self) -> bool {
        self.members.get("security").is_some_and(Value::is_array)
    }

    /// Whether a token is needed; `None` where nothing is said.
    pub(crate) fn is_secured(&self) -> Option<bool> {
        let ways = self.members.get("security")?.as_array()?;
        Some(!ways.is_empty() && ways.iter().all(|way| way.as_object().is_some_and(|way| !way.is_empty())))
    }

    /// The names of the parameters of its query.
    pub(crate) fn query(&self) -> Vec<&str> {
        let parameters = self.members.get("parameters").and_then(Value::as_array).into_iter().flatten();
        parameters
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect()
    }

    pub(crate) fn has_body(&self) -> bool {
        self.members.contains_key("requestBody")
    }

    /// The schema of a body of this media type, where it takes one.
    pub(crate) fn body(&self, media_type: &str) -> Option<&Value> {
        let schema = self.members.get("requestBody")?.get("content")?.get(media_type)?.get("schema")?;
        Some(resolved(self.document, schema))
    }

    /// The schema of what it answers with this status.
    pub(crate) fn answer(&self, status: u16) -> Option<&Value> {
        let response = self.members.get("responses")?.get(status.to_string())?;
        Some(resolved(self.document, response.get("content")?.get("application/json")?.get("schema")?))
    }
}

/// The schema itself, where one only refers to it.
pub(crate) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).map_or(schema, |found| resolved(document, found))
}
