//! The process that sends. One thread sleeps until the next request is due, another one runs all connections; it has
//! nothing else to do, so that its own lateness is small and told. The first shares no lock with the second, which any
//! process may preempt: what is due goes through a queue without one, and a byte in a socket says that something is there.

use crate::connection::{Connection, bytes_of};
use crate::load::{Load, Placed, Sent};
use crate::quantiles::Quantiles;
use crate::usage::cpu_us_of;
use anyhow::{Context, Result};
use async_channel::{Receiver, unbounded};
use futures::future::join_all;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::AsyncReadExt;
use tokio::task::LocalSet;
use tokio::time::timeout;

/// How long an answer may take.
const ANSWER_BOUND: Duration = Duration::from_secs(20);
/// The connections are made before the first request is due.
const WARM_UP: Duration = Duration::from_millis(500);
const LATE: Duration = Duration::from_millis(1);
const TOGETHER: Duration = Duration::from_micros(250);
/// Of the thread that keeps the time, among those that run at once (`sched(7)`).
const PRIORITY: &str = "10";

/// Sends the load that stands in `path`, and writes what came of it to standard output.
///
/// # Errors
/// The load can't be read, or no connection be made.
pub(crate) fn run(path: &Path) -> Result<()> {
    let load: Load = serde_json::from_slice(&std::fs::read(path)?).context("the load can't be read")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut sent = LocalSet::new().block_on(&runtime, send(load))?;
    sent.cpu_us = cpu_us_of(std::process::id());
    serde_json::to_writer(std::io::stdout().lock(), &sent)?;
    Ok(())
}

/// A request whose time has come.
struct Due {
    request: usize,
    at: Instant,
}

#[derive(Default)]
struct Tally {
    /// What still waited for a connection when the time was up.
    never_sent: u64,
    statuses: BTreeMap<u16, u64>,
    accept_us: Vec<u64>,
    orders: Vec<Placed>,
}

/// The two clocks at one moment.
#[derive(Clone, Copy)]
struct Clock {
    instant: Instant,
    wall_us: i64,
}

impl Clock {
    fn wall_us(self, at: Instant) -> i64 {
        self.wall_us + i64::try_from(at.saturating_duration_since(self.instant).as_micros()).unwrap_or(i64::MAX)
    }
}

async fn send(load: Load) -> Result<Sent> {
    let count = (load.rate * load.seconds).round().max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of requests")]
    let count = count as u64;
    let requests: Rc<Vec<Vec<u8>>> = Rc::new(load.requests.iter().map(bytes_of).collect());
    let mut queues: BTreeMap<&str, async_channel::Sender<Due>> = BTreeMap::new();
    let tally = Rc::new(RefCell::new(Tally::default()));
    let wall_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let clock = Clock { instant: Instant::now(), wall_us: i64::try_from(wall_us)? };
    let start = Instant::now() + WARM_UP;
    let end = load.is_cut.then(|| start + Duration::from_secs_f64(load.seconds));
    let mut connections = Vec::new();
    for request in &load.requests {
        if queues.contains_key(request.address.as_str()) {
            continue;
        }
        let (queue, due) = unbounded();
        queues.insert(&request.address, queue);
        for _ in 0..load.connections {
            let line = Line {
                address: request.address.clone(),
                requests: Rc::clone(&requests),
                tally: Rc::clone(&tally),
                clock,
                end,
            };
            connections.push(tokio::task::spawn_local(line.run(due.clone())));
        }
    }
    let to = load.requests.iter().map(|request| queues[request.address.as_str()].clone()).collect();
    drop(queues);
    let (bell, heard) = UnixStream::pair()?;
    // Room for all of them: to grow would be to allocate, and that takes locks too.
    let (due, desk) = mpsc::sync_channel(usize::try_from(count)?);
    let desk = Desk { due: desk, bell: heard, to };
    let pacer = Pacer { start, rate: load.rate, count, turns: load.turns, due, bell };
    let pacing = tokio::task::spawn_blocking(|| pacer.run());
    desk.run().await?;
    let Paced { requests, late, latest } = pacing.await.context("the pacer panicked")?;
    join_all(connections).await;
    let Tally { never_sent, statuses, accept_us, orders } = tally.take();
    Ok(Sent {
        requests: requests - never_sent,
        late,
        latest_us: micros(latest),
        statuses,
        accept: Quantiles::of(accept_us),
        orders,
        cpu_us: 0,
    })
}

/// Gives each request to its connections, in the order in which they are due.
struct Desk {
    due: mpsc::Receiver<Due>,
    bell: UnixStream,
    /// For each request its connections' queue.
    to: Vec<async_channel::Sender<Due>>,
}

impl Desk {
    /// Until nobody rings any more.
    async fn run(self) -> Result<()> {
        self.bell.set_nonblocking(true)?;
        let mut bell = tokio::net::UnixStream::from_std(self.bell)?;
        let mut rings = [0; 64];
        while bell.read(&mut rings).await? > 0 {
            for due in self.due.try_iter() {
                // Fails only where all connections are gone, and with them whoever would miss it.
                let _ = self.to[due.request].try_send(due);
            }
        }
        Ok(())
    }
}

/// Hands out each request when it is due, never before.
struct Pacer {
    start: Instant,
    rate: f64,
    count: u64,
    turns: Vec<u32>,
    due: mpsc::SyncSender<Due>,
    /// Rung when something was handed out, and closed at the end.
    bell: UnixStream,
}

/// How well the pacer kept to its clock.
struct Paced {
    requests: u64,
    late: u64,
    latest: Duration,
}

impl Pacer {
    fn run(self) -> Paced {
        preempt();
        // Never waits for who listens.
        let _ = self.bell.set_nonblocking(true);
        let mut paced = Paced { requests: 0, late: 0, latest: Duration::ZERO };
        for (k, turn) in (0..self.count).zip(self.turns.iter().cycle()) {
            let at = self.start + Duration::from_secs_f64(k as f64 / self.rate);
            let early = at.saturating_duration_since(Instant::now());
            if !early.is_zero() {
                self.ring();
                // Those of a quarter of a millisecond go together: each wake costs what it measures.
                thread::sleep(early + TOGETHER);
            }
            let request = *turn as usize;
            if self.due.send(Due { request, at }).is_err() {
                break;
            }
            let late = at.elapsed();
            paced.requests += 1;
            paced.late += u64::from(late > LATE);
            paced.latest = paced.latest.max(late);
        }
        self.ring();
        paced
    }

    fn ring(&self) {
        // Where the socket is full, enough has been rung.
        let _ = (&self.bell).write(&[0]);
    }
}

/// Gives the calling thread the right to run at once, where this machine grants it; its lateness is told in any case.
fn preempt() {
    let Ok(task) = std::fs::read_link("/proc/thread-self") else { return };
    let Some(id) = task.file_name() else { return };
    let mut chrt = Command::new("chrt");
    chrt.args(["--fifo", "--pid", PRIORITY]).arg(id).stdout(Stdio::null()).stderr(Stdio::null());
    if !chrt.status().is_ok_and(|status| status.success()) {
        eprintln!("the generator may not preempt what it measures");
    }
}

/// One connection, which sends one request at a time.
struct Line {
    address: String,
    requests: Rc<Vec<Vec<u8>>>,
    tally: Rc<RefCell<Tally>>,
    clock: Clock,
    /// Nothing is sent after it.
    end: Option<Instant>,
}

impl Line {
    async fn run(self, due: Receiver<Due>) {
        let mut connection = self.connect().await.ok();
        while let Ok(due) = due.recv().await {
            if self.end.is_some_and(|end| Instant::now() > end) {
                self.tally.borrow_mut().never_sent += 1;
                continue;
            }
            let answered = match &mut connection {
                Some(connection) => {
                    let answered = connection.ask(&self.requests[due.request]);
                    timeout(ANSWER_BOUND, answered).await.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer")))
                }
                None => Err(anyhow::anyhow!("no connection")),
            };
            let answered_at = Instant::now();
            if answered.is_err() {
                connection = self.connect().await.ok();
            }
            let (status, order) = answered.unwrap_or((0, None));
            let mut tally = self.tally.borrow_mut();
            *tally.statuses.entry(status).or_default() += 1;
            if (200..400).contains(&status) {
                tally.accept_us.push(micros(answered_at - due.at));
            }
            if let Some(order_id) = order {
                let (due_us, accepted_us) = (self.clock.wall_us(due.at), self.clock.wall_us(answered_at));
                tally.orders.push(Placed { order_id, due_us, accepted_us });
            }
        }
    }

    async fn connect(&self) -> Result<Connection> {
        timeout(ANSWER_BOUND, Connection::open(&self.address)).await?
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn requests_are_due_at_a_fixed_rate_whatever_becomes_of_them() {
        let (due, desk) = mpsc::sync_channel(100);
        let (bell, mut heard) = UnixStream::pair().unwrap();
        let start = Instant::now();
        let paced = Pacer { start, rate: 2000.0, count: 100, turns: vec![4, 4, 7], due, bell }.run();
        // The last is due after 49.5 ms, and nobody has answered anything.
        assert!(start.elapsed() >= Duration::from_micros(49_500));
        let dues: Vec<Due> = desk.iter().collect();
        assert_eq!((paced.requests, dues.len()), (100, 100));
        for (k, due) in dues.iter().enumerate() {
            assert_eq!(due.at, start + Duration::from_secs_f64(k as f64 / 2000.0));
            assert_eq!(due.request, [4, 4, 7][k % 3]);
        }
        let mut rings = Vec::new();
        heard.read_to_end(&mut rings).unwrap();
        assert!(!rings.is_empty(), "nobody was told");
    }

    #[test]
    fn a_pacer_that_began_too_late_says_so() {
        let (due, _desk) = mpsc::sync_channel(10);
        let (bell, _heard) = UnixStream::pair().unwrap();
        let start = Instant::now() - Duration::from_millis(100);
        let paced = Pacer { start, rate: 1000.0, count: 10, turns: vec![0], due, bell }.run();
        assert_eq!((paced.requests, paced.late), (10, 10));
        assert!(paced.latest >= Duration::from_millis(90));
    }
}
