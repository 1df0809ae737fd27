//! One process of a service, which can be killed, frozen and started again.

use crate::api::Service;
use crate::eventually::{becomes, eventually};
use anyhow::{Result, ensure};
use stack::process::{Process, Signal};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A place in the fleet, whether a process runs in it or not: its address stays.
pub struct Replica {
    service: Service,
    address: String,
    url: String,
    /// What the plan says.
    command: Command,
    log: PathBuf,
    process: Mutex<Option<Process>>,
    /// Whether a test has started, ended or frozen it otherwise than the plan says.
    altered: AtomicBool,
}

impl Replica {
    pub(super) fn new(service: Service, address: &str, mut command: Command, log: &Path) -> Self {
        command.env("HTTP_ADDR", address);
        Self {
            service,
            address: address.to_owned(),
            url: format!("http://{address}"),
            command,
            log: log.to_owned(),
            process: Mutex::new(None),
            altered: AtomicBool::new(false),
        }
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Starts it with `env` on top of what the plan says. It is not [`ready`](Self::ready) yet.
    ///
    /// # Errors
    /// It runs already, or can't be started.
    pub fn start(&self, env: &[(&str, &str)]) -> Result<()> {
        let mut process = self.process();
        ensure!(!process.as_ref().is_some_and(Process::alive), "{} runs already", self.name());
        let mut command = Command::new(self.command.get_program());
        let planned = self.command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(planned).envs(env.iter().copied());
        *process = Some(Process::start(&command, Signal::Term, None, &self.log)?);
        self.altered.store(!env.is_empty(), Ordering::Relaxed);
        Ok(())
    }

    /// Kills it, where it runs, and starts it with `env`.
    ///
    /// # Errors
    /// It can't be started, or does not become ready.
    pub async fn restart(&self, env: &[(&str, &str)]) -> Result<()> {
        self.kill();
        self.start(env)?;
        self.ready().await
    }

    /// As [`restart`](Self::restart), but it ends in good order, so that no group waits for it.
    ///
    /// # Errors
    /// It does not end, can't be started, or does not become ready.
    pub async fn begin_anew(&self, env: &[(&str, &str)]) -> Result<()> {
        self.stop().await?;
        self.start(env)?;
        self.ready().await
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Errors
    /// It does not, or has ended.
    pub async fn ready(&self) -> Result<()> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        eventually(&format!("{} is ready", self.name()), || async {
            let answer = http.get(format!("{}/readyz", self.url)).send().await?;
            let body: serde_json::Value = answer.json().await?;
            Ok((body["status"] == "ready").then_some(()))
        })
        .await
    }

    /// Of the process that runs in it, or ran last; 0 where none ever did.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process().as_ref().map_or(0, Process::pid)
    }

    #[must_use]
    pub fn alive(&self) -> bool {
        self.process().as_ref().is_some_and(Process::alive)
    }

    /// Ends it with SIGKILL, also where it is frozen, and waits until it is gone.
    pub fn kill(&self) {
        self.altered.store(true, Ordering::Relaxed);
        if let Some(process) = self.process().as_mut() {
            process.kill();
        }
    }

    /// Asks it to end with SIGTERM and waits until it is gone.
    ///
    /// # Errors
    /// It does not end.
    pub async fn stop(&self) -> Result<()> {
        self.altered.store(true, Ordering::Relaxed);
        self.tell_to_end();
        self.ended().await.map(|_| ())
    }

    /// Waits until it is gone, such as by a failpoint; how it ended, to be read after its name.
    ///
    /// # Errors
    /// It still runs.
    pub async fn ended(&self) -> Result<String> {
        self.altered.store(true, Ordering::Relaxed);
        becomes(&format!("{} runs", self.name()), false, || async { Ok(self.alive()) }).await?;
        Ok(self.process().as_ref().map(Process::fate).unwrap_or_default())
    }

    /// Freezes it, as SIGSTOP does: its connections stay open, and it does nothing.
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::Stop)
    }

    /// Ends a freeze.
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::Cont)
    }

    /// Waits until it is frozen, such as by a failpoint.
    ///
    /// # Errors
    /// It goes on.
    pub async fn frozen(&self) -> Result<()> {
        self.altered.store(true, Ordering::Relaxed);
        becomes(&format!("the state of {}", self.name()), Some('T'), || async {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
            // After the name, which stands in brackets and may hold anything.
            Ok(stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next()))
        })
        .await
    }

    pub(super) fn altered(&self) -> bool {
        self.altered.load(Ordering::Relaxed) || !self.alive()
    }

    pub(super) fn tell_to_end(&self) {
        if let Some(process) = self.process().as_ref() {
            // One that is gone has ended; a frozen one would not hear.
            let _ = process.signal(Signal::Cont);
            let _ = process.signal(Signal::Term);
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.altered.store(true, Ordering::Relaxed);
        let process = self.process();
        let running = process.as_ref().filter(|process| process.alive());
        running.ok_or_else(|| anyhow::anyhow!("{} does not run", self.name()))?.signal(signal)
    }

    fn name(&self) -> String {
        format!("{} at {}", self.service.name(), self.address)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
