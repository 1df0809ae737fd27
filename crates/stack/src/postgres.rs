//! PostgreSQL with one database, `rtoms`, and a schema and a role a service.

use crate::ports::wait_until_answers;
use crate::process::{Process, Signal};
use crate::tools::{Tools, may_enter, run};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The unprivileged user that runs the server where this runs as root; its package makes it.
const SERVER_USER: &str = "postgres";
const START_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(20);
const INIT_SQL: &str = include_str!("../../../deploy/postgres/init.sql");

/// A running server.
pub struct Postgres {
    bin: PathBuf,
    data: PathBuf,
    log: PathBuf,
    user: Option<&'static str>,
    port: u16,
    process: Process,
}

impl Postgres {
    /// # Errors
    /// One sentence that says what is in the way.
    pub fn start(tools: &Tools, dir: &Path, port: u16) -> Result<Self> {
        let user = tools.root.then_some(SERVER_USER);
        std::fs::create_dir_all(dir)?;
        if let Some(user) = user {
            run(Command::new("chown").arg(user).arg(dir), "giving PostgreSQL its folder")?;
            if !may_enter(user, dir) {
                bail!(
                    "the user {user}, who runs PostgreSQL, may not enter {}: move the checkout below a folder that \
                     everybody may enter",
                    dir.display()
                );
            }
        }
        let (bin, data, log) = (tools.postgres_bin.clone(), dir.join("data"), dir.join("postgres.log"));
        if !data.join("PG_VERSION").exists() {
            init(&bin, &data, user)?;
        }
        if let Some(user) = user {
            std::fs::File::options().create(true).append(true).open(&log)?;
            run(Command::new("chown").arg(user).arg(&log), "giving PostgreSQL its log")?;
        }
        let process = launch(&bin, &data, &log, user, port)?;
        let mut server = Self { bin, data, log, user, port, process };
        server.wait_ready()?;
        server.create_schemas()?;
        Ok(server)
    }

    /// The URL of a role, whose password is its name.
    #[must_use]
    pub fn url(&self, role: &str) -> String {
        format!("postgres://{role}:{role}@127.0.0.1:{}/rtoms", self.port)
    }

    /// The URL of the superuser.
    #[must_use]
    pub fn superuser_url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/rtoms", self.port)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs a script as the superuser.
    ///
    /// # Errors
    /// What psql said.
    pub fn run_sql(&self, sql: &str) -> Result<()> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", &self.superuser_url(), "-c", sql]);
        run(&mut psql, "psql")
    }

    /// # Errors
    /// Where it does not come up again.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.process = launch(&self.bin, &self.data, &self.log, self.user, self.port)?;
        self.wait_ready()
    }

    pub fn stop(&mut self) {
        self.process.stop(STOP_BOUND);
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn wait_ready(&mut self) -> Result<()> {
        let until = Instant::now() + START_BOUND;
        wait_until_answers(self.port, START_BOUND);
        let maintenance = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        loop {
            let mut ask = Command::new(self.bin.join("psql"));
            ask.args(["-X", "-q", &maintenance, "-c", "SELECT 1"]);
            match run(&mut ask, "PostgreSQL") {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > until || !self.process.alive() => {
                    return Err(error.context(format!("PostgreSQL does not come up; see {}", self.log.display())));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// The database, then roles and schemas, all safe to repeat.
    fn create_schemas(&self) -> Result<()> {
        let maintenance = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        let mut create = Command::new(self.bin.join("psql"));
        let script =
            "SELECT 'CREATE DATABASE rtoms' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rtoms') \\gexec";
        create.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", &maintenance]);
        run_script(create, script).context("creating the database")?;
        self.run_sql(INIT_SQL).context("creating roles and schemas")
    }
}

/// psql reads meta-commands only from its input.
fn run_script(mut psql: Command, script: &str) -> Result<()> {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = psql.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(script.as_bytes())?;
    }
    anyhow::ensure!(child.wait()?.success(), "psql failed");
    Ok(())
}

fn init(bin: &Path, data: &Path, user: Option<&str>) -> Result<()> {
    let mut initdb = match user {
        Some(user) => {
            let mut wrapped = Command::new("setpriv");
            wrapped.args(["--reuid", user, "--regid", user, "--init-groups"]).arg(bin.join("initdb"));
            wrapped
        }
        None => Command::new(bin.join("initdb")),
    };
    // It listens on the loopback only, for whoever is on this machine.
    initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D"]).arg(data);
    run(&mut initdb, "initdb")
}

fn launch(bin: &Path, data: &Path, log: &Path, user: Option<&str>, port: u16) -> Result<Process> {
    let mut server = Command::new(bin.join("postgres"));
    server.arg("-D").arg(data).current_dir("/");
    for setting in [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", data.display()),
        "max_connections=300".to_owned(),
        "shared_buffers=256MB".to_owned(),
        "fsync=on".to_owned(),
        "synchronous_commit=on".to_owned(),
        "max_wal_size=2GB".to_owned(),
    ] {
        server.args(["-c", &setting]);
    }
    Process::start(&server, Signal::Int, user, log)
}
