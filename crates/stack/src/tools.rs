//! The programs that a stack is made of: found, or installed from the system's package manager.

mod install;

use crate::command::run;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The folder of `postgres`, `initdb` and `psql`.
    pub postgres_bin: PathBuf,
    pub postgres_major: u32,
    pub redis_server: PathBuf,
    pub java: PathBuf,
    pub mvn: PathBuf,
    /// Whether this runs as root, which PostgreSQL refuses to.
    pub root: bool,
}

/// The oldest that will do.
const POSTGRES_MIN: u32 = 15;
const JAVA_MIN: u32 = 17;
/// For a program that only tells its version.
const ASK_BOUND: Duration = Duration::from_secs(20);

/// What a stack needs, as people call it and as Debian does.
#[derive(Debug, Clone, Copy)]
struct Need {
    name: &'static str,
    package: &'static str,
}

/// Finds all of them; what is missing is installed with apt, where there is apt and the right to use it. `say` hears
/// what is about to be done.
///
/// # Errors
/// What is missing, and how to get it.
pub fn find_or_install(say: &(dyn Fn(&str) + Sync)) -> Result<Tools> {
    match find() {
        Ok(tools) => Ok(tools),
        Err(missing) => {
            install::install(&missing, say)?;
            match find() {
                Ok(tools) => Ok(tools),
                Err(missing) => bail!(
                    "this system's packages bring no {}: install it by hand, and try again",
                    install::names(&missing)
                ),
            }
        }
    }
}

/// All of them, or what is missing.
fn find() -> Result<Tools, Vec<Need>> {
    let mut missing = Vec::new();
    let mut need = |found: Option<PathBuf>, name, package| {
        if found.is_none() {
            missing.push(Need { name, package });
        }
        found.unwrap_or_default()
    };
    let (postgres_major, postgres) = postgres().unzip();
    let tools = Tools {
        postgres_bin: need(postgres, "PostgreSQL 15 or newer", "postgresql"),
        postgres_major: postgres_major.unwrap_or_default(),
        redis_server: need(on_path("redis-server"), "Redis", "redis-server"),
        java: need(java(), "a JRE 17 or newer", "default-jre-headless"),
        mvn: need(on_path("mvn"), "Maven", "maven"),
        root: is_root(),
    };
    need(on_path("setpriv"), "setpriv of util-linux", "util-linux");
    if missing.is_empty() { Ok(tools) } else { Err(missing) }
}

/// Whether this process may do everything, and so needs to ask nobody.
#[must_use]
pub fn is_root() -> bool {
    output(Path::new("id"), &["-u"]).is_ok_and(|id| id.trim() == "0")
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// The newest. Debian keeps each version's programs in a folder of its own; elsewhere they are on the PATH.
fn postgres() -> Option<(u32, PathBuf)> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|version| version.path().join("bin"));
    let on_path = on_path("postgres").and_then(|program| Some(program.parent()?.to_owned()));
    debian
        .chain(on_path)
        .filter(|bin| bin.join("initdb").is_file() && bin.join("psql").is_file())
        .filter_map(|bin| Some((major(&output(&bin.join("postgres"), &["--version"]).ok()?)?, bin)))
        .filter(|(major, _)| *major >= POSTGRES_MIN)
        .max()
}

fn java() -> Option<PathBuf> {
    let java = on_path("java")?;
    (major(&output(&java, &["--version"]).ok()?)? >= JAVA_MIN).then_some(java)
}

/// The first number of what tells a version: `postgres (PostgreSQL) 15.19 (Debian …)`, `openjdk 17.0.15 2025-04-15`.
fn major(told: &str) -> Option<u32> {
    told.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?.parse().ok()
}

fn output(program: &Path, arguments: &[&str]) -> Result<String> {
    run(Command::new(program).args(arguments), "asking for its version", ASK_BOUND)
        .with_context(|| program.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (told, version) in [
            ("postgres (PostgreSQL) 15.19 (Debian 15.19-0+deb12u1)", 15),
            ("postgres (PostgreSQL) 18beta1", 18),
            ("openjdk 17.0.15 2025-04-15\nOpenJDK Runtime Environment", 17),
        ] {
            assert_eq!(major(told), Some(version), "{told}");
        }
    }
}
