//! `openapi/*.json`: made by the services themselves, checked in.

use crate::cargo;
use crate::services::{SERVICES, build};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A service that only prints its specification connects to nothing.
const TELL_BOUND: Duration = Duration::from_secs(20);

/// Writes what each service tells of itself.
pub(crate) fn write() -> Result<()> {
    let dir = stack::checkout().join("openapi");
    fs::create_dir_all(&dir)?;
    for (name, spec) in told(&build(false)?)? {
        fs::write(dir.join(format!("{name}.json")), spec)?;
    }
    Ok(())
}

/// Compares what is there with what each service tells of itself.
pub(crate) fn check() -> Result<()> {
    cargo::run("the build", &["build", "--quiet", "--workspace", "--all-targets"])?;
    let dir = stack::checkout().join("openapi");
    let told = told(&cargo::target_dir()?.join("debug"))?;
    let differs =
        |(name, spec): &&(_, String)| fs::read_to_string(dir.join(format!("{name}.json"))).ok().as_ref() != Some(spec);
    let differing: Vec<&str> = told.iter().filter(differs).map(|(name, _)| *name).collect();
    ensure!(
        differing.is_empty(),
        "openapi/ differs from what the services tell, in {}: run `cargo xtask openapi`",
        differing.join(", ")
    );
    Ok(())
}

/// Each service and its specification.
fn told(programs: &Path) -> Result<Vec<(&'static str, String)>> {
    let tell = |(name, _): (&'static str, u16)| {
        let mut tell = Command::new(programs.join(name));
        let told = stack::command::run(tell.arg("openapi"), &format!("`{name} openapi`"), TELL_BOUND)?;
        let spec: Value = serde_json::from_str(&told).with_context(|| format!("`{name} openapi` tells no JSON"))?;
        Ok((name, serde_json::to_string_pretty(&spec)? + "\n"))
    };
    SERVICES.into_iter().map(tell).collect()
}
