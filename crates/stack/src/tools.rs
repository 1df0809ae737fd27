//! The programs that a stack is made of: found, or installed from the system's package manager.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The folder of `postgres`, `initdb` and `psql`.
    pub postgres_bin: PathBuf,
    pub redis_server: PathBuf,
    pub java: PathBuf,
    pub mvn: PathBuf,
    /// Whether this runs as root, which PostgreSQL refuses to.
    pub root: bool,
}

/// The oldest PostgreSQL that will do.
const POSTGRES_MIN: u32 = 15;

/// Finds all of them; what is missing is installed with apt, where there is apt and the right to use it.
///
/// # Errors
/// What is missing, and how to get it.
pub fn find_or_install(say: &(dyn Fn(&str) + Sync)) -> Result<Tools> {
    let missing = missing_packages();
    if !missing.is_empty() {
        install(&missing, say)?;
        let still = missing_packages();
        if !still.is_empty() {
            bail!("{} still missing after its installation: install it by hand and try again", still.join(", "));
        }
    }
    let need = |tool: Option<PathBuf>, name: &str| tool.with_context(|| format!("{name} is missing"));
    Ok(Tools {
        postgres_bin: need(postgres_bin(), "PostgreSQL")?,
        redis_server: need(on_path("redis-server"), "Redis")?,
        java: need(on_path("java"), "Java")?,
        mvn: need(on_path("mvn"), "Maven")?,
        root: is_root(),
    })
}

fn missing_packages() -> Vec<&'static str> {
    let mut missing = Vec::new();
    for (there, package) in [
        (postgres_bin().is_some(), "postgresql"),
        (on_path("redis-server").is_some(), "redis-server"),
        (java_is_new_enough(), "default-jre-headless"),
        (on_path("mvn").is_some(), "maven"),
        (on_path("setpriv").is_some(), "util-linux"),
    ] {
        if !there {
            missing.push(package);
        }
    }
    missing
}

fn install(packages: &[&str], say: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let names = packages.join(" ");
    if on_path("apt-get").is_none() {
        bail!(
            "missing: {names}. Install PostgreSQL {POSTGRES_MIN}, Redis, a JRE 17 and Maven (or newer), and try again"
        );
    }
    let sudo: &[&str] = if is_root() { &[] } else { &["sudo", "-n"] };
    say(&format!("installing from this system's packages: {names}"));
    for arguments in [vec!["update", "-qq"], [&["install", "-y", "-qq", "--no-install-recommends"], packages].concat()]
    {
        let words: Vec<&str> = sudo.iter().copied().chain(["apt-get"]).chain(arguments).collect();
        let done = Command::new(words[0])
            .args(&words[1..])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} can't be run", words[0]))?;
        if !done.status.success() {
            let error = String::from_utf8_lossy(&done.stderr);
            bail!("`{}` failed; run it by hand and try again:\n{}", words.join(" "), error.trim());
        }
    }
    Ok(())
}

fn is_root() -> bool {
    output("id", &["-u"]).is_some_and(|id| id.trim() == "0")
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Debian keeps each version's programs in a folder of its own; elsewhere they are on the PATH.
fn postgres_bin() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = debian
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(version, bin)| *version >= POSTGRES_MIN && bin.join("initdb").is_file())
        .collect();
    found.sort();
    if let Some((_, bin)) = found.pop() {
        return Some(bin);
    }
    let bin = on_path("postgres")?.parent()?.to_owned();
    let version = output(bin.join("postgres").to_str()?, &["--version"])?;
    let major: u32 = version.split_whitespace().nth(2)?.split('.').next()?.parse().ok()?;
    (major >= POSTGRES_MIN && bin.join("initdb").is_file()).then_some(bin)
}

fn java_is_new_enough() -> bool {
    let Some(java) = on_path("java") else { return false };
    let Ok(told) = Command::new(java).arg("-version").output() else { return false };
    // The version is told on stderr: openjdk version "17.0.15" 2025-04-15
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    let version = text.split('"').nth(1).and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    version.is_some_and(|major| major >= 17)
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let done = Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Runs a program to its end.
///
/// # Errors
/// What it said, where it failed.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<()> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("{what}: can't be run"))?;
    if !done.status.success() {
        let said = [String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)].concat();
        let tail: Vec<&str> = said.trim().lines().rev().take(12).collect();
        bail!("{what} failed:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

/// Whether `user` may enter `dir`.
pub(crate) fn may_enter(user: &str, dir: &Path) -> bool {
    Command::new("setpriv")
        .args(["--reuid", user, "--regid", user, "--init-groups", "test", "-x"])
        .arg(dir)
        .status()
        .is_ok_and(|status| status.success())
}
