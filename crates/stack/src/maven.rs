//! What comes through Maven: resolved once, shared by all stacks of a checkout.

use crate::command::run;
use crate::tools::Tools;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Some hundred megabytes over a slow line.
const RESOLVE_BOUND: Duration = Duration::from_secs(20 * 60);
/// What a download that was cut leaves behind begins so.
const PARTIAL: &str = "partial-";

/// Something that a pom names.
pub(crate) struct Artifact {
    pub(crate) name: &'static str,
    /// As in the pom.
    pub(crate) version: &'static str,
    pub(crate) pom: &'static str,
    /// Of the dependency plugin: puts what the pom depends on into one folder.
    pub(crate) goal: &'static str,
    pub(crate) megabytes: u32,
}

/// The folder of the artifact below `dir`, resolved where it is not there yet. Whoever comes second waits.
///
/// # Errors
/// What Maven said.
pub(crate) fn resolve(artifact: &Artifact, dir: &Path, tools: &Tools, say: &(dyn Fn(&str) + Sync)) -> Result<PathBuf> {
    let Artifact { name, version, pom, goal, megabytes } = artifact;
    let resolved = dir.join(version);
    if resolved.is_dir() {
        return Ok(resolved);
    }
    fs::create_dir_all(dir).with_context(|| format!("the folder {} can't be made", dir.display()))?;
    let _lock = locked(&dir.join("lock"), name, say)?;
    if resolved.is_dir() {
        return Ok(resolved);
    }
    for entry in fs::read_dir(dir)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    say(&format!("resolving {name} {version} through Maven ({megabytes} MB, once)"));
    // A download that was cut is never taken for a whole one: the folder gets its name at the end.
    let partial = tempfile::Builder::new().prefix(PARTIAL).tempdir_in(dir)?;
    let (file, output) = (partial.path().join("pom.xml"), partial.path().join("output"));
    fs::write(&file, pom)?;
    let mut mvn = Command::new(&tools.mvn);
    mvn.args(["-q", "-B", goal, "-f"]).arg(&file).arg(format!("-DoutputDirectory={}", output.display()));
    run(&mut mvn, &format!("resolving {name} through Maven"), RESOLVE_BOUND)?;
    fs::rename(&output, &resolved)?;
    Ok(resolved)
}

/// Held by the file; the kernel lets it go with the process.
fn locked(path: &Path, name: &str, say: &(dyn Fn(&str) + Sync)) -> Result<File> {
    let lock = File::create(path)?;
    let until = Instant::now() + RESOLVE_BOUND;
    let mut said = false;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
            Err(TryLockError::WouldBlock) => {
                ensure!(Instant::now() < until, "another process resolves {name} and does not end");
                if !said {
                    say(&format!("waiting for another process, which resolves {name}"));
                    said = true;
                }
                thread::sleep(Duration::from_millis(200));
            }
        }
    }
}
