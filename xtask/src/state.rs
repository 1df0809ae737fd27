//! What `up` leaves under `.rtoms/`: its data, its logs, and which process it is.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct State {
    root: PathBuf,
}

impl State {
    pub(crate) fn of_checkout() -> Result<Self> {
        let root = stack::checkout().join(".rtoms");
        fs::create_dir_all(&root).with_context(|| format!("the folder {} can't be made", root.display()))?;
        Ok(Self { root })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where a detached `up` writes.
    pub(crate) fn up_log(&self) -> PathBuf {
        self.root.join("up.log")
    }

    /// The process that runs `up`, if it still does.
    pub(crate) fn running(&self) -> Option<u32> {
        let pid: u32 = fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        // A pid is used again one day: it counts only for a process of this program.
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        command.contains("xtask").then_some(pid)
    }

    /// Removed by the guard's drop.
    pub(crate) fn claim(&self) -> Result<Claim> {
        let path = self.pid_file();
        fs::write(&path, std::process::id().to_string())?;
        Ok(Claim { path, ready: self.ready_file() })
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready_file().exists()
    }

    pub(crate) fn forget_data(&self) -> Result<()> {
        let data = self.data();
        if data.exists() {
            fs::remove_dir_all(&data).with_context(|| format!("{} can't be removed", data.display()))?;
        }
        Ok(())
    }

    fn pid_file(&self) -> PathBuf {
        self.root.join("up.pid")
    }

    fn ready_file(&self) -> PathBuf {
        self.root.join("up.ready")
    }
}

/// That this process is the one that runs.
pub(crate) struct Claim {
    path: PathBuf,
    ready: PathBuf,
}

impl Claim {
    pub(crate) fn ready(&self) -> Result<()> {
        Ok(fs::write(&self.ready, "")?)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        for path in [&self.path, &self.ready] {
            remove(path);
        }
    }
}

fn remove(path: &Path) {
    // What is not there need not be removed.
    let _ = fs::remove_file(path);
}
