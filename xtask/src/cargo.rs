//! Runs cargo.

use crate::interrupt;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stack::process::{Signal, signal_pid};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The time for what compiles nothing.
const ASK_BOUND: Duration = Duration::from_secs(300);

/// The cargo that runs this, in the root of the checkout.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(stack::checkout());
    cargo
}

/// Runs cargo to its end, in sight of whoever watches.
///
/// # Errors
/// It fails, or there is an interrupt.
pub(crate) fn run(what: &str, args: &[&str]) -> Result<()> {
    run_command(what, cargo().args(args))
}

/// The same for a command that was made ready.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_command(what: &str, command: &mut Command) -> Result<()> {
    let mut child = command.spawn().with_context(|| format!("{:?} can't be run", command.get_program()))?;
    let mut told = false;
    // How long a build or all the tests take is not ours to bound: whoever waits can interrupt it.
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if interrupt::interrupted() && !told {
            told = true;
            // It may have heard of it by itself.
            let _ = signal_pid(child.id(), Signal::Term);
        }
        thread::sleep(Duration::from_millis(20));
    };
    interrupt::check()?;
    ensure!(status.success(), "{what} failed");
    Ok(())
}

/// What cargo tells when asked so.
///
/// # Errors
/// It fails.
pub(crate) fn ask(args: &[&str]) -> Result<String> {
    stack::command::run(cargo().args(args), &format!("cargo {}", args[0]), ASK_BOUND)
}

/// The workspace as cargo sees it, without what it depends on.
///
/// # Errors
/// Cargo does not understand a manifest.
pub(crate) fn metadata() -> Result<Value> {
    Ok(serde_json::from_str(&ask(&["metadata", "--format-version", "1", "--no-deps"])?)?)
}

/// Where cargo puts what it builds.
///
/// # Errors
/// As [`metadata`].
pub(crate) fn target_dir() -> Result<PathBuf> {
    let metadata = metadata()?;
    Ok(metadata["target_directory"].as_str().context("metadata tell the target folder")?.into())
}

/// All Rust sources below `dir`.
///
/// # Errors
/// A folder can't be read.
pub(crate) fn rust_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}
