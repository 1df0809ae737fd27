//! Keycloak in its development mode, with its data in memory: another issuer than the built-in one.

use crate::command::run;
use crate::maven::{self, Artifact};
use crate::process::Signal;
use crate::server::{Recipe, Server};
use crate::tools::Tools;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The realm of the project: its client, its roles, and the two demo users.
pub const REALM: &str = include_str!("../../../deploy/keycloak/rtoms-realm.json");

const KEYCLOAK: Artifact = Artifact {
    name: "Keycloak",
    version: "26.3.5",
    pom: include_str!("../keycloak/pom.xml"),
    goal: "dependency:unpack-dependencies",
    megabytes: 155,
};
const COPY_BOUND: Duration = Duration::from_secs(120);
/// Half a minute on an idle machine: it compiles itself for its options first.
const START_BOUND: Duration = Duration::from_secs(600);
const STOP_BOUND: Duration = Duration::from_secs(20);

/// A running Keycloak.
pub struct Keycloak {
    pub server: Server,
}

impl Keycloak {
    /// Starts it in `dir` with these realms, and waits until they are there. `dist` as [`resolve`] told.
    ///
    /// # Errors
    /// One sentence that says what is in the way.
    pub fn start(tools: &Tools, dist: &Path, dir: &Path, port: u16, realms: &[&str]) -> Result<Self> {
        // It writes into its own folder.
        let home = dir.join("keycloak");
        ensure!(!home.exists(), "{} is in use, or was left behind", home.display());
        fs::create_dir_all(dir).with_context(|| format!("the folder {} can't be made", dir.display()))?;
        run(Command::new("cp").arg("-R").args([dist, &home]), "copying Keycloak", COPY_BOUND)?;
        let import = home.join("data/import");
        fs::create_dir_all(&import)?;
        for (number, realm) in realms.iter().enumerate() {
            fs::write(import.join(format!("realm-{number}.json")), realm)?;
        }
        let mut command = Command::new(home.join("bin/kc.sh"));
        command
            .args(["start-dev", "--db=dev-mem", "--cache=local", "--http-host=127.0.0.1", "--import-realm"])
            .arg(format!("--http-port={port}"))
            .env("JAVA", &tools.java)
            .current_dir(dir);
        let server = Server::start(Recipe {
            name: "Keycloak",
            command,
            user: None,
            log: dir.join("keycloak.log"),
            port,
            // It listens once the realms are imported.
            probe: None,
            end: Signal::Term,
            crash: Signal::Kill,
            start_bound: START_BOUND,
            stop_bound: STOP_BOUND,
        })?;
        Ok(Self { server })
    }

    /// `iss` of a realm's tokens.
    #[must_use]
    pub fn issuer(&self, realm: &str) -> String {
        issuer(self.server.port(), realm)
    }
}

/// `iss` of the tokens of a realm, whose Keycloak listens, or will listen, on `port`.
#[must_use]
pub fn issuer(port: u16, realm: &str) -> String {
    format!("http://127.0.0.1:{port}/realms/{realm}")
}

/// Where an issuer of Keycloak's gives tokens.
#[must_use]
pub fn token_url(issuer: &str) -> String {
    format!("{issuer}/protocol/openid-connect/token")
}

/// The folder of the distribution below `dir`, resolved where it is not there yet.
///
/// # Errors
/// What Maven said.
pub fn resolve(dir: &Path, tools: &Tools, say: &(dyn Fn(&str) + Sync)) -> Result<PathBuf> {
    let resolved = maven::resolve(&KEYCLOAK, dir, tools, say)?;
    Ok(resolved.join(format!("keycloak-{}", KEYCLOAK.version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pom_has_the_version() {
        let text =
            format!("<artifactId>keycloak-quarkus-dist</artifactId>\n      <version>{}</version>", KEYCLOAK.version);
        assert!(KEYCLOAK.pom.contains(&text));
    }
}
