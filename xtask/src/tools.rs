//! Subcommands of cargo that look at the sources, each of one version, built from its own where it is not there yet.

use crate::cargo;
use crate::say::say;
use anyhow::{Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A program on the registry.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
}

pub(crate) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
pub(crate) const MACHETE: Tool = Tool { name: "cargo-machete", version: "0.9.2" };

/// Runs it over the checkout.
///
/// # Errors
/// It has findings, or can't be built.
pub(crate) fn run(tool: &Tool, args: &[&str]) -> Result<()> {
    let mut command = Command::new(installed(tool)?);
    cargo::run_command(tool.name, command.args(args).current_dir(stack::checkout()))
}

/// The tool's program. Never what is on the PATH: that may be of another version, with other findings.
fn installed(tool: &Tool) -> Result<PathBuf> {
    let Tool { name, version } = *tool;
    let root = root()?.join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if !program.exists() {
        say(&format!("building {name} {version} (once, some minutes)"));
        let mut install = cargo::cargo();
        install.args(["install", "--quiet", "--locked", name, "--version", version, "--root"]).arg(&root);
        cargo::run_command(&format!("building {name}"), &mut install)?;
    }
    Ok(program)
}

/// Shared by all checkouts of a user; where that can't be written, this checkout's own.
fn root() -> Result<PathBuf> {
    let shared = std::env::home_dir().map(|home| home.join(".cache/rtoms/tools"));
    for root in shared.into_iter().chain([stack::checkout().join(".rtoms/tools")]) {
        if fs::create_dir_all(&root).is_ok() {
            return Ok(root);
        }
    }
    bail!("no folder for tools can be made: is the disk full?")
}
