//! The five services as processes, started again when they die.

use crate::cargo;
use anyhow::{Context, Result, bail};
use stack::Stack;
use stack::process::{Process, Signal};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Name and port of the first replica; the n-th listens 100·(n−1) higher.
pub(crate) const SERVICES: [(&str, u16); 5] =
    [("product", 8181), ("payment", 8182), ("order", 8183), ("notification", 8184), ("inventory", 8185)];

/// How long a service that dies again and again waits at most before its next start.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// One that ran so long has recovered.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
const READY_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(20);

/// How the services are built and told to behave.
pub(crate) struct Plan {
    pub(crate) release: bool,
    pub(crate) demo: bool,
    /// How many processes of a service, where not one.
    pub(crate) replicas: Vec<(String, u16)>,
    pub(crate) logs: PathBuf,
}

/// One replica and what became of it.
struct Replica {
    name: &'static str,
    number: u16,
    port: u16,
    process: Option<Process>,
    started: Instant,
    pause: Duration,
}

pub(crate) struct Services {
    plan: Plan,
    binaries: PathBuf,
    env: Vec<(&'static str, String)>,
    urls: Vec<(&'static str, String)>,
    replicas: Vec<Replica>,
}

/// Builds all five.
pub(crate) fn build(release: bool) -> Result<()> {
    let mut words = vec!["build"];
    for (name, _) in SERVICES {
        words.extend(["--package", name]);
    }
    if release {
        words.push("--release");
    }
    cargo::run("the build of the services", &words)
}

impl Services {
    pub(crate) fn start(plan: Plan, stack: &Stack) -> Result<Self> {
        std::fs::create_dir_all(&plan.logs)?;
        let binaries = cargo::target_dir().join(if plan.release { "release" } else { "debug" });
        let env = vec![
            ("IDENTITY_DATABASE_URL", stack.postgres.url("identity")),
            ("PROVIDER_DATABASE_URL", stack.postgres.url("provider")),
            ("KAFKA_BROKERS", stack.kafka.brokers()),
            ("REDIS_URL", stack.redis.url()),
            ("OIDC_ISSUER", "http://localhost:8183".to_owned()),
            ("RTOMS_DEMO", plan.demo.to_string()),
        ];
        let urls = SERVICES.map(|(name, _)| (name, stack.postgres.url(name))).to_vec();
        let replicas = replicas(&plan)?;
        let mut services = Self { plan, binaries, env, urls, replicas };
        for at in 0..services.replicas.len() {
            services.launch(at)?;
        }
        Ok(services)
    }

    /// Waits until all of them are ready.
    pub(crate) fn wait_ready(&mut self) -> Result<()> {
        let until = Instant::now() + READY_BOUND;
        for at in 0..self.replicas.len() {
            let log = self.log(at);
            let replica = &mut self.replicas[at];
            while !ready(replica.port) {
                let alive = replica.process.as_mut().is_some_and(Process::alive);
                if !alive || Instant::now() > until {
                    bail!("{} does not become ready; see {}", replica.name, log.display());
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    /// Starts again what has died; one line for each.
    pub(crate) fn look_after(&mut self) -> Result<()> {
        for at in 0..self.replicas.len() {
            let replica = &mut self.replicas[at];
            if replica.process.as_mut().is_some_and(Process::alive) {
                if replica.started.elapsed() > HEALTHY_AFTER {
                    replica.pause = Duration::from_secs(1);
                }
                continue;
            }
            if replica.process.take().is_some() {
                println!("{} has ended and starts again in {:?}", label(replica), replica.pause);
                replica.started = Instant::now();
            } else if replica.started.elapsed() >= replica.pause {
                replica.pause = (replica.pause * 2).min(MAX_PAUSE);
                self.launch(at)?;
            }
        }
        Ok(())
    }

    /// Tells all to stop, then waits for each.
    pub(crate) fn stop(&mut self) {
        for process in self.replicas.iter().filter_map(|replica| replica.process.as_ref()) {
            // One that is gone needs no telling.
            let _ = process.signal(Signal::Term);
        }
        for replica in &mut self.replicas {
            if let Some(mut process) = replica.process.take() {
                process.stop(STOP_BOUND);
            }
        }
    }

    fn launch(&mut self, at: usize) -> Result<()> {
        let log = self.log(at);
        let replica = &mut self.replicas[at];
        let mut command = Command::new(self.binaries.join(replica.name));
        let url = self.urls.iter().find(|(name, _)| *name == replica.name).map(|(_, url)| url.as_str());
        command.env("DATABASE_URL", url.context("each service has a schema")?);
        command.env("HTTP_ADDR", format!("127.0.0.1:{}", replica.port));
        command.envs(self.env.iter().map(|(name, value)| (*name, value.as_str())));
        replica.process = Some(Process::start(&command, Signal::Term, None, &log)?);
        replica.started = Instant::now();
        Ok(())
    }

    fn log(&self, at: usize) -> PathBuf {
        self.plan.logs.join(format!("{}.log", label(&self.replicas[at])))
    }
}

fn label(replica: &Replica) -> String {
    match replica.number {
        1 => replica.name.to_owned(),
        n => format!("{}-{n}", replica.name),
    }
}

/// All replicas of the plan, none of whose ports may be taken.
fn replicas(plan: &Plan) -> Result<Vec<Replica>> {
    if let Some((name, _)) = plan.replicas.iter().find(|(name, _)| !SERVICES.iter().any(|(known, _)| known == name)) {
        bail!("no service is called {name}");
    }
    let mut replicas = Vec::new();
    for (name, first_port) in SERVICES {
        let count = plan.replicas.iter().find(|(wanted, _)| wanted == name).map_or(1, |(_, count)| *count);
        for number in 1..=count {
            let port = first_port + 100 * (number - 1);
            if stack::ports::taken(port) {
                bail!("port {port}, which {name} is to have, is taken by another process: end it and try again");
            }
            let pause = Duration::from_secs(1);
            replicas.push(Replica { name, number, port, process: None, started: Instant::now(), pause });
        }
    }
    Ok(replicas)
}

/// Whether the service on `port` answers `/readyz` with 200.
pub(crate) fn ready(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let bound = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), bound)?;
        stream.set_read_timeout(Some(bound))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(&head == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
