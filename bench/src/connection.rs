//! HTTP/1.1 (RFC 9112) of one kind only: requests that are bytes already, answers that tell their length. A client for all
//! kinds takes a third more processor time, which the fleet that it measures would have had.

use crate::load::Request;
use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

/// How many bytes an answer may have.
const ANSWER_MAX: usize = 64 * 1024;

/// Kept alive; one request at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// The head of an answer.
#[derive(Debug, PartialEq)]
struct Head {
    status: u16,
    /// The id of the order that was placed.
    order: Option<Uuid>,
    /// Of head and body.
    bytes: usize,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(4096) })
    }

    /// The status, and the id of the order that was placed.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<(u16, Option<Uuid>)> {
        self.stream.write_all(request).await?;
        self.read.clear();
        let mut head = None;
        loop {
            if head.is_none() {
                head = Head::of(&self.read)?;
            }
            if let Some(Head { status, order, bytes }) = head
                && self.read.len() >= bytes
            {
                return Ok((status, order));
            }
            if self.read.len() >= ANSWER_MAX || self.stream.read_buf(&mut self.read).await? == 0 {
                bail!("the answer is cut, or too long");
            }
        }
    }
}

impl Head {
    /// `None` while it is not all there.
    fn of(read: &[u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = response.parse(read)? else { return Ok(None) };
        let header = |name: &str| {
            let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.and_then(|header| std::str::from_utf8(header.value).ok())
        };
        let body: usize = header("content-length").context("an answer that does not tell its length")?.parse()?;
        let id = header("location").and_then(|path| path.strip_prefix("/v1/orders/"));
        let status = response.code.context("an answer without a status")?;
        Ok(Some(Self { status, order: id.and_then(|id| id.parse().ok()), bytes: length.saturating_add(body) }))
    }
}

/// A request as it is sent.
pub(crate) fn bytes_of(request: &Request) -> Vec<u8> {
    let Request { address, method, path, token, body } = request;
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n");
    if let Some(token) = token {
        text += &format!("authorization: Bearer {token}\r\n");
    }
    if !body.is_empty() {
        text += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    }
    text += "\r\n";
    text += body;
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let id = Uuid::from_u128(7);
        let head = format!("HTTP/1.1 201 Created\r\nLocation: /v1/orders/{id}\r\ncontent-length: 12\r\n\r\n");
        let bytes = head.len() + 12;
        assert_eq!(Head::of(head.as_bytes()).unwrap(), Some(Head { status: 201, order: Some(id), bytes }));
        assert_eq!(Head::of(&head.as_bytes()[..head.len() - 1]).unwrap(), None);
        assert_eq!(Head::of(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").unwrap().unwrap().order, None);
        assert!(Head::of(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "without a length it has no end");
        assert!(Head::of(b"SMTP ready\r\n").is_err());
    }

    #[test]
    fn a_request_tells_the_length_of_its_body() {
        let mut request = Request {
            address: "127.0.0.1:1".to_owned(),
            method: "POST".to_owned(),
            path: "/v1/orders".to_owned(),
            token: Some("t".to_owned()),
            body: "{}".to_owned(),
        };
        let wanted = "POST /v1/orders HTTP/1.1\r\nhost: 127.0.0.1:1\r\nauthorization: Bearer t\r\n\
                      content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(String::from_utf8(bytes_of(&request)).unwrap(), wanted);
        (request.token, request.body) = (None, String::new());
        assert_eq!(bytes_of(&request), b"POST /v1/orders HTTP/1.1\r\nhost: 127.0.0.1:1\r\n\r\n");
    }
}
