//! `<service> audit`, run as whoever is on duty would.

use crate::api::Service;
use crate::fleet::SERVICE;
use anyhow::{Context, Result, bail};
use stack::Stack;
use std::process::{Command, Output};
use tokio::task::spawn_blocking;

/// The audit of one service, on the books that the services of `stack` keep.
///
/// # Errors
/// This program is not to be found.
pub fn command(stack: &Stack, service: Service, grace_s: u32) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    stack.introduce(service.name(), &mut command);
    command.arg("audit").env(SERVICE, service.name()).env("AUDIT_GRACE_S", grace_s.to_string());
    Ok(command)
}

/// Runs an audit; what it prints.
///
/// # Errors
/// Something is wrong with the books, or they can't be read: with what it prints.
pub async fn run(service: Service, mut command: Command) -> Result<String> {
    let Output { status, stdout, stderr } = spawn_blocking(move || command.output()).await?.context("the audit")?;
    let told = String::from_utf8_lossy(&stdout).into_owned();
    if !status.success() {
        bail!("{} audit: {status}\n{told}{}", service.name(), String::from_utf8_lossy(&stderr));
    }
    Ok(told)
}
