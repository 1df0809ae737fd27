//! `cargo xtask up --detach`, `status` and `down`.

use crate::say::say;
use crate::state::State;
use crate::up::{UpArgs, step};
use crate::{interrupt, table};
use anyhow::{Context, Result, bail};
use stack::process::{Signal, signal_pid};
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// It builds everything first.
const UP_BOUND: Duration = Duration::from_secs(3600);
/// Services have 20 seconds to end, then the stack has 20.
const DOWN_BOUND: Duration = Duration::from_secs(60);

/// `up` again, in a session of its own, until it is ready.
pub(crate) fn up(args: &UpArgs) -> Result<()> {
    let state = State::of_checkout()?;
    // Only to say at once, and not in a log, that it is up already.
    drop(state.claim()?);
    interrupt::listen()?;
    let mut child = spawn(args, &state)?;
    let told = step("everything", |bar| {
        let until = Instant::now() + UP_BOUND;
        loop {
            let said = fs::read_to_string(state.up_log()).unwrap_or_default();
            let last = said.trim().lines().last().unwrap_or("it said nothing").to_owned();
            if let Some(told) = state.told().filter(|told| told.ready && told.pid == child.id()) {
                return Ok(told);
            }
            if child.try_wait()?.is_some() {
                bail!("it did not come up: {last}");
            }
            if interrupt::interrupted() || Instant::now() > until {
                end(child.id(), || matches!(child.try_wait(), Ok(Some(_))))?;
                bail!("stopped, because it was interrupted or took longer than an hour");
            }
            bar.set_message(last);
            thread::sleep(Duration::from_millis(100));
        }
    })?;
    table::urls(&told.processes, args);
    say(&format!(
        "`cargo xtask status` shows it, `cargo xtask down` ends it; it writes to {}",
        state.up_log().display()
    ));
    Ok(())
}

fn spawn(args: &UpArgs, state: &State) -> Result<Child> {
    let log = File::create(state.up_log())?;
    let mut command = Command::new("setsid");
    command.arg(std::env::current_exe()?).arg("up").stdin(Stdio::null());
    for (wanted, flag) in [(args.reset, "--reset"), (args.release, "--release"), (args.no_demo, "--no-demo")] {
        if wanted {
            command.arg(flag);
        }
    }
    if let Some(issuer) = &args.issuer {
        command.arg(format!("--issuer={issuer}"));
    }
    for (name, count) in &args.replicas {
        command.arg(format!("--replicas={name}={count}"));
    }
    command.stdout(log.try_clone()?).stderr(log).spawn().context("setsid can't be run")
}

pub(crate) fn status() -> Result<()> {
    match State::of_checkout()?.told() {
        Some(told) => table::status(&told),
        None => say("not up"),
    }
    Ok(())
}

pub(crate) fn down() -> Result<()> {
    let state = State::of_checkout()?;
    let Some(told) = state.told() else {
        say("not up");
        return Ok(());
    };
    end(told.pid, || state.told().is_none())?;
    say("down");
    Ok(())
}

/// Asks `up` to end, and ends it where it takes too long; the kernel then tells all that it started.
fn end(pid: u32, mut ended: impl FnMut() -> bool) -> Result<()> {
    // It may have ended by itself.
    let _ = signal_pid(pid, Signal::Term);
    let until = Instant::now() + DOWN_BOUND;
    while !ended() {
        if Instant::now() > until {
            signal_pid(pid, Signal::Kill)?;
            bail!("process {pid} took longer than {} s to end, and was killed", DOWN_BOUND.as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
