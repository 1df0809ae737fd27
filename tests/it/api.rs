//! The API as a whole: what the specifications say, held against the calls that there have to be, and against what the
//! services do.

mod calls;
mod schema;
mod walk;

use crate::shop::Shop;
use anyhow::{Context, Result, bail, ensure};
use calls::{CALLS, Call, Who};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::api::{Service, User, read};
use uuid::Uuid;

pub(crate) use calls::{Operation, Specification};
pub(crate) use walk::every_call_and_its_errors;

/// No call is missing, none is there that nobody meant, and each says who may make it.
pub(crate) async fn the_specifications_name_every_call_and_its_security(shop: Shop) -> Result<()> {
    let mut found = BTreeSet::new();
    for service in Service::ALL {
        for operation in Specification::of(&shop, service).await?.operations() {
            let named = operation.call();
            let call = CALLS.iter().find(|call| call.service == service && call.named() == named);
            let call = call.with_context(|| format!("{named} of {} is not among the calls", service.name()))?;
            match (call.who, operation.is_secured()) {
                (Who::Public, None | Some(false)) | (Who::Customer | Who::Admin, Some(true)) => {}
                (who, declared) => bail!("{named} is for {who:?}, and its security is declared as {declared:?}"),
            }
            ensure!(operation.declares_security(), "{named} declares no security, not even that it needs none");
            found.insert((service.name(), named));
        }
    }
    for call in CALLS.iter() {
        ensure!(found.contains(&(call.service.name(), call.named())), "{} is missing", call.named());
    }
    Ok(())
}

/// Without a token 401, as a CUSTOMER on an admin's call 403; who may make the call gets past both. Asked of every
/// replica, for things that are not there, so that nothing is changed.
pub(crate) async fn tokens_and_roles_are_asked_for_as_declared(shop: Shop) -> Result<()> {
    let customer = shop.customer().await?;
    let nobody = shop.api.anonymous();
    for call in CALLS.iter() {
        for n in 0..shop.api.replicas(call.service).len() {
            let status =
                async |user: &User| Ok::<_, anyhow::Error>(probe(&user.at_replica(n), call).await?.status.as_u16());
            let (anonymous, customers, admins) =
                (status(&nobody).await?, status(&customer).await?, status(&shop.admin).await?);
            let named = call.named();
            let refused = |status: u16| matches!(status, 401 | 403);
            let right = match call.who {
                Who::Public => !refused(anonymous) && !refused(customers) && !refused(admins),
                Who::Customer => anonymous == 401 && !refused(customers) && !refused(admins),
                Who::Admin => anonymous == 401 && customers == 403 && !refused(admins),
            };
            ensure!(right, "{named} for {:?}: {anonymous} {customers} {admins}", call.who);
            ensure!([anonymous, customers, admins].iter().all(|status| *status < 500), "{named} fails");
        }
    }
    Ok(())
}

/// A body that is JSON and nothing else, about things that do not exist.
async fn probe(user: &User, call: &Call) -> Result<testkit::api::Answer> {
    let path = call.path_of(&Uuid::nil().to_string());
    let request = user.request(call.method(), call.service, &path).header("if-match", "*");
    if call.method() == Method::GET {
        return read(request).await;
    }
    read(request.json(&json!({ "nothing": "of this name" }))).await
}

/// RFC 9457, as every refusal is written: the problem.
pub(crate) fn problem(answer: &testkit::api::Answer) -> Result<&Value> {
    ensure!(answer.headers.get("content-type").is_some_and(|v| v == "application/problem+json"), "{answer:?}");
    let body = &answer.body;
    ensure!(body["status"] == answer.status.as_u16(), "{body}");
    for member in ["type", "title", "code", "detail", "requestId"] {
        ensure!(body[member].is_string(), "no {member}: {body}");
    }
    ensure!(answer.headers.get("x-request-id").is_some_and(|id| body["requestId"] == id.to_str().unwrap_or_default()));
    Ok(body)
}
