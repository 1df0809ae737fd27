//! `.sqlx/`: the SQL of the sources, checked against the migrated schemas.
//!
//! The macros of sqlx write what they learn about a query to `SQLX_OFFLINE_DIR` while they are expanded with
//! `SQLX_OFFLINE=false` and a `DATABASE_URL`, so no other tool is needed.

use crate::say::say;
use crate::{cargo, interrupt};
use anyhow::{Context, Result, bail, ensure};
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

/// Makes `.sqlx/` anew, or compares it with what the sources need.
pub(crate) fn prepare(check: bool) -> Result<()> {
    let database = migrated()?;
    let made = tempfile::tempdir()?;
    let packages = packages()?;
    let mut words = vec!["check", "--quiet", "--all-targets"];
    for package in &packages {
        words.extend(["--package", package.name.as_str()]);
        // Macros are expanded only in what cargo compiles, which is what has changed.
        for root in &package.roots {
            File::open(root)?.set_modified(SystemTime::now())?;
        }
    }
    let mut compile = cargo::cargo();
    compile
        .args(words)
        .env("SQLX_OFFLINE", "false")
        .env("DATABASE_URL", database.postgres.superuser_url())
        .env("SQLX_OFFLINE_DIR", made.path());
    cargo::run_command("checking the SQL of the sources against the migrated schemas", &mut compile)?;
    let kept = stack::checkout().join(".sqlx");
    let (wanted, there) = (queries(made.path())?, queries(&kept)?);
    ensure!(!wanted.is_empty(), "no query was written");
    if check {
        let differing = wanted.iter().filter(|(name, text)| there.get(*name) != Some(text)).count();
        let stale = there.keys().filter(|name| !wanted.contains_key(*name)).count();
        if differing + stale > 0 {
            bail!(".sqlx lacks {differing} queries and has {stale} too many: run `cargo xtask sqlx`");
        }
        return Ok(());
    }
    fs::create_dir_all(&kept)?;
    for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
        fs::remove_file(kept.join(name))?;
    }
    // What has not changed keeps its time, so that nothing is compiled again for it.
    for (name, text) in wanted.iter().filter(|(name, text)| there.get(*name) != Some(text)) {
        fs::write(kept.join(name), text)?;
    }
    say(&format!(
        "{} queries of {}",
        wanted.len(),
        packages.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ")
    ));
    Ok(())
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

/// The files of a folder by their names.
fn queries(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    if dir.exists() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, fs::read_to_string(&path)?);
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
