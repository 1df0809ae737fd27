//! What whoever started the fleet needs to know of it.

use crate::say::say;
use crate::services::SERVICES;
use crate::state::{Running, Told};
use crate::up::UpArgs;
use stack::probe::ready;

/// Copied from the terminal into a shell, these work; the product is one of the demo catalogue.
const FIRST_ORDER: &str = r#"
demo users: customeruser / customer123 (CUSTOMER), adminuser / admin123 (ADMIN)

TOKEN=$(curl -s localhost:8183/auth/token -d grant_type=password -d username=customeruser -d password=customer123 | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
ORDER=$(curl -s localhost:8183/v1/orders -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"lines":[{"productId":"01900000-0000-7000-8000-000000000001","quantity":2}],"paymentMethod":"pm_card_visa"}' | sed 's/^{"id":"\([^"]*\)".*/\1/'); echo "order $ORDER"
curl -s "localhost:8183/v1/orders/$ORDER/timeline" -H "authorization: Bearer $TOKEN"
"#;

/// Every URL, and how to begin.
pub(crate) fn urls(told: &[Running], args: &UpArgs) {
    say(&format!("\n{:<16} {:<23} {:<35} health", "", "API", "Swagger UI"));
    for Running { name, port, .. } in told.iter().filter(|process| is_service(&process.name)) {
        let url = format!("http://localhost:{port}");
        say(&format!("{name:<16} {url:<23} {:<35} {url}/readyz", format!("{url}/swagger-ui/")));
    }
    for Running { name, port, .. } in told.iter().filter(|process| !is_service(&process.name)) {
        say(&format!("{name:<16} 127.0.0.1:{port}"));
    }
    match &args.issuer {
        Some(issuer) => say(&format!("\ntokens are those of {issuer}")),
        None => say(if args.no_demo { "" } else { FIRST_ORDER }),
    }
}

/// What runs, with pids and readiness.
pub(crate) fn status(told: &Told) {
    let state = if told.ready { "up" } else { "coming up" };
    say(&format!("{state}, process {}\n\n{:<16} {:<6} {:<8} state", told.pid, "", "port", "pid"));
    for Running { name, port, pid } in &told.processes {
        let (pid, state) = match pid {
            Some(pid) if is_service(name) => (pid.to_string(), if ready(*port) { "ready" } else { "not ready" }),
            Some(pid) => (pid.to_string(), if stack::ports::answers(*port) { "answers" } else { "does not answer" }),
            None => ("-".to_owned(), "has ended, starts again"),
        };
        say(&format!("{name:<16} {port:<6} {pid:<8} {state}"));
    }
}

/// A replica is called as its service is, with its number.
fn is_service(name: &str) -> bool {
    SERVICES.iter().any(|(service, _)| name.split('-').next() == Some(service))
}
