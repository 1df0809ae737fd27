//! Runs cargo.

use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// The cargo that runs this, in the root of the checkout.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(stack::checkout());
    cargo
}

/// # Errors
/// Where it fails.
pub(crate) fn run(what: &str, args: &[&str]) -> Result<()> {
    let status = cargo().args(args).status().context("cargo can't be run")?;
    ensure!(status.success(), "{what} failed");
    Ok(())
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| stack::checkout().join("target"), PathBuf::from)
}
