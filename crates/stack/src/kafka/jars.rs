//! Kafka's jars: resolved through Maven once, shared by all stacks of a checkout.

use crate::command::run;
use crate::tools::Tools;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// As in the pom.
const VERSION: &str = "4.1.0";
const POM: &str = include_str!("../../kafka/pom.xml");
/// 43 MB over a slow line.
const RESOLVE_BOUND: Duration = Duration::from_secs(20 * 60);
/// What a download that was cut leaves behind begins so.
const PARTIAL: &str = "partial-";

/// The folder of Kafka's jars below `jars`, resolved where they are not there yet. Whoever comes second waits.
///
/// # Errors
/// What Maven said.
pub fn resolve(jars: &Path, tools: &Tools, say: &(dyn Fn(&str) + Sync)) -> Result<PathBuf> {
    let resolved = jars.join(VERSION);
    if resolved.is_dir() {
        return Ok(resolved);
    }
    fs::create_dir_all(jars).with_context(|| format!("the folder {} can't be made", jars.display()))?;
    let _lock = locked(&jars.join("lock"), say)?;
    if resolved.is_dir() {
        return Ok(resolved);
    }
    for entry in fs::read_dir(jars)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    say(&format!("resolving Apache Kafka {VERSION} through Maven (43 MB, once)"));
    // A download that was cut is never taken for a whole one: the folder gets its name at the end.
    let partial = tempfile::Builder::new().prefix(PARTIAL).tempdir_in(jars)?;
    let (pom, lib) = (partial.path().join("pom.xml"), partial.path().join("lib"));
    fs::write(&pom, POM)?;
    let mut mvn = Command::new(&tools.mvn);
    mvn.args(["-q", "-B", "dependency:copy-dependencies", "-f"]).arg(&pom);
    mvn.arg(format!("-DoutputDirectory={}", lib.display()));
    run(&mut mvn, "resolving Kafka through Maven", RESOLVE_BOUND)?;
    fs::rename(&lib, &resolved)?;
    Ok(resolved)
}

/// Held by the file; the kernel lets it go with the process.
fn locked(path: &Path, say: &(dyn Fn(&str) + Sync)) -> Result<File> {
    let lock = File::create(path)?;
    let until = Instant::now() + RESOLVE_BOUND;
    let mut said = false;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(error).context("locking the folder of Kafka's jars"),
            Err(TryLockError::WouldBlock) => {
                ensure!(Instant::now() < until, "another process resolves Kafka and does not end");
                if !said {
                    say("waiting for another process, which resolves Kafka");
                    said = true;
                }
                thread::sleep(Duration::from_millis(200));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pom_has_the_version() {
        let text = format!("<artifactId>kafka_2.13</artifactId>\n      <version>{VERSION}</version>");
        assert!(POM.contains(&text));
    }
}
