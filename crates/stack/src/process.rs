//! Child processes that end with their parent, however that ends.

use anyhow::{Context, Result};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What a child is told when its parent is gone, or when it is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Term,
    /// Which PostgreSQL takes for a fast shutdown.
    Int,
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
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
        }
    }
}

/// A running child; dropping it ends it.
pub struct Process {
    child: Child,
    end: Signal,
}

impl Process {
    /// Starts `command` with its output going to `log`. With `user`, under that user's id.
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
        let child = spawn(wrapped).with_context(|| format!("{} can't be started", command.get_program().display()))?;
        Ok(Self { child, end })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Where the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        signal_pid(self.pid(), signal)
    }

    /// Asks it to end, and ends it where it takes longer than `bound`.
    pub fn stop(&mut self, bound: Duration) {
        if !self.alive() {
            return;
        }
        // A frozen process hears nothing.
        let _ = self.signal(Signal::Cont);
        let _ = self.signal(self.end);
        let until = Instant::now() + bound;
        while self.alive() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        if self.alive() {
            self.kill();
        }
    }

    /// Ends it at once, without a word.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop(Duration::from_secs(20));
    }
}

/// Sends a signal to a process by its id.
///
/// # Errors
/// Where there is no such process.
pub fn signal_pid(pid: u32, signal: Signal) -> Result<()> {
    let done = Command::new("kill").args(["-s", signal.name(), &pid.to_string()]).stderr(Stdio::null()).status()?;
    anyhow::ensure!(done.success(), "no process {pid}");
    Ok(())
}

type Started = Sender<std::io::Result<Child>>;

/// The kernel tells a child of the end of the *thread* that made it; so one thread makes them all, and lives on.
fn spawn(command: Command) -> std::io::Result<Child> {
    static SPAWNER: OnceLock<Sender<(Command, Started)>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, receiver) = channel::<(Command, Started)>();
        thread::spawn(move || {
            for (mut command, started) in receiver {
                // Nobody listens only where the caller's thread is gone.
                let _ = started.send(command.spawn());
            }
        });
        sender
    });
    let (sender, receiver) = channel();
    let gone = || std::io::Error::other("the thread that starts processes is gone");
    spawner.send((command, sender)).map_err(|_| gone())?;
    receiver.recv().map_err(|_| gone())?
}
