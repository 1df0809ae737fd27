//! What the three servers have in common: a process that can be stopped, started again, frozen and crashed.

use crate::command::run;
use crate::ports::answers;
use crate::process::{Process, Signal, children_of, signal_pids};
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How a server is started, asked, and ended.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
    /// Whom it runs as, where not as the user of this process.
    pub(crate) user: Option<&'static str>,
    pub(crate) log: PathBuf,
    pub(crate) port: u16,
    /// Has to succeed before the server counts as ready, once it answers on its port.
    pub(crate) probe: Option<Command>,
    /// Asks for a shutdown that loses nothing.
    pub(crate) end: Signal,
    /// Ends it as a crash does.
    pub(crate) crash: Signal,
    pub(crate) start_bound: Duration,
    pub(crate) stop_bound: Duration,
}

/// A server of the stack; dropping it stops it.
pub struct Server {
    recipe: Recipe,
    process: Process,
}

impl Server {
    pub(crate) fn start(mut recipe: Recipe) -> Result<Self> {
        let process = launch(&mut recipe)?;
        Ok(Self { recipe, process })
    }

    /// What it is called where people read it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.recipe.name
    }

    /// On 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.recipe.port
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    #[must_use]
    pub fn alive(&self) -> bool {
        self.process.alive()
    }

    /// As [`Process::fate`].
    #[must_use]
    pub fn fate(&self) -> String {
        self.process.fate()
    }

    /// Stops it, where it runs, and starts it on the same port and data, until it is ready.
    ///
    /// # Errors
    /// It does not come up again.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.process = launch(&mut self.recipe)?;
        Ok(())
    }

    /// Asks it to end, and waits for it. [`restart`](Self::restart) starts it again.
    pub fn stop(&mut self) {
        self.thaw();
        self.process.stop(self.recipe.stop_bound);
    }

    /// Ends it without giving it the time to save anything, and waits until it is gone.
    pub fn crash(&mut self) {
        // One that is gone can't crash.
        let _ = self.process.signal(self.recipe.crash);
        self.process.stop(self.recipe.stop_bound);
    }

    /// A [`crash`](Self::crash), and what it recovers to.
    ///
    /// # Errors
    /// It does not come up again.
    pub fn crash_and_restart(&mut self) -> Result<()> {
        self.crash();
        self.restart()
    }

    /// Freezes it: its connections stay open, and nobody answers.
    pub fn freeze(&self) {
        self.signal_all(Signal::Stop);
    }

    /// Ends what [`freeze`](Self::freeze) began.
    pub fn thaw(&self) {
        self.signal_all(Signal::Cont);
    }

    /// The process, and then those that it has started, of which there are no more then: PostgreSQL has one a session.
    fn signal_all(&self, signal: Signal) {
        if self.process.signal(signal).is_ok() {
            // A session may end at any moment.
            let _ = signal_pids(&children_of(self.pid()), signal);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn launch(recipe: &mut Recipe) -> Result<Process> {
    let Recipe { name, port, start_bound, .. } = *recipe;
    let process = Process::start(&recipe.command, recipe.end, recipe.user, &recipe.log)?;
    process.wait_until(name, start_bound, || {
        let probe = recipe.probe.as_mut();
        answers(port) && probe.is_none_or(|probe| run(probe, "the probe", start_bound).is_ok())
    })?;
    Ok(process)
}
