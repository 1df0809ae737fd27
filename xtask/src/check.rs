//! `cargo xtask check`: everything that CI checks before the tests. All steps run; one that fails fails the whole.

use crate::say::say;
use crate::{cargo, generated, sqlx, structure};
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// A cargo subcommand that is built once a user and version.
struct Tool {
    name: &'static str,
    version: &'static str,
}

const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
const MACHETE: Tool = Tool { name: "cargo-machete", version: "0.9.2" };

type Step = fn() -> Result<()>;

pub(crate) fn check() -> Result<()> {
    let steps: [(&str, Step); 8] = [
        ("formatting", || cargo::run("cargo fmt", &["fmt", "--all", "--check"])),
        ("structure", structure::check),
        ("lints", || {
            cargo::run("clippy", &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
        }),
        ("golden events and unit tests of the contract", || {
            cargo::run("the contract's tests", &["test", "--quiet", "--package", "common"])
        }),
        (".sqlx", || sqlx::prepare(true)),
        ("openapi", || generated::openapi(true)),
        ("licences, bans, sources", deny),
        ("unused dependencies", || tool(&MACHETE, &["."])),
    ];
    let mut failed = Vec::new();
    for (name, step) in steps {
        let started = Instant::now();
        let done = step();
        let took = started.elapsed().as_secs_f32();
        match done {
            Ok(()) => say(&format!("ok      {name} ({took:.1} s)")),
            Err(error) => {
                say(&format!("FAILED  {name} ({took:.1} s): {error:#}"));
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("{} of {} checks failed: {}", failed.len(), steps.len(), failed.join(", "));
    }
    say(&format!("all {} checks passed", steps.len()));
    Ok(())
}

fn deny() -> Result<()> {
    tool(&DENY, &["--offline", "check", "bans", "licenses", "sources"])
}

fn tool(tool: &Tool, args: &[&str]) -> Result<()> {
    let program = installed(tool)?;
    let status = Command::new(program).args(args).current_dir(stack::checkout()).status()?;
    ensure!(status.success(), "{} has findings", tool.name);
    Ok(())
}

/// The tool's program, built from its source where this version is not there yet.
fn installed(tool: &Tool) -> Result<PathBuf> {
    let home = std::env::home_dir().context("a home folder for tools")?;
    let root = home.join(".cache/rtoms/tools").join(format!("{}-{}", tool.name, tool.version));
    let program = root.join("bin").join(tool.name);
    if !program.exists() {
        say(&format!("building {} {} (once, some minutes)", tool.name, tool.version));
        let status = cargo::cargo()
            .current_dir(&home)
            .args([
                "install",
                "--quiet",
                "--locked",
                "--no-default-features",
                tool.name,
                "--version",
                tool.version,
                "--root",
            ])
            .arg(&root)
            .status()?;
        ensure!(status.success(), "{} could not be built", tool.name);
    }
    Ok(program)
}
