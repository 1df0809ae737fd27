//! `.sqlx/`: the SQL of the sources, checked against the migrated schemas.
//!
//! The macros of sqlx write what they learn about a query to `SQLX_OFFLINE_DIR` while they are expanded with
//! `SQLX_OFFLINE=false` and a `DATABASE_URL`, so no other tool is needed.

use crate::say::say;
use crate::{cargo, interrupt};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stack::ports::free_ports;
use stack::postgres::Postgres;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const SCHEMAS: [&str; 7] = ["product", "inventory", "order", "payment", "notification", "identity", "provider"];
/// Those of the services, which have the engine's tables as well.
const WITH_ENGINE: [&str; 5] = ["product", "inventory", "order", "payment", "notification"];
const MACROS: [&str; 3] = ["query!(", "query_as!(", "query_scalar!("];

/// A throw-away PostgreSQL with all migrations applied.
struct Migrated {
    postgres: Postgres,
    _dir: TempDir,
}

fn migrated() -> Result<Migrated> {
    let tools = stack::tools::find_or_install(&|what| eprintln!("{what}"))?;
    let dir = stack::throwaway_dir()?;
    let [port] = free_ports()?;
    let postgres = Postgres::start(&tools, &dir.path().join("postgres"), port)?;
    let path: Vec<String> = SCHEMAS.iter().map(|schema| format!("\"{schema}\"")).collect();
    postgres.run_sql(&format!("ALTER ROLE postgres IN DATABASE rtoms SET search_path = {}", path.join(", ")))?;
    let root = stack::checkout();
    for schema in SCHEMAS {
        let mut files = migrations(&root.join("migrations").join(schema))?;
        if WITH_ENGINE.contains(&schema) {
            files.splice(0..0, migrations(&root.join("crates/engine/migrations"))?);
        }
        for file in files {
            let sql = fs::read_to_string(&file)?;
            let script = format!("SET LOCAL search_path = \"{schema}\"; SET LOCAL ROLE \"{schema}\"; {sql}");
            postgres.run_sql(&script).with_context(|| file.display().to_string())?;
        }
    }
    Ok(Migrated { postgres, _dir: dir })
}

/// In their order.
fn migrations(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    ensure!(!files.is_empty(), "{} holds no migration", dir.display());
    Ok(files)
}

/// What the sources need, by file name.
type Queries = BTreeMap<String, String>;

/// Makes `.sqlx/` anew.
pub(crate) fn write() -> Result<()> {
    let packages = packages()?;
    let words: Vec<&str> = packages.iter().flat_map(|package| ["--package", package.name.as_str()]).collect();
    let wanted = made(&packages, &words)?;
    let dir = stack::checkout().join(".sqlx");
    fs::create_dir_all(&dir)?;
    let there = queries(&dir)?;
    for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
        fs::remove_file(dir.join(name))?;
    }
    // What has not changed keeps its time, so that nothing is compiled again for it.
    for (name, text) in wanted.iter().filter(|(name, text)| there.get(*name) != Some(text)) {
        fs::write(dir.join(name), text)?;
    }
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    say(&format!("{} queries of {}", wanted.len(), names.join(", ")));
    Ok(())
}

/// Compares `.sqlx/` with what the sources need.
pub(crate) fn check() -> Result<()> {
    let wanted = made(&packages()?, &["--workspace"])?;
    let there = queries(&stack::checkout().join(".sqlx"))?;
    let missing = wanted.iter().filter(|(name, text)| there.get(*name) != Some(text)).count();
    let stale = there.keys().filter(|name| !wanted.contains_key(*name)).count();
    ensure!(
        missing + stale == 0,
        ".sqlx lacks {missing} of {} queries and has {stale} that no source has: run `cargo xtask sqlx`",
        wanted.len()
    );
    Ok(())
}

/// Compiles `packages`, chosen for cargo by `words`, against the migrated schemas.
fn made(packages: &[Package], words: &[&str]) -> Result<Queries> {
    let database = migrated()?;
    let made = tempfile::tempdir()?;
    for root in packages.iter().flat_map(|package| &package.roots) {
        // Macros are expanded only in what cargo compiles, which is what has changed.
        File::open(root)?.set_modified(SystemTime::now())?;
    }
    let mut compile = cargo::cargo();
    compile
        .args(["check", "--quiet", "--all-targets"])
        .args(words)
        .env("SQLX_OFFLINE", "false")
        .env("DATABASE_URL", database.postgres.superuser_url())
        .env("SQLX_OFFLINE_DIR", made.path());
    cargo::run_command("checking the SQL of the sources against the migrated schemas", &mut compile)?;
    let wanted = queries(made.path())?;
    ensure!(!wanted.is_empty(), "no query was written");
    Ok(wanted)
}

/// A package whose SQL is checked as it is compiled.
struct Package {
    name: String,
    /// The first file of each of its targets.
    roots: Vec<PathBuf>,
}

fn packages() -> Result<Vec<Package>> {
    let metadata = cargo::metadata()?;
    let mut packages = Vec::new();
    for package in metadata["packages"].as_array().context("metadata list packages")? {
        let text = |value: &Value| value.as_str().map(str::to_owned).context("metadata have text");
        let name = text(&package["name"])?;
        let manifest = PathBuf::from(text(&package["manifest_path"])?);
        // This file names the macros, and uses none.
        if name != "xtask" && uses_macros(manifest.parent().context("a manifest is in a folder")?)? {
            let targets = package["targets"].as_array().context("a package has targets")?;
            let roots = targets.iter().map(|target| Ok(text(&target["src_path"])?.into())).collect::<Result<_>>()?;
            packages.push(Package { name, roots });
        }
    }
    Ok(packages)
}

fn uses_macros(dir: &Path) -> Result<bool> {
    for file in cargo::rust_files(dir)? {
        let text = fs::read_to_string(file)?;
        if MACROS.iter().any(|name| text.contains(name)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn queries(dir: &Path) -> Result<Queries> {
    let mut files = Queries::new();
    if dir.exists() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?);
        }
    }
    Ok(files)
}

/// Leaves the migrated database running until Ctrl-C.
pub(crate) fn dev_db() -> Result<()> {
    let database = migrated()?;
    interrupt::listen()?;
    say(&format!("SQLX_OFFLINE=false DATABASE_URL={}", database.postgres.superuser_url()));
    while !interrupt::interrupted() {
        ensure!(database.postgres.server.alive(), "PostgreSQL has ended");
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
