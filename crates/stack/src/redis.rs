//! Redis as a cache: nothing is kept over a restart.

use crate::ports::wait_until_answers;
use crate::process::{Process, Signal};
use crate::tools::Tools;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running server.
pub struct Redis {
    program: PathBuf,
    dir: PathBuf,
    port: u16,
    process: Process,
}

impl Redis {
    /// # Errors
    /// One sentence that says what is in the way.
    pub fn start(tools: &Tools, dir: &Path, port: u16) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let process = launch(&tools.redis_server, dir, port)?;
        Ok(Self { program: tools.redis_server.clone(), dir: dir.to_owned(), port, process })
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// # Errors
    /// Where it does not come up again.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.process = launch(&self.program, &self.dir, self.port)?;
        Ok(())
    }

    pub fn stop(&mut self) {
        self.process.stop(Duration::from_secs(10));
    }
}

fn launch(program: &Path, dir: &Path, port: u16) -> Result<Process> {
    let mut server = Command::new(program);
    server.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    server.args(["--maxmemory", "128mb", "--maxmemory-policy", "allkeys-lru", "--dir"]).arg(dir);
    let log = dir.join("redis.log");
    let process = Process::start(&server, Signal::Term, None, &log)?;
    ensure!(wait_until_answers(port, Duration::from_secs(20)), "Redis does not come up; see {}", log.display());
    Ok(process)
}
