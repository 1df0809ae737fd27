//! Missing programs, from the system's packages.

use super::{Need, is_root, on_path};
use crate::command::run;
use anyhow::{Result, bail, ensure};
use std::io::{IsTerminal, stdin};
use std::process::Command;
use std::time::Duration;

/// A few hundred megabytes over a slow line.
const INSTALL_BOUND: Duration = Duration::from_secs(30 * 60);
/// Another apt may be at work, as on a machine that has just started.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=300";

pub(super) fn names(missing: &[Need]) -> String {
    missing.iter().map(|need| need.name).collect::<Vec<_>>().join(", ")
}

pub(super) fn install(missing: &[Need], say: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if on_path("apt-get").is_none() {
        bail!("missing: {}. Install it with this system's package manager, and try again", names(missing));
    }
    let sudo: &[&str] = if is_root() { &[] } else { &["sudo", "-n"] };
    let by_hand = format!("`sudo apt-get install {}`", packages.join(" "));
    say(&format!(
        "missing: {}. Installing from this system's packages: {}. Servers that these start themselves stay as they are",
        names(missing),
        packages.join(" ")
    ));
    if !sudo.is_empty() {
        ensure!(may_sudo(), "missing: {}. Run {by_hand}, and try again", names(missing));
    }
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    for arguments in [vec!["update", "-qq"], [&install, packages.as_slice()].concat()] {
        let words: Vec<&str> =
            [sudo, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", LOCK_TIMEOUT], &arguments].concat();
        let what = format!("`apt-get {}` (by hand: {by_hand})", arguments[0]);
        run(Command::new(words[0]).args(&words[1..]), &what, INSTALL_BOUND)?;
    }
    Ok(())
}

/// Asks for the password, where there is somebody to ask.
fn may_sudo() -> bool {
    if on_path("sudo").is_none() {
        return false;
    }
    let ask: &[&str] = if stdin().is_terminal() { &[] } else { &["-n"] };
    Command::new("sudo").args(ask).arg("true").status().is_ok_and(|status| status.success())
}
