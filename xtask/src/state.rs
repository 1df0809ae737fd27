//! What `up` leaves under `.rtoms/`: its data, its logs, and what runs.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use stack::postgres::may_enter;
use stack::tools::Tools;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Where root's stack keeps its data if PostgreSQL's own user may not enter the checkout, as below /root.
const ELSEWHERE: &str = "/var/lib/rtoms";

pub(crate) struct State {
    root: PathBuf,
}

/// A process of the fleet or its stack.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// None while it waits to be started again.
    pub(crate) pid: Option<u32>,
}

/// What the `up` that runs has told.
pub(crate) struct Told {
    pub(crate) pid: u32,
    pub(crate) ready: bool,
    pub(crate) processes: Vec<Running>,
}

impl State {
    pub(crate) fn of_checkout() -> Result<Self> {
        let root = stack::checkout().join(".rtoms");
        fs::create_dir_all(&root).with_context(|| format!("the folder {} can't be made", root.display()))?;
        Ok(Self { root })
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where a detached `up` writes.
    pub(crate) fn up_log(&self) -> PathBuf {
        self.root.join("up.log")
    }

    /// Where the servers' data are.
    pub(crate) fn data(&self, tools: &Tools) -> PathBuf {
        if may_enter(tools, &self.root) {
            return self.root.join("data");
        }
        let name: String = self.root.iter().skip(1).map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("-");
        Path::new(ELSEWHERE).join(name)
    }

    /// What is up, if anything is.
    pub(crate) fn told(&self) -> Option<Told> {
        // Whoever holds the lock is up; the kernel takes it back from a process that was killed.
        if File::open(self.lock()).ok()?.try_lock_shared().is_ok() {
            return None;
        }
        let told: Value = serde_json::from_slice(&fs::read(self.record()).ok()?).ok()?;
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        let processes = told["processes"].as_array()?.iter().map(|process| {
            Some(Running {
                name: process["name"].as_str()?.to_owned(),
                port: u16::try_from(number(&process["port"])?).ok()?,
                pid: number(&process["pid"]),
            })
        });
        Some(Told {
            pid: number(&told["pid"])?,
            ready: told["ready"] == true,
            processes: processes.collect::<Option<_>>()?,
        })
    }

    /// Makes this process the one that is up.
    pub(crate) fn claim(&self) -> Result<Claim> {
        let lock = File::options().create(true).truncate(false).write(true).open(self.lock())?;
        // `status` holds it for a moment.
        for _ in 0..10 {
            if lock.try_lock().is_ok() {
                let claim = Claim { record: self.record(), _lock: lock };
                claim.tell(false, &[])?;
                return Ok(claim);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let process = self.told().map(|told| format!(" (process {})", told.pid)).unwrap_or_default();
        bail!("it is up already{process}: `cargo xtask status` shows it, `cargo xtask down` ends it");
    }

    fn lock(&self) -> PathBuf {
        self.root.join("up.lock")
    }

    fn record(&self) -> PathBuf {
        self.root.join("up.json")
    }
}

/// That this process is the one that is up, until it drops this.
pub(crate) struct Claim {
    record: PathBuf,
    _lock: File,
}

impl Claim {
    pub(crate) fn tell(&self, ready: bool, processes: &[Running]) -> Result<()> {
        let processes: Vec<Value> = processes
            .iter()
            .map(|Running { name, port, pid }| json!({ "name": name, "port": port, "pid": pid }))
            .collect();
        let told = json!({ "pid": std::process::id(), "ready": ready, "processes": processes });
        // Nobody reads half of it.
        let partial = self.record.with_extension("partial");
        fs::write(&partial, told.to_string())?;
        Ok(fs::rename(&partial, &self.record)?)
    }
}
