//! `openapi/*.json`: made by the services themselves, checked in.

use crate::services::{SERVICES, build};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// A service that only prints its specification connects to nothing.
const TELL_BOUND: Duration = Duration::from_secs(20);

/// Writes what each service tells of itself, or compares it with what is there.
pub(crate) fn openapi(check: bool) -> Result<()> {
    let programs = build(false)?;
    let dir = stack::checkout().join("openapi");
    fs::create_dir_all(&dir)?;
    let mut differing = Vec::new();
    for (name, _) in SERVICES {
        let mut tell = Command::new(programs.join(name));
        let told = stack::command::run(tell.arg("openapi"), &format!("`{name} openapi`"), TELL_BOUND)?;
        let spec: Value = serde_json::from_str(&told).with_context(|| format!("`{name} openapi` tells no JSON"))?;
        let text = serde_json::to_string_pretty(&spec)? + "\n";
        let file = dir.join(format!("{name}.json"));
        if !check {
            fs::write(&file, text)?;
        } else if fs::read_to_string(&file).ok().as_deref() != Some(text.as_str()) {
            differing.push(format!("openapi/{name}.json"));
        }
    }
    if !differing.is_empty() {
        bail!("{} differ from what the services tell: run `cargo xtask openapi`", differing.join(", "));
    }
    Ok(())
}
