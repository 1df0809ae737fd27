//! From what happened to what is written. Pure.

use super::Channel;
use common::events::{NotificationRequested, Template};
use minijinja::{Environment, context};
use serde::Serialize;
use std::sync::LazyLock;

/// A message as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Of an e-mail.
    pub subject: Option<String>,
    pub body: String,
    /// Of an e-mail that goes out: the same, as HTML.
    pub html: Option<String>,
}

/// The first line of each is the subject, the second the message.
fn source(template: Template) -> &'static str {
    match template {
        Template::OrderPlaced => include_str!("../../templates/order_placed.txt"),
        Template::OrderConfirmed => include_str!("../../templates/order_confirmed.txt"),
        Template::PaymentFailed => include_str!("../../templates/payment_failed.txt"),
        Template::OrderRejected => include_str!("../../templates/order_rejected.txt"),
        Template::OrderCancelled => include_str!("../../templates/order_cancelled.txt"),
        Template::OrderExpired => include_str!("../../templates/order_expired.txt"),
        Template::OrderShipped => include_str!("../../templates/order_shipped.txt"),
        Template::OrderDelivered => include_str!("../../templates/order_delivered.txt"),
        Template::OrderRefunded => include_str!("../../templates/order_refunded.txt"),
    }
}

/// Parsed once. HTML is escaped, because the layout's name ends so.
static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    let layouts = [
        ("mail.txt", include_str!("../../templates/mail.txt")),
        ("mail.html", include_str!("../../templates/mail.html")),
    ];
    for (name, text) in Template::ALL.map(|template| (template.as_str(), source(template))).into_iter().chain(layouts) {
        environment.add_template(name, text).expect("the templates are tested");
    }
    environment
});

#[derive(Serialize)]
struct Line<'a> {
    quantity: u32,
    name: &'a str,
    total: String,
}

/// What `asked` says in `channel`; of an e-mail also `with_html`.
#[must_use]
pub fn render(asked: &NotificationRequested, channel: Channel, with_html: bool) -> Rendered {
    let vars = &asked.vars;
    let total = vars.total.to_string();
    let number = &asked.order_number;
    let short = fill(
        asked.template.as_str(),
        context! { number, total, reason => vars.reason, tracking_number => vars.tracking_number },
    );
    let (subject, message) = short.split_once('\n').unwrap_or((&short, ""));
    let message = message.trim_end();
    if channel == Channel::Sms {
        return Rendered { subject: None, body: message.to_owned(), html: None };
    }
    let lines = vars.lines.iter();
    let lines: Vec<Line<'_>> = lines
        .map(|line| Line { quantity: line.quantity, name: &line.name, total: line.line_total.to_string() })
        .collect();
    let context = context! { message, lines, total, number };
    Rendered {
        subject: Some(subject.to_owned()),
        body: fill("mail.txt", context.clone()),
        html: with_html.then(|| fill("mail.html", context)),
    }
}

fn fill(name: &str, context: minijinja::Value) -> String {
    let template = TEMPLATES.get_template(name).expect("every template is there");
    template.render(context).expect("a template names nothing that could fail")
}
