//! Redis as a cache: nothing is kept over a restart.

use crate::command::run;
use crate::process::Signal;
use crate::server::{Recipe, Server};
use crate::tools::Tools;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const START_BOUND: Duration = Duration::from_secs(20);
const STOP_BOUND: Duration = Duration::from_secs(10);

/// A running server.
pub struct Redis {
    pub server: Server,
    program: PathBuf,
}

impl Redis {
    /// # Errors
    /// One sentence that says what is in the way.
    pub fn start(tools: &Tools, dir: &Path, port: u16) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("the folder {} can't be made", dir.display()))?;
        let mut command = Command::new(&tools.redis_server);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--maxmemory", "128mb", "--maxmemory-policy", "allkeys-lru", "--dir"]).arg(dir);
        let server = Server::start(Recipe {
            name: "Redis",
            command,
            user: None,
            log: dir.join("redis.log"),
            port,
            probe: None,
            end: Signal::Term,
            crash: Signal::Kill,
            start_bound: START_BOUND,
            stop_bound: STOP_BOUND,
        })?;
        Ok(Self { server, program: tools.redis_server.clone() })
    }

    /// As its program tells it, such as `7.0.15`.
    ///
    /// # Errors
    /// The program does not run.
    pub fn version(&self) -> Result<String> {
        let told = run(Command::new(&self.program).arg("--version"), "redis-server --version", START_BOUND)?;
        let version = told.split_whitespace().find_map(|word| word.strip_prefix("v="));
        version.map(ToOwned::to_owned).with_context(|| format!("no version in {told:?}"))
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.server.port())
    }
}
