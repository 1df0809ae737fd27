//! Where the servers listen.

mod holder;

use anyhow::{Context, Result, bail};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Where [`free_ports`] looks: below the ports that the kernel gives to outgoing connections, which could take one
/// between the look and the server's start.
const FIRST_FREE: u16 = 20_000;
const FREE_COUNT: u16 = 12_000;
/// The servers of a stack that was killed may still be on their way out.
const PATIENCE: Duration = Duration::from_secs(5);

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
        check_free("PostgreSQL", self.postgres)?;
        check_free("Redis", self.redis)?;
        check_free("Kafka", self.kafka)?;
        check_free("Kafka's controller", self.controller)
    }
}

/// Makes sure that `port` can be given to `name`.
///
/// # Errors
/// Who has it, and what to do.
pub fn check_free(name: &str, port: u16) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !is_free(port) {
        if Instant::now() > until {
            let holder = holder::of(port).unwrap_or_else(|| "another process".to_owned());
            bail!("port {port}, which {name} needs, is taken by {holder}: end that, and try again");
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// `N` different ports that nobody listens on now. Within a process, none is told twice.
///
/// # Errors
/// Where the machine has none.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that look at the same time begin in different places.
    let start = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(FREE_COUNT))?;
    let mut ports = [0; N];
    for port in &mut ports {
        *port = (0..FREE_COUNT)
            .map(|_| NEXT.fetch_add(1, Ordering::Relaxed))
            .map(|next| FIRST_FREE + start.wrapping_add(next) % FREE_COUNT)
            .find(|port| is_free(*port))
            .context("all ports of this machine are taken")?;
    }
    Ok(ports)
}

/// Whether somebody answers on a port of this machine.
#[must_use]
pub fn answers(port: u16) -> bool {
    TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_millis(500)).is_ok()
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_port_is_told_twice() {
        let ports: Vec<[u16; 50]> = thread::scope(|scope| {
            let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| free_ports().unwrap())).collect();
            asking.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        let different: HashSet<u16> = ports.iter().flatten().copied().collect();
        assert_eq!(different.len(), 200);
        assert!(different.iter().all(|port| (FIRST_FREE..FIRST_FREE + FREE_COUNT).contains(port)));
    }

    #[test]
    fn whoever_has_a_port_is_named() {
        let [port] = free_ports().unwrap();
        check_free("the test", port).unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
        let error = check_free("the test", port).unwrap_err().to_string();
        let process = format!("(process {})", std::process::id());
        assert!(error.contains(&process) && error.contains("which the test needs"), "{error}");
    }
}
