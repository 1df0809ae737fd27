//! The calls about dead letters.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::api::{Answer, Service, User};
use testkit::records::Place;

/// All letters of a service that have `status`, page after page.
pub(crate) async fn list(admin: &User, service: Service, status: &str) -> Result<Vec<Value>> {
    let mut letters = Vec::new();
    let mut more = String::new();
    loop {
        let path = format!("/v1/admin/dead-letters?limit=7&status={status}{more}");
        let page = admin.get(service, &path).await?.expect(200)?;
        letters.extend(page["data"].as_array().cloned().unwrap_or_default());
        let Some(next) = page["nextCursor"].as_str() else { return Ok(letters) };
        more = format!("&cursor={next}");
    }
}

/// The letter of the record at `place`.
pub(crate) fn find(letters: &[Value], place: &Place) -> Option<Value> {
    let is_it = |letter: &&Value| {
        letter["topic"] == json!(place.topic)
            && letter["partition"] == json!(place.partition)
            && letter["offset"] == json!(place.offset)
    };
    letters.iter().find(is_it).cloned()
}

pub(crate) async fn redrive(admin: &User, service: Service, id: &str) -> Result<Answer> {
    let body = json!({ "reason": "it may be well now" });
    admin.post(service, &format!("/v1/admin/dead-letters/{id}/redrive"), &body).await
}

pub(crate) async fn discard(admin: &User, service: Service, id: &str, reason: &str) -> Result<Answer> {
    admin.post(service, &format!("/v1/admin/dead-letters/{id}/discard"), &json!({ "reason": reason })).await
}
