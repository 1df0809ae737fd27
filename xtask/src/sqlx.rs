//! `.sqlx/`: the SQL of the sources, checked against the migrated schemas.

use crate::cargo;
use anyhow::{Context, Result, bail, ensure};
use stack::ports::free_ports;
use stack::postgres::Postgres;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::SystemTime;
use tempfile::TempDir;

const SCHEMAS: [&str; 7] = ["product", "inventory", "order", "payment", "notification", "identity", "provider"];
/// The packages whose SQL is checked, and where each begins.
const PACKAGES: [(&str, &str); 6] = [
    ("product", "services/product/src/lib.rs"),
    ("inventory", "services/inventory/src/lib.rs"),
    ("order", "services/order/src/lib.rs"),
    ("payment", "services/payment/src/lib.rs"),
    ("notification", "services/notification/src/lib.rs"),
    ("identity", "crates/identity/src/lib.rs"),
];

/// A throw-away PostgreSQL with all migrations applied.
struct Migrated {
    postgres: Postgres,
    _dir: TempDir,
}

fn migrated() -> Result<Migrated> {
    let tools = stack::tools::find_or_install(&|what| eprintln!("{what}"))?;
    let dir = tempfile::Builder::new().prefix("rtoms-sqlx-").tempdir()?;
    // PostgreSQL runs under a user of its own.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    let [port] = free_ports()?;
    let postgres = Postgres::start(&tools, &dir.path().join("postgres"), port)?;
    let path: Vec<String> = SCHEMAS.iter().map(|schema| format!("\"{schema}\"")).collect();
    postgres.run_sql(&format!("ALTER ROLE postgres IN DATABASE rtoms SET search_path = {}", path.join(", ")))?;
    for schema in SCHEMAS {
        for file in migrations(schema)? {
            let sql = fs::read_to_string(&file)?;
            let script = format!("SET search_path = \"{schema}\"; SET ROLE \"{schema}\"; {sql}");
            postgres.run_sql(&script).with_context(|| file.display().to_string())?;
        }
    }
    Ok(Migrated { postgres, _dir: dir })
}

fn migrations(schema: &str) -> Result<Vec<PathBuf>> {
    let dir = stack::checkout().join("migrations").join(schema);
    let mut files: Vec<PathBuf> = fs::read_dir(&dir)
        .with_context(|| dir.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    ensure!(!files.is_empty(), "{} holds no migration", dir.display());
    Ok(files)
}

/// Makes `.sqlx/` anew, or compares it with what the sources need.
pub(crate) fn prepare(check: bool) -> Result<()> {
    let database = migrated()?;
    let made = tempfile::tempdir()?;
    // The macros write their files while they are expanded, which cargo only does for sources that changed.
    for (_, lib) in PACKAGES {
        File::open(stack::checkout().join(lib))?.set_modified(SystemTime::now())?;
    }
    let mut words = vec!["check", "--quiet"];
    for (package, _) in PACKAGES {
        words.extend(["--package", package]);
    }
    let status = cargo::cargo()
        .args(words)
        .env("SQLX_OFFLINE", "false")
        .env("DATABASE_URL", database.postgres.superuser_url())
        .env("SQLX_OFFLINE_DIR", made.path())
        .status()?;
    ensure!(status.success(), "the sources do not fit the migrated schemas");
    let kept = stack::checkout().join(".sqlx");
    let (wanted, there) = (queries(made.path())?, queries(&kept)?);
    ensure!(!wanted.is_empty(), "no query was written");
    if check {
        if wanted != there {
            bail!(".sqlx differs from what the sources need: run `cargo xtask sqlx`");
        }
        return Ok(());
    }
    fs::create_dir_all(&kept)?;
    for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
        fs::remove_file(kept.join(name))?;
    }
    for (name, text) in &wanted {
        fs::write(kept.join(name), text)?;
    }
    println!("{} queries", wanted.len());
    Ok(())
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
    let (sender, interrupted) = channel();
    ctrlc::set_handler(move || {
        // Once is enough.
        let _ = sender.send(());
    })?;
    println!("SQLX_OFFLINE=false DATABASE_URL={}", database.postgres.superuser_url());
    interrupted.recv()?;
    Ok(())
}
