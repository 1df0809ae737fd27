//! What others check of the descriptions: Redocly's rules for `openapi/*.json`, AsyncAPI's own parser for
//! `openapi/asyncapi.yaml`. Both run on Node.js, of the versions that `openapi/lint/package-lock.json` names.

use crate::cargo;
use crate::say::say;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The oldest Node.js that the linters run on: what `engines` of `package.json` says.
const NODE_MIN: (u32, u32) = (20, 19);
const GET_NODE: &str = "Install Node.js 20.19 or newer with npm (https://nodejs.org), and try again";
/// A program that only tells its version.
const ASK_BOUND: Duration = Duration::from_secs(20);
/// 70 MB over a slow line.
const INSTALL_BOUND: Duration = Duration::from_secs(10 * 60);

/// Checks the descriptions that are there; whether they are what the services tell is for another step.
pub(crate) fn check() -> Result<()> {
    let dir = stack::checkout().join("openapi/lint");
    check_node()?;
    install(&dir)?;
    for (what, script) in [("the linter of openapi/*.json", "openapi"), ("the parser of asyncapi.yaml", "asyncapi")] {
        cargo::run_command(what, Command::new("npm").args(["run", "--silent", script]).current_dir(&dir))?;
    }
    Ok(())
}

fn check_node() -> Result<()> {
    for program in ["node", "npm"] {
        let Ok(told) = stack::command::run(Command::new(program).arg("--version"), program, ASK_BOUND) else {
            bail!("missing: {program}. {GET_NODE}");
        };
        ensure!(program != "node" || version(&told) >= Some(NODE_MIN), "{} is too old. {GET_NODE}", told.trim());
    }
    Ok(())
}

/// `v20.20.2`
fn version(told: &str) -> Option<(u32, u32)> {
    let mut numbers = told.trim().trim_start_matches('v').split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Where the lock file has changed since the last time, or it never was done.
fn install(dir: &Path) -> Result<()> {
    let lock = fs::read(dir.join("package-lock.json")).context("openapi/lint/package-lock.json")?;
    let installed = dir.join("node_modules/.installed");
    if fs::read(&installed).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    say("installing the linters of openapi/lint (once, some seconds)");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(dir);
    stack::command::run(&mut npm, "`npm ci` in openapi/lint", INSTALL_BOUND)?;
    fs::write(installed, lock)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("v20.20.2\n"), Some((20, 20)));
        assert_eq!(version("nonsense"), None);
        assert!(version("v9.30.0") < Some(NODE_MIN) && version("v100.0.0") > Some(NODE_MIN));
    }
}
