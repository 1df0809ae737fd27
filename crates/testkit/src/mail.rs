//! A mail server that keeps what it gets, for tests: SMTP by `mailin`, TLS with a certificate of its own.

use anyhow::{Context, Result};
use mailin::response::{NO_MAILBOX, OK, TRANSACTION_FAILED};
use mailin::{Action, Handler, Response, Session, SessionBuilder};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// How connections are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    None,
    /// After STARTTLS.
    Offered,
    /// From the first byte on.
    Implicit,
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Whether nobody could read it on its way.
    pub encrypted: bool,
    /// Header and body, RFC 5322.
    pub raw: Vec<u8>,
}

/// What a recipient's next message gets for an answer, once each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// 451, instead of taking it.
    Later,
    /// 550.
    Never,
    /// None at all, though it has come.
    Silence,
}

/// A running server on 127.0.0.1; dropping it ends it.
pub struct MailServer {
    port: u16,
    /// Of its authority, which is itself, as PEM.
    pub certificate: String,
    desk: Arc<Desk>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct Desk {
    mails: Mutex<Vec<Mail>>,
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
}

impl MailServer {
    /// # Errors
    /// Where it can't listen, or make its certificate.
    pub async fn start(tls: Tls) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let own = rcgen::generate_simple_self_signed(vec![Ipv4Addr::LOCALHOST.to_string()])?;
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key.into());
        let acceptor = TlsAcceptor::from(Arc::new(config.context("the certificate")?));
        let desk = Arc::new(Desk::default());
        let accepting = tokio::spawn(accept(listener, tls, acceptor, Arc::clone(&desk))).abort_handle();
        Ok(Self { port, certificate: own.cert.pem(), desk, accepting })
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// The next messages to `recipient` get these answers.
    pub fn reply(&self, recipient: &str, replies: impl IntoIterator<Item = Reply>) {
        lock(&self.desk.replies).entry(recipient.to_owned()).or_default().extend(replies);
    }

    /// What came for `recipient`.
    #[must_use]
    pub fn mails(&self, recipient: &str) -> Vec<Mail> {
        lock(&self.desk.mails).iter().filter(|mail| mail.to.iter().any(|to| to == recipient)).cloned().collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, tls: Tls, acceptor: TlsAcceptor, desk: Arc<Desk>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, desk) = (acceptor.clone(), Arc::clone(&desk));
        // A client that goes away is no matter.
        tokio::spawn(async move { serve(stream, tls, acceptor, desk).await.ok() });
    }
}

async fn serve(stream: TcpStream, tls: Tls, acceptor: TlsAcceptor, desk: Arc<Desk>) -> io::Result<()> {
    let mut builder = SessionBuilder::new("mail.test");
    if tls == Tls::Offered {
        builder.enable_start_tls();
    }
    let clerk = Clerk { desk, encrypted: tls == Tls::Implicit, mail: None, falls_silent: false, silent: false };
    let clerk = Arc::new(Mutex::new(clerk));
    let mut session = builder.build(IpAddr::V4(Ipv4Addr::LOCALHOST), Shared(Arc::clone(&clerk)));
    let greeting = session.greeting().buffer()?;
    if tls == Tls::Implicit {
        let mut stream = BufReader::new(acceptor.accept(stream).await?);
        stream.write_all(&greeting).await?;
        return talk(&mut session, &clerk, &mut stream).await.map(|_| ());
    }
    let mut stream = BufReader::new(stream);
    stream.write_all(&greeting).await?;
    if talk(&mut session, &clerk, &mut stream).await? == Action::UpgradeTls {
        let mut stream = BufReader::new(acceptor.accept(stream.into_inner()).await?);
        session.tls_active();
        lock(&clerk).encrypted = true;
        talk(&mut session, &clerk, &mut stream).await?;
    }
    Ok(())
}

/// Until one of them ends it, or goes over to TLS.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    session: &mut Session<Shared>,
    clerk: &Mutex<Clerk>,
    stream: &mut BufReader<S>,
) -> io::Result<Action> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(Action::Close);
        }
        let response = session.process(&line);
        if lock(clerk).silent {
            // The client hangs up in the end.
            std::future::pending::<()>().await;
        }
        if response.action != Action::NoReply {
            stream.write_all(&response.buffer()?).await?;
            stream.flush().await?;
        }
        if matches!(response.action, Action::Close | Action::UpgradeTls) {
            return Ok(response.action);
        }
    }
}

/// Takes the messages of one connection.
struct Clerk {
    desk: Arc<Desk>,
    encrypted: bool,
    mail: Option<Mail>,
    /// With the end of this message.
    falls_silent: bool,
    silent: bool,
}

struct Shared(Arc<Mutex<Clerk>>);

impl Handler for Shared {
    fn mail(&mut self, _: IpAddr, _: &str, from: &str) -> Response {
        let mut clerk = lock(&self.0);
        let encrypted = clerk.encrypted;
        clerk.mail = Some(Mail { from: from.to_owned(), to: Vec::new(), encrypted, raw: Vec::new() });
        OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        let mut clerk = lock(&self.0);
        let reply = lock(&clerk.desk.replies).get_mut(to).and_then(VecDeque::pop_front);
        match reply {
            Some(Reply::Later) => return Response::custom(451, "try again later".to_owned()),
            Some(Reply::Never) => return NO_MAILBOX,
            Some(Reply::Silence) => clerk.falls_silent = true,
            None => {}
        }
        let Some(mail) = clerk.mail.as_mut() else { return TRANSACTION_FAILED };
        mail.to.push(to.to_owned());
        OK
    }

    fn data(&mut self, line: &[u8]) -> io::Result<()> {
        if let Some(mail) = lock(&self.0).mail.as_mut() {
            mail.raw.extend_from_slice(line);
        }
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let mut clerk = lock(&self.0);
        let Some(mail) = clerk.mail.take() else { return TRANSACTION_FAILED };
        clerk.silent = clerk.falls_silent;
        lock(&clerk.desk.mails).push(mail);
        OK
    }
}
