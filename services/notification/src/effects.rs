//! Messages on their way out: by SMTP where a server is given, else into the log.

use crate::domain::{Channel, Command, Send};
use anyhow::Context;
use lettre::message::{Mailbox, MultiPart};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::time::Duration;

/// How long one message may take: less than its lease.
const SEND_BOUND: Duration = Duration::from_secs(20);

/// How e-mail leaves the house. SMS always goes into the log.
#[derive(Clone)]
pub enum Transport {
    /// Records the message as sent.
    Log,
    Smtp {
        server: AsyncSmtpTransport<Tokio1Executor>,
        from: Mailbox,
    },
}

impl Transport {
    /// `smtp_url`: `smtp://user:password@host:port`, `smtps://…` for TLS from the start,
    /// `smtp://…?tls=required` for STARTTLS.
    ///
    /// # Errors
    /// The URL or the sender can't be read.
    pub fn new(smtp_url: Option<&str>, from: &str) -> anyhow::Result<Self> {
        let Some(url) = smtp_url else { return Ok(Self::Log) };
        // The cause could repeat the password.
        let server =
            AsyncSmtpTransport::<Tokio1Executor>::from_url(url).ok().context("SMTP_URL is no URL of a server")?;
        let server = server.timeout(Some(SEND_BOUND)).build();
        Ok(Self::Smtp { server, from: from.parse().context("SMTP_FROM is no mailbox")? })
    }

    /// Sends one message; the result is the command that records it.
    pub async fn send(self, send: Send) -> Command {
        let Send { id, attempt, .. } = send;
        let done = match (&self, send.channel) {
            (Self::Smtp { server, from }, Channel::Email) => mail(server, from, send).await,
            (Self::Log, _) | (_, Channel::Sms) => {
                tracing::debug!(notification = %id, channel = send.channel.as_str(), "recorded as sent");
                Ok(())
            }
        };
        match done {
            Ok(()) => Command::Sent { id, attempt },
            Err(Refused { for_good, error }) => Command::TriedInVain { id, attempt, for_good, error },
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
    let message = Message::builder()
        // The same for every attempt, so that a server can tell a repeat (RFC 5322, section 3.6.4).
        .message_id(Some(format!("<{}@rtoms>", send.id)))
        .from(from.clone())
        .to(send.recipient.parse().map_err(|error: lettre::address::AddressError| Refused::for_good(&error))?)
        .subject(send.rendered.subject.unwrap_or_default())
        .multipart(MultiPart::alternative_plain_html(send.rendered.body, send.rendered.html.unwrap_or_default()))
        .map_err(|error| Refused::for_good(&error))?;
    match server.send(message).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Refused { for_good: error.is_permanent(), error: error.to_string() }),
    }
}
