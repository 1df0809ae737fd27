//! PostgreSQL with one database, `rtoms`, and a schema and a role a service.

use crate::command::{run, run_with};
use crate::process::Signal;
use crate::server::{Recipe, Server};
use crate::tools::Tools;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The unprivileged user that runs the server where this runs as root, which it refuses to; its package makes it.
const SERVER_USER: &str = "postgres";
const START_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(20);
const INIT_BOUND: Duration = Duration::from_secs(120);
const SCRIPT_BOUND: Duration = Duration::from_secs(60);
const INIT_SQL: &str = include_str!("../../../deploy/postgres/init.sql");
/// psql knows `\gexec`; there is no CREATE DATABASE IF NOT EXISTS.
const CREATE_DATABASE: &str = r"SELECT 'CREATE DATABASE rtoms'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rtoms')
\gexec
";

/// A running server.
pub struct Postgres {
    pub server: Server,
    bin: PathBuf,
}

impl Postgres {
    /// Starts it on the data in `dir`, which is made where there is none, with its roles and schemas.
    ///
    /// # Errors
    /// One sentence that says what is in the way.
    pub fn start(tools: &Tools, dir: &Path, port: u16) -> Result<Self> {
        let user = tools.root.then_some(SERVER_USER);
        let data = dir.join("data");
        prepare(tools, dir, &data, user)?;
        let bin = tools.postgres_bin.clone();
        let server = Server::start(Recipe {
            name: "PostgreSQL",
            command: command(&bin, &data, port),
            user,
            log: dir.join("postgres.log"),
            port,
            probe: Some({
                let mut psql = psql(&bin, port, "postgres");
                psql.args(["-c", "SELECT 1"]);
                psql
            }),
            end: Signal::Int,
            crash: Signal::Quit,
            start_bound: START_BOUND,
            stop_bound: STOP_BOUND,
        })?;
        let server = Self { server, bin };
        server.run_script("postgres", CREATE_DATABASE).context("creating the database")?;
        server.run_sql(INIT_SQL).context("creating roles and schemas")?;
        Ok(server)
    }

    /// The URL of a role, whose password is its name.
    #[must_use]
    pub fn url(&self, role: &str) -> String {
        format!("postgres://{role}:{role}@127.0.0.1:{}/rtoms", self.server.port())
    }

    /// The URL of the superuser.
    #[must_use]
    pub fn superuser_url(&self) -> String {
        url(self.server.port(), "rtoms")
    }

    /// Runs a script as the superuser, all of it or nothing.
    ///
    /// # Errors
    /// What psql said.
    pub fn run_sql(&self, sql: &str) -> Result<()> {
        self.run_script("rtoms", &format!("BEGIN;\n{sql}\n;COMMIT;"))
    }

    fn run_script(&self, database: &str, script: &str) -> Result<()> {
        let mut file = tempfile::tempfile()?;
        file.write_all(script.as_bytes())?;
        file.rewind()?;
        let mut psql = psql(&self.bin, self.server.port(), database);
        run_with(psql.args(["-f", "-"]), file, "psql", SCRIPT_BOUND)?;
        Ok(())
    }
}

/// Whether the user that would run the server, where this runs as root, may enter `dir`.
#[must_use]
pub fn may_enter(tools: &Tools, dir: &Path) -> bool {
    let mut test = as_user(tools.root.then_some(SERVER_USER), Path::new("test"));
    run(test.arg("-x").arg(dir), "test", SCRIPT_BOUND).is_ok()
}

/// The folder and the data in it.
fn prepare(tools: &Tools, dir: &Path, data: &Path, user: Option<&str>) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("the folder {} can't be made", dir.display()))?;
    if let Some(user) = user {
        run(Command::new("chown").arg(user).arg(dir), "giving PostgreSQL its folder", SCRIPT_BOUND)?;
        ensure!(
            may_enter(tools, dir),
            "the user {user}, who runs PostgreSQL, may not enter {}: use a folder that everybody may enter",
            dir.display()
        );
    }
    if let Ok(version) = fs::read_to_string(data.join("PG_VERSION")) {
        let (made_by, now) = (version.trim(), tools.postgres_major);
        ensure!(
            made_by == now.to_string(),
            "the data in {} was made by PostgreSQL {made_by}, and this is {now}: forget the data (`up --reset`), or \
             install PostgreSQL {made_by}",
            data.display()
        );
        return Ok(());
    }
    // What an interrupted initdb left is none.
    if data.exists() {
        fs::remove_dir_all(data)?;
    }
    let mut initdb = as_user(user, &tools.postgres_bin.join("initdb"));
    // It listens on the loopback only, for whoever is on this machine.
    initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D"]).arg(data).current_dir("/");
    run(&mut initdb, "initdb", INIT_BOUND)?;
    File::open(data)?.sync_all()?;
    Ok(())
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--reuid", user, "--regid", user, "--init-groups", "--"]).arg(program);
    wrapped
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{database}")
}

fn psql(bin: &Path, port: u16, database: &str) -> Command {
    let mut psql = Command::new(bin.join("psql"));
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &url(port, database)]);
    psql.env("PGCONNECT_TIMEOUT", "5").env("PGOPTIONS", "-c client_min_messages=warning");
    psql
}

fn command(bin: &Path, data: &Path, port: u16) -> Command {
    let mut server = Command::new(bin.join("postgres"));
    server.arg("-D").arg(data).current_dir("/");
    for setting in [
        format!("port={port}").as_str(),
        "listen_addresses=127.0.0.1",
        // The path of one may have 107 bytes, which a checkout's may exceed.
        "unix_socket_directories=",
        "max_connections=300",
        "shared_buffers=1GB",
        "checkpoint_timeout=15min",
        // Else the kernel writes back half a minute's pages at once, and commits wait behind them.
        "backend_flush_after=256kB",
        // As a real installation: what was committed survives a crash.
        "fsync=on",
        "synchronous_commit=on",
        "wal_level=minimal",
        "max_wal_senders=0",
        "max_wal_size=4GB",
    ] {
        server.args(["-c", setting]);
    }
    server
}
