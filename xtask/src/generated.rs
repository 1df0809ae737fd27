//! `openapi/*.json`: made by the services themselves, checked in.

use crate::cargo;
use crate::services::SERVICES;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs;

/// Writes what each service tells of itself, or compares it with what is there.
pub(crate) fn openapi(check: bool) -> Result<()> {
    let dir = stack::checkout().join("openapi");
    fs::create_dir_all(&dir)?;
    let mut differing = Vec::new();
    for (name, _) in SERVICES {
        let told = cargo::cargo().args(["run", "--quiet", "--package", name, "--", "openapi"]).output()?;
        ensure!(told.status.success(), "`{name} openapi` failed: {}", String::from_utf8_lossy(&told.stderr));
        let spec: Value =
            serde_json::from_slice(&told.stdout).with_context(|| format!("`{name} openapi` is no JSON"))?;
        let text = serde_json::to_string_pretty(&spec)? + "\n";
        let file = dir.join(format!("{name}.json"));
        if check {
            if fs::read_to_string(&file).ok().as_deref() != Some(text.as_str()) {
                differing.push(format!("openapi/{name}.json"));
            }
        } else {
            fs::write(&file, text)?;
        }
    }
    if !differing.is_empty() {
        bail!("{} differ from what the services tell: run `cargo xtask openapi`", differing.join(", "));
    }
    Ok(())
}
