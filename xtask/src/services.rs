//! The five services as processes, started again when they die.

use crate::life::{Life, Next};
use crate::say::say;
use crate::state::Running;
use crate::{cargo, interrupt};
use anyhow::{Context, Result, bail};
use stack::Stack;
use stack::ports::check_free;
use stack::probe::ready;
use stack::process::{Process, Signal};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Name and port of the first replica; the n-th listens 100·(n−1) higher.
pub(crate) const SERVICES: [(&str, u16); 5] =
    [("product", 8181), ("payment", 8182), ("order", 8183), ("notification", 8184), ("inventory", 8185)];

const READY_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(20);

/// How the services are told to behave.
pub(crate) struct Plan {
    pub(crate) demo: bool,
    /// Whose tokens they take in place of the built-in issuer's.
    pub(crate) issuer: Option<String>,
    /// How many processes of a service, where not one.
    pub(crate) replicas: Vec<(String, u16)>,
    pub(crate) logs: PathBuf,
}

/// One process of a service.
struct Replica {
    /// Of the service, and of this replica of it.
    service: &'static str,
    name: String,
    port: u16,
    command: Command,
    log: PathBuf,
    process: Option<Process>,
    life: Life,
}

pub(crate) struct Services {
    replicas: Vec<Replica>,
}

/// Builds all five, the demo and the benchmark beside them, and tells the folder of their programs.
pub(crate) fn build(release: bool) -> Result<PathBuf> {
    let mut words = vec!["build", "--package", "testkit", "--package", "bench"];
    for (name, _) in SERVICES {
        words.extend(["--package", name]);
    }
    if release {
        words.push("--release");
    }
    cargo::run("the build of the services", &words)?;
    Ok(cargo::target_dir()?.join(if release { "release" } else { "debug" }))
}

impl Services {
    /// Makes sure that the plan can be carried out, and starts nothing.
    pub(crate) fn prepare(plan: &Plan) -> Result<Self> {
        fs::create_dir_all(&plan.logs).with_context(|| format!("the folder {} can't be made", plan.logs.display()))?;
        let replicas = plan.replicas.iter().rev();
        if let Some((name, _)) = replicas.clone().find(|(name, _)| !SERVICES.iter().any(|(known, _)| known == name)) {
            bail!("no service is called {name}");
        }
        let mut services = Self { replicas: Vec::new() };
        for (service, first_port) in SERVICES {
            let count = replicas.clone().find(|(name, _)| name == service).map_or(1, |(_, count)| *count);
            for number in 1..=count {
                let name = if number == 1 { service.to_owned() } else { format!("{service}-{number}") };
                let port = first_port + 100 * (number - 1);
                check_free(&name, port)?;
                let log = plan.logs.join(format!("{name}.log"));
                if log.exists() {
                    fs::rename(&log, log.with_extension("log.before"))?;
                }
                services.replicas.push(Replica {
                    service,
                    port,
                    command: Command::new(service),
                    log,
                    name,
                    process: None,
                    life: Life::starts(Instant::now()),
                });
            }
        }
        Ok(services)
    }

    /// Starts the programs in `dir`, and waits until all are ready.
    pub(crate) fn start(&mut self, plan: &Plan, dir: &Path, stack: &Stack) -> Result<()> {
        for replica in &mut self.replicas {
            replica.command = command(replica, plan, dir, stack);
            replica.process = Some(replica.launch()?);
        }
        for replica in &self.replicas {
            let Some(process) = &replica.process else { continue };
            // An interrupt ends the wait; whoever waits asks for it.
            process.wait_until(&replica.name, READY_BOUND, || ready(replica.port) || interrupt::interrupted())?;
        }
        interrupt::check()
    }

    /// Starts again what has died, with one line for each; tells whether anything changed.
    pub(crate) fn look_after(&mut self) -> bool {
        let mut changed = false;
        for replica in &mut self.replicas {
            let alive = replica.process.as_ref().is_some_and(Process::alive);
            match replica.life.next(alive, Instant::now()) {
                Next::Nothing => continue,
                Next::Tell(pause) => {
                    let fate = replica.process.take().map_or_else(|| "did not start".to_owned(), |p| p.fate());
                    say(&format!(
                        "{} {fate} and starts again in {pause:?}; see {}",
                        replica.name,
                        replica.log.display()
                    ));
                }
                Next::Start => match replica.launch() {
                    Ok(process) => replica.process = Some(process),
                    Err(error) => say(&format!("{} did not start: {error:#}", replica.name)),
                },
            }
            changed = true;
        }
        changed
    }

    /// Tells all to stop, then waits for each.
    pub(crate) fn stop(&mut self) {
        for process in self.replicas.iter().filter_map(|replica| replica.process.as_ref()) {
            // One that is gone needs no telling.
            let _ = process.signal(Signal::Term);
        }
        let until = Instant::now() + STOP_BOUND;
        for replica in &mut self.replicas {
            if let Some(mut process) = replica.process.take() {
                process.stop(until.saturating_duration_since(Instant::now()));
            }
        }
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = Running> {
        self.replicas.iter().map(|replica| Running {
            name: replica.name.clone(),
            port: replica.port,
            pid: replica.process.as_ref().map(Process::pid),
        })
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Replica {
    fn launch(&self) -> Result<Process> {
        Process::start(&self.command, Signal::Term, None, &self.log).with_context(|| self.name.clone())
    }
}

fn command(replica: &Replica, plan: &Plan, dir: &Path, stack: &Stack) -> Command {
    let mut command = Command::new(dir.join(replica.service));
    stack.introduce(replica.service, &mut command);
    command.env("HTTP_ADDR", format!("127.0.0.1:{}", replica.port)).env("RTOMS_DEMO", plan.demo.to_string());
    if let Some(issuer) = &plan.issuer {
        command.env("OIDC_ISSUER", issuer).env_remove("IDENTITY_DATABASE_URL");
    }
    command
}
