//! Where the servers listen.

use anyhow::{Result, bail};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Ports on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub postgres: u16,
    pub redis: u16,
    pub kafka: u16,
    /// Kafka's own, between broker and controller.
    pub controller: u16,
}

impl Ports {
    /// Those of `cargo xtask up`: none that a server from a package takes by itself.
    pub const LOCAL: Self = Self { postgres: 15432, redis: 16379, kafka: 19092, controller: 19093 };

    /// Some that nobody uses now.
    ///
    /// # Errors
    /// Where the machine has none.
    pub fn free() -> Result<Self> {
        let [postgres, redis, kafka, controller] = free_ports()?;
        Ok(Self { postgres, redis, kafka, controller })
    }

    pub(crate) fn check_free(self) -> Result<()> {
        for (name, port) in
            [("PostgreSQL", self.postgres), ("Redis", self.redis), ("Kafka", self.kafka), ("Kafka", self.controller)]
        {
            if taken(port) {
                bail!("port {port}, which {name} is to have, is taken by another process: end it and try again");
            }
        }
        Ok(())
    }
}

/// `N` different ports that nobody listens on now.
///
/// # Errors
/// Where the machine has none.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // All are held at once, so that they differ.
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

/// Whether somebody answers on a port of this machine.
#[must_use]
pub fn taken(port: u16) -> bool {
    TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_millis(500)).is_ok()
}

/// Waits until `port` answers.
pub(crate) fn wait_until_answers(port: u16, bound: Duration) -> bool {
    let until = Instant::now() + bound;
    while Instant::now() < until {
        if taken(port) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}
