//! What is asked for, and what arrives.

use crate::alone::usd;
use anyhow::{Context, Result};
use common::events::{Contact, NotificationLine, NotificationRequested, NotificationVars, Template};
use mail_parser::MessageParser;
use testkit::mail::Mail;

pub(super) const PHONE: &str = "+49 30 1234567";

/// Of an order of its own; the names in it must not become part of a page.
pub(super) fn asked(template: Template, recipient: &str) -> NotificationRequested {
    let order_id = common::ids::new();
    NotificationRequested {
        order_id,
        order_number: common::ids::order_number(order_id),
        customer_id: "somebody".to_owned(),
        timeline_sequence: 1,
        template,
        contact: Contact { email: Some(recipient.to_owned()), phone: Some(PHONE.to_owned()) },
        vars: NotificationVars {
            total: usd(1999),
            lines: vec![NotificationLine { name: "Salt & <pepper>".to_owned(), quantity: 2, line_total: usd(1999) }],
            reason: Some("card_declined".to_owned()),
            tracking_number: Some("TP-1".to_owned()),
        },
    }
}

/// A message as its reader sees it.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) message_id: String,
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) plain: String,
    pub(super) html: String,
}

pub(super) fn letter(mail: &Mail) -> Result<Letter> {
    let message = MessageParser::default().parse(&mail.raw).context("a message that can be read")?;
    let to = message.to().and_then(|to| to.first()).and_then(|to| to.address());
    let plain = message.text_bodies().next().filter(|part| part.is_text()).and_then(|part| part.text_contents());
    let html = message.html_bodies().next().filter(|part| part.is_text_html()).and_then(|part| part.text_contents());
    Ok(Letter {
        message_id: message.message_id().context("a message has a Message-ID")?.to_owned(),
        to: to.context("a message has a recipient")?.to_owned(),
        subject: message.subject().context("a message has a subject")?.to_owned(),
        plain: plain.context("a message has a plain part")?.to_owned(),
        html: html.context("a message has an HTML part")?.to_owned(),
    })
}
