//! Missing programs, from the system's packages.

use super::{Need, is_root, on_path};
use crate::command::run;
use anyhow::{Result, bail, ensure};
use std::io::{IsTerminal, stdin};
use std::process::{Command, Stdio};
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
    let by_hand = format!("`sudo apt-get install {}`", packages.join(" "));
    let sudo: &[&str] = if is_root() { &[] } else { &["sudo", "-n"] };
    ensure!(is_root() || has_sudo(), "missing: {}. Run {by_hand}, and try again", names(missing));
    say(&format!(
        "missing: {}. Installing from this system's packages: {}. Servers that these start themselves stay as they are",
        names(missing),
        packages.join(" ")
    ));
    if !is_root() {
        // Asks for the password, where it wants one, after it was said what for.
        let asked = Command::new("sudo").arg("true").status().is_ok_and(|status| status.success());
        ensure!(asked, "sudo refuses. Run {by_hand}, and try again");
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

/// Whether there is sudo, and somebody to tell it a password or no need to.
fn has_sudo() -> bool {
    let silent = || Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
    on_path("sudo").is_some() && (stdin().is_terminal() || silent().is_ok_and(|status| status.success()))
}
