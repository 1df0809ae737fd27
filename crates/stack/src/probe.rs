//! Asks a service whether it is ready.

use std::io::{Read, Result, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(2);

/// Whether the service on `port` answers `/readyz` with 200.
#[must_use]
pub fn ready(port: u16) -> bool {
    ask(port).unwrap_or(false)
}

fn ask(port: u16) -> Result<bool> {
    let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), BOUND)?;
    stream.set_read_timeout(Some(BOUND))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(&head == b"HTTP/1.1 200")
}
