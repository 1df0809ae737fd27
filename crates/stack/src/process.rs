//! Child processes that end with their parent, however that ends.

mod spawner;

use crate::command::run;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process may take to end once it was asked to, where nobody says otherwise.
const STOP_BOUND: Duration = Duration::from_secs(20);

/// What a process can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Term,
    /// Which PostgreSQL takes for a fast shutdown.
    Int,
    /// Which PostgreSQL takes for an immediate one: a crash, with recovery at the next start.
    Quit,
    Kill,
    /// Freezes the process.
    Stop,
    /// Lets it go on.
    Cont,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
        }
    }
}

/// A running child; dropping it ends it.
pub struct Process {
    // Behind a lock, so that no signal goes to a pid that was given back meanwhile.
    child: Mutex<Child>,
    pid: u32,
    end: Signal,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output going to `log`. With `user`, under that user's id. `end` is what it is told when
    /// it is to end, also by the kernel when this process is gone.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn start(command: &Command, end: Signal, user: Option<&str>, log: &Path) -> Result<Self> {
        let mut wrapped = Command::new("setpriv");
        if let Some(user) = user {
            wrapped.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        wrapped.args(["--pdeathsig", end.name(), "--"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            wrapped.current_dir(dir);
        }
        let output = File::options().create(true).append(true).open(log);
        let output = output.with_context(|| format!("the log {} can't be written", log.display()))?;
        wrapped.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // A terminal sends Ctrl-C to a whole group; in which order processes end is for their parent to say.
        wrapped.process_group(0);
        let child =
            spawner::spawn(wrapped).with_context(|| format!("{} can't be started", command.get_program().display()))?;
        Ok(Self { pid: child.id(), child: Mutex::new(child), end, log: log.to_owned() })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it still runs.
    #[must_use]
    pub fn alive(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// How it has ended, to be read after its name.
    #[must_use]
    pub fn fate(&self) -> String {
        match self.child().try_wait() {
            Ok(Some(status)) => format!("has ended ({status})"),
            _ => "has not ended".to_owned(),
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Where the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let mut child = self.child();
        ensure!(matches!(child.try_wait(), Ok(None)), "process {} is gone", self.pid);
        signal_pid(self.pid, signal)
    }

    /// Waits until `ready`.
    ///
    /// # Errors
    /// It ended, or took longer than `bound`: with the last line of its log.
    pub fn wait_until(&self, name: &str, bound: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let until = Instant::now() + bound;
        while !ready() {
            let log = self.log.display();
            if !self.alive() {
                bail!("{name} {} instead of becoming ready: {}; see {log}", self.fate(), self.last_words());
            }
            if Instant::now() > until {
                bail!("{name} is not ready after {} s: {}; see {log}", bound.as_secs(), self.last_words());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Asks it to end, and ends it where it takes longer than `bound`.
    pub fn stop(&mut self, bound: Duration) {
        // A frozen process hears nothing. One that is gone needs no telling.
        let _ = self.signal(Signal::Cont);
        let _ = self.signal(self.end);
        let until = Instant::now() + bound;
        while self.alive() {
            if Instant::now() > until {
                return self.kill();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it at once, without a word.
    pub fn kill(&mut self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let last = log.lines().rev().map(str::trim).find(|line| !line.is_empty());
        last.unwrap_or("it said nothing").to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop(STOP_BOUND);
    }
}

/// Sends a signal to a process by its id.
///
/// # Errors
/// Where there is no such process.
pub fn signal_pid(pid: u32, signal: Signal) -> Result<()> {
    signal_pids(&[pid], signal).with_context(|| format!("no process {pid}"))
}

/// The same to several: those that are there get it also where others are gone.
pub(crate) fn signal_pids(pids: &[u32], signal: Signal) -> Result<()> {
    // The shell's own `kill`: a minimal system has no program of that name.
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -s \"$0\" \"$@\"", signal.name()]).args(pids.iter().map(u32::to_string));
    run(&mut kill, "kill", STOP_BOUND)?;
    Ok(())
}

/// The processes that `pid` has started, as far as they are its own children.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}
