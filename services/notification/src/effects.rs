//! Messages on their way out, by SMTP.

use crate::domain::{Command, Send};
use anyhow::Context;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::response::Category;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::time::Duration;
use tokio::time::timeout;

/// How long one message may take, all answers of its server together: less than its lease.
const SEND_BOUND: Duration = Duration::from_secs(20);

/// How e-mail leaves the house.
#[derive(Clone)]
pub struct Mail {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mail {
    /// `smtp_url`: `smtp://user:password@host:port`, what is special in the credentials percent-encoded.
    ///
    /// - `smtps://…`: TLS from the start
    /// - `smtp://…?tls=required`: STARTTLS, or nothing is sent
    /// - `smtp://…?tls=opportunistic`: STARTTLS where the server offers it
    ///
    /// Certificates are checked against the roots that this system trusts.
    ///
    /// # Errors
    /// The URL or the sender can't be read.
    pub fn new(smtp_url: &str, from: &str) -> anyhow::Result<Self> {
        // The cause could repeat the password.
        let server =
            AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp_url).ok().context("SMTP_URL is no URL of a server")?;
        let server = server.timeout(Some(SEND_BOUND)).build();
        Ok(Self { server, from: from.parse().context("SMTP_FROM is no mailbox")? })
    }

    /// Sends one message; the result is the command that records it.
    pub async fn send(self, send: Send) -> Command {
        let Send { id, attempt, .. } = send;
        match mail(&self.server, &self.from, send).await {
            Ok(()) => Command::Sent { id, attempt },
            Err(Refused { for_good, error }) => {
                tracing::warn!(notification = %id, attempt, for_good, error, "a message was not sent");
                Command::TriedInVain { id, attempt, for_good, error }
            }
        }
    }
}

struct Refused {
    for_good: bool,
    error: String,
}

impl Refused {
    fn for_good(error: &dyn std::fmt::Display) -> Self {
        Self { for_good: true, error: error.to_string() }
    }
}

async fn mail(server: &AsyncSmtpTransport<Tokio1Executor>, from: &Mailbox, send: Send) -> Result<(), Refused> {
    let message = message(from, send)?;
    match timeout(SEND_BOUND, server.send(message)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Refused { for_good: is_for_good(&error), error: error.to_string() }),
        Err(_) => Err(Refused { for_good: false, error: format!("not sent within {} s", SEND_BOUND.as_secs()) }),
    }
}

fn message(from: &Mailbox, send: Send) -> Result<Message, Refused> {
    let builder = Message::builder()
        // The same for every attempt, so that a server can tell a repeat (RFC 5322, section 3.6.4).
        .message_id(Some(format!("<{}@{}>", send.id, from.email.domain())))
        .header(AutoSubmitted)
        .from(from.clone())
        .to(send.recipient.parse().map_err(|error: lettre::address::AddressError| Refused::for_good(&error))?)
        .subject(send.rendered.subject.unwrap_or_default());
    let message = match send.rendered.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(send.rendered.body, html)),
        // It was recorded while nobody carried e-mail, and is sent again.
        None => builder.singlepart(SinglePart::plain(send.rendered.body)),
    };
    message.map_err(|error| Refused::for_good(&error))
}

/// Whether the server will never take this message (RFC 5321, section 4.2.1). That it does not like our credentials (53x,
/// RFC 4954) says nothing of the message.
fn is_for_good(error: &lettre::transport::smtp::Error) -> bool {
    error.is_permanent() && error.status().is_none_or(|code| code.category != Category::Unspecified3)
}

/// Keeps machines from answering (RFC 3834, section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + std::marker::Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
