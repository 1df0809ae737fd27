//! The notification service alone, with a mail server: what a message looks like when it arrives, and what becomes of one
//! that does not.

mod letters;

use super::all;
use anyhow::{Context, Result, ensure};
use common::events::{Template, TopicEvent};
use letters::{asked, letter};
use serde_json::{Value, json};
use std::path::Path;
use testkit::annex::{Lodger, api_of};
use testkit::api::{Service, User};
use testkit::eventually::{becomes, eventually};
use testkit::kafka::Topics;
use testkit::mail::{MailServer, Reply, Tls};
use testkit::stage::Stage;
use uuid::Uuid;

pub(super) async fn mail_arrives_or_the_books_say_why_not(stage: &Stage) -> Result<()> {
    let issuer = stage.issuer().await?;
    every_form_of_tls(stage, &issuer).await?;
    let server = MailServer::start(Tls::None).await?;
    let url = format!("smtp://{}", server.address());
    let env = [("SMTP_URL", url.as_str())];
    let mut notification = stage.enter(Service::Notification, Some(&issuer), &env).await?;
    let office = Office::open(stage, &issuer, &notification, server).await?;
    futures::try_join!(
        async { office.every_template_arrives().await.context("every template") },
        async { office.a_server_that_is_busy_is_tried_again().await.context("451") },
        async { office.a_refused_message_fails_and_can_be_sent_again().await.context("550") },
    )?;
    let silent = office.a_message_without_an_answer().await?;
    notification.kill();
    let notification = stage.enter(Service::Notification, Some(&issuer), &env).await?;
    office.it_is_sent_at_least_once(&issuer, &notification, silent).await.context("killed")
}

/// What the tests of one mail server share.
struct Office {
    topics: Topics,
    admin: User,
    server: MailServer,
}

/// A message that is under way when its process dies.
struct Silent {
    order_id: Uuid,
    recipient: String,
}

impl Office {
    async fn open(stage: &Stage, issuer: &Lodger, notification: &Lodger, server: MailServer) -> Result<Self> {
        let admin = api_of(&[issuer, notification])?.login("adminuser", "admin123").await?;
        Ok(Self { topics: Topics::connect(&stage.brokers())?, admin, server })
    }

    /// Asks for a message to `recipient`; the order that it tells of.
    async fn ask(&self, template: Template, recipient: &str) -> Result<Uuid> {
        let asked = asked(template, recipient);
        self.topics.tell(&asked).await?;
        // At least once is what Kafka promises.
        self.topics.tell(&asked).await?;
        Ok(asked.key())
    }

    /// The e-mail of `order_id`, as the API has it.
    async fn mail_of(&self, admin: &User, order_id: Uuid) -> Result<Value> {
        let list = admin.get(Service::Notification, &format!("/v1/notifications/{order_id}")).await?.expect(200)?;
        let rows = list["data"].as_array().context("a list has data")?;
        rows.iter().find(|row| row["channel"] == "email").cloned().context("one of them is an e-mail")
    }

    async fn becomes(&self, order_id: Uuid, status: &str, attempts: i64) -> Result<Value> {
        becomes("the message", (status.to_owned(), Some(attempts)), || async {
            let mail = self.mail_of(&self.admin, order_id).await?;
            Ok((mail["status"].as_str().unwrap_or_default().to_owned(), mail["attempts"].as_i64()))
        })
        .await?;
        self.mail_of(&self.admin, order_id).await
    }

    async fn every_template_arrives(&self) -> Result<()> {
        all(Template::ALL.map(|template| (template.as_str(), self.arrives(template)))).await.map(|_| ())
    }

    async fn arrives(&self, template: Template) -> Result<()> {
        let recipient = recipient();
        let order_id = self.ask(template, &recipient).await?;
        let row = self.becomes(order_id, "sent", 1).await?;
        let mails = self.server.mails(&recipient);
        let [mail] = mails.as_slice() else { anyhow::bail!("{} messages to {recipient}", mails.len()) };
        let letter = letter(mail)?;
        ensure!(mail.from == "orders@example.com" && !mail.encrypted, "{mail:?}");
        ensure!(letter.message_id == format!("{}@example.com", row["id"].as_str().unwrap_or_default()), "{letter:?}");
        ensure!(letter.to == recipient && row["to"] == recipient.as_str(), "{letter:?}");
        ensure!(letter.subject == row["subject"].as_str().unwrap_or_default() && !letter.subject.is_empty(), "{row}");
        ensure!(letter.plain.replace("\r\n", "\n").trim_end() == row["body"].as_str().unwrap_or_default().trim_end());
        ensure!(letter.plain.contains("Salt & <pepper>"), "{}", letter.plain);
        ensure!(letter.html.contains("Salt &amp; &lt;pepper&gt;") && !letter.html.contains("<pepper>"), "not escaped");
        // SMS goes into the log, and counts as sent.
        let list =
            self.admin.get(Service::Notification, &format!("/v1/notifications/{order_id}")).await?.expect(200)?;
        let sms = list["data"].as_array().into_iter().flatten().find(|row| row["channel"] == "sms");
        ensure!(sms.is_some_and(|sms| sms["status"] == "sent" && sms["to"] == letters::PHONE), "{list}");
        Ok(())
    }

    async fn a_server_that_is_busy_is_tried_again(&self) -> Result<()> {
        let recipient = recipient();
        self.server.reply(&recipient, [Reply::Later, Reply::Later]);
        let order_id = self.ask(Template::OrderPlaced, &recipient).await?;
        let waits = eventually("why it waits", || async {
            let waits = self.mail_of(&self.admin, order_id).await?;
            Ok(waits["lastError"].as_str().is_some_and(|error| error.contains("451")).then_some(waits))
        });
        ensure!(waits.await?["status"] == "queued");
        self.becomes(order_id, "sent", 3).await?;
        ensure!(self.server.mails(&recipient).len() == 1);
        Ok(())
    }

    async fn a_refused_message_fails_and_can_be_sent_again(&self) -> Result<()> {
        let recipient = recipient();
        self.server.reply(&recipient, [Reply::Never]);
        let order_id = self.ask(Template::OrderConfirmed, &recipient).await?;
        let failed = self.becomes(order_id, "failed", 1).await?;
        ensure!(failed["lastError"].as_str().is_some_and(|error| error.contains("550")), "{failed}");
        ensure!(self.server.mails(&recipient).is_empty());
        let id = failed["id"].as_str().context("a notification has an id")?.to_owned();
        let path = format!("/v1/notifications/{id}/resend");
        let key = Uuid::new_v4().to_string();
        for _ in 0..2 {
            // Once, however often it is asked for under one key.
            let queued = self.admin.post_keyed(Service::Notification, &path, &key, &json!({})).await?.expect(202)?;
            ensure!(queued["status"] == "queued" && queued["lastError"].is_null(), "{queued}");
        }
        self.becomes(order_id, "sent", 1).await?;
        let mails = self.server.mails(&recipient);
        let [mail] = mails.as_slice() else { anyhow::bail!("{} messages to {recipient}", mails.len()) };
        ensure!(letter(mail)?.message_id == format!("{id}@example.com"));
        Ok(())
    }

    /// The server has it, and has not said so.
    async fn a_message_without_an_answer(&self) -> Result<Silent> {
        let recipient = recipient();
        self.server.reply(&recipient, [Reply::Silence]);
        let order_id = self.ask(Template::OrderShipped, &recipient).await?;
        becomes("messages that came", 1, || async { Ok(self.server.mails(&recipient).len()) }).await?;
        Ok(Silent { order_id, recipient })
    }

    /// Once the lease of the dead process is over; and the customer's mail program can tell that it is the same.
    async fn it_is_sent_at_least_once(&self, issuer: &Lodger, notification: &Lodger, silent: Silent) -> Result<()> {
        let admin = api_of(&[issuer, notification])?.login("adminuser", "admin123").await?;
        let Silent { order_id, recipient } = silent;
        becomes("the message", "sent".to_owned(), || async {
            let mail = self.mail_of(&admin, order_id).await?;
            Ok(mail["status"].as_str().unwrap_or_default().to_owned())
        })
        .await?;
        let letters: Vec<_> = self.server.mails(&recipient).iter().map(letter).collect::<Result<_>>()?;
        ensure!(letters.len() == 2 && letters[0].message_id == letters[1].message_id, "{letters:?}");
        ensure!(letters[0].plain == letters[1].plain, "{letters:?}");
        Ok(())
    }
}

/// Each form of `SMTP_URL` with TLS. A server is trusted by its certificate alone, and without TLS nothing is sent where
/// it is required.
async fn every_form_of_tls(stage: &Stage, issuer: &Lodger) -> Result<()> {
    for (tls, scheme, parameters, arrives) in [
        (Tls::Implicit, "smtps", "", true),
        (Tls::Offered, "smtp", "?tls=required", true),
        (Tls::Offered, "smtp", "?tls=opportunistic", true),
        (Tls::None, "smtp", "?tls=required", false),
    ] {
        let server = MailServer::start(tls).await?;
        let authority = stage.servers().file("mail-authority.pem", &server.certificate)?;
        let url = format!("{scheme}://{}{parameters}", server.address());
        let env = [("SMTP_URL", url.as_str()), ("SSL_CERT_FILE", path_text(&authority)?)];
        let notification = stage.enter(Service::Notification, Some(issuer), &env).await?;
        let office = Office::open(stage, issuer, &notification, server).await?;
        let recipient = recipient();
        let order_id = office.ask(Template::OrderPlaced, &recipient).await?;
        if arrives {
            office.becomes(order_id, "sent", 1).await.with_context(|| url.clone())?;
            let mails = office.server.mails(&recipient);
            ensure!(mails.len() == 1 && mails[0].encrypted, "{url}: {mails:?}");
        } else {
            eventually("why it waits", || async {
                let mail = office.mail_of(&office.admin, order_id).await?;
                Ok((mail["status"] == "queued" && mail["lastError"].is_string()).then_some(()))
            })
            .await
            .with_context(|| url.clone())?;
            ensure!(office.server.mails(&recipient).is_empty(), "{url}: sent in the clear");
        }
    }
    Ok(())
}

fn recipient() -> String {
    format!("customer-{}@example.com", Uuid::new_v4().simple())
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("a path is text")
}
