//! A wire to PostgreSQL that a test can cut at a COMMIT.

use anyhow::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A simple query, as the engine sends it: its own message, alone in its packet.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// How late a COMMIT is that comes late: long after its sender has connected again.
const LATE: Duration = Duration::from_secs(2);

/// Where the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// COMMIT does not arrive.
    Before,
    /// COMMIT succeeds, and its answer does not arrive.
    After,
    /// COMMIT is still on its way when the connection is gone for its sender.
    Late,
}

/// Listens until it is dropped.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    plan: Arc<Mutex<Plan>>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Plan {
    /// COMMITs until the one that is cut.
    next: Option<(Cut, u32)>,
    made: u32,
}

impl Proxy {
    pub(crate) async fn to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let plan = Arc::new(Mutex::new(Plan::default()));
        let accepting = tokio::spawn({
            let plan = Arc::clone(&plan);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    if let Ok(server) = TcpStream::connect(server).await {
                        tokio::spawn(connection(client, server, Arc::clone(&plan)));
                    }
                }
            }
        });
        Ok(Self { port, plan, accepting })
    }

    /// Cuts at the `nth` COMMIT from now.
    pub(crate) fn cut(&self, cut: Cut, nth: u32) {
        locked(&self.plan).next = Some((cut, nth));
    }

    /// How many connections were cut.
    pub(crate) fn made(&self) -> u32 {
        locked(&self.plan).made
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn locked(plan: &Mutex<Plan>) -> std::sync::MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this packet is the COMMIT to cut at.
fn cut_at(plan: &Mutex<Plan>, packet: &[u8]) -> Option<Cut> {
    if packet != COMMIT {
        return None;
    }
    let mut plan = locked(plan);
    let (cut, left) = plan.next?;
    if left > 1 {
        plan.next = Some((cut, left - 1));
        return None;
    }
    plan.next = None;
    plan.made += 1;
    Some(cut)
}

/// Carries bytes both ways until either side ends, or the cut. Errors of a socket end it as well.
async fn connection(client: TcpStream, server: TcpStream, plan: Arc<Mutex<Plan>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // Whether what the server says is kept back, and whether it has said something since.
    let (muted, mute) = watch::channel(false);
    let (spoke, mut spoken) = watch::channel(false);
    let back = tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            if *mute.borrow() {
                let _ = spoke.send(true);
            } else if to_client.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        let packet = &buffer[..length];
        match cut_at(&plan, packet) {
            None if to_server.write_all(packet).await.is_err() => break,
            None => {}
            Some(Cut::Before) => break,
            Some(Cut::After) => {
                let _ = muted.send(true);
                let _ = to_server.write_all(packet).await;
                let _ = spoken.changed().await;
                break;
            }
            Some(Cut::Late) => {
                back.abort();
                drop(from_client);
                sleep(LATE).await;
                let _ = to_server.write_all(packet).await;
                return;
            }
        }
    }
    back.abort();
}
