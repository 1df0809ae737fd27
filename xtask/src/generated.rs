//! `openapi/*.json`, made by the services themselves, and `openapi/asyncapi.yaml`, made of the contract; checked in.

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
    for (file, text) in told(&build(false)?)? {
        fs::write(dir.join(file), text)?;
    }
    Ok(())
}

/// Compares what is there with what each service tells of itself.
pub(crate) fn check() -> Result<()> {
    cargo::run("the build", &["build", "--quiet", "--workspace", "--all-targets"])?;
    let dir = stack::checkout().join("openapi");
    let told = told(&cargo::target_dir()?.join("debug"))?;
    let differs = |(file, text): &&(String, String)| fs::read_to_string(dir.join(file)).ok().as_ref() != Some(text);
    let differing: Vec<&str> = told.iter().filter(differs).map(|(file, _)| file.as_str()).collect();
    ensure!(
        differing.is_empty(),
        "openapi/ differs from what the services tell, in {}: run `cargo xtask openapi`",
        differing.join(", ")
    );
    Ok(())
}

/// Each file and its text.
fn told(programs: &Path) -> Result<Vec<(String, String)>> {
    let tell = |(name, _): (&'static str, u16)| {
        let mut tell = Command::new(programs.join(name));
        let told = stack::command::run(tell.arg("openapi"), &format!("`{name} openapi`"), TELL_BOUND)?;
        let spec: Value = serde_json::from_str(&told).with_context(|| format!("`{name} openapi` tells no JSON"))?;
        Ok((format!("{name}.json"), serde_json::to_string_pretty(&spec)? + "\n"))
    };
    let mut files: Vec<(String, String)> = SERVICES.into_iter().map(tell).collect::<Result<_>>()?;
    files.push(("asyncapi.yaml".to_owned(), serde_saphyr::to_string(&common::events::asyncapi())?));
    Ok(files)
}
