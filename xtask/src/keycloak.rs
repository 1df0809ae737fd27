//! A Keycloak in place of the built-in issuer: for people, and for its test.

use crate::say::say;
use crate::up::step;
use crate::{cargo, interrupt};
use anyhow::{Result, ensure};
use stack::keycloak::{self, Keycloak, REALM};
use stack::ports::check_free;
use std::thread;
use std::time::Duration;

const PORT: u16 = 18080;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs it until Ctrl-C, and tells how a fleet takes its tokens.
pub(crate) fn run() -> Result<()> {
    interrupt::listen()?;
    let tools = stack::tools::find_or_install(&say)?;
    let dist = keycloak::resolve(&stack::keycloak_of(&stack::checkout()), &tools, &say)?;
    check_free("Keycloak", PORT)?;
    let dir = tempfile::tempdir()?;
    let keycloak = step("Keycloak", |_| Keycloak::start(&tools, &dist, dir.path(), PORT, &[REALM]))?;
    let issuer = keycloak.issuer("rtoms");
    say(&format!("OIDC_ISSUER={issuer} OIDC_TOKEN_URL={} cargo xtask up", keycloak::token_url(&issuer)));
    while !interrupt::interrupted() {
        ensure!(keycloak.server.alive(), "Keycloak {}", keycloak.server.fate());
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Only its test: it takes minutes, and 155 MB.
pub(crate) fn test() -> Result<()> {
    interrupt::listen()?;
    let tools = stack::tools::find_or_install(&say)?;
    stack::kafka::resolve(&stack::jars_of(&stack::checkout()), &tools, &say)?;
    keycloak::resolve(&stack::keycloak_of(&stack::checkout()), &tools, &say)?;
    cargo::run("the test", &["test", "--workspace", "--test", "it", "--", "--ignored", "keycloak::"])
}
