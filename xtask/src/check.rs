//! `cargo xtask check`: everything that CI checks before the tests. All steps run; one that fails fails the whole.
//!
//! Cargo compiles a dependency once for each set of features that the chosen packages ask of it, so the steps that
//! compile choose as the tests do: the whole workspace, with all targets.

use crate::say::say;
use crate::tools::{DENY, MACHETE};
use crate::{cargo, generated, interrupt, linters, sqlx, structure, tools};
use anyhow::{Result, bail};
use std::time::Instant;

type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 9] = [
    ("formatting", || cargo::run("cargo fmt", &["fmt", "--all", "--check"])),
    ("structure", structure::check),
    ("licences, bans, sources", || {
        tools::run(&DENY, &["--locked", "--log-level", "error", "check", "bans", "licenses", "sources"])
    }),
    ("unused dependencies", || tools::run(&MACHETE, &["--with-metadata"])),
    (".sqlx", || sqlx::check()),
    ("lints", || cargo::run("clippy", &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("golden events", || cargo::run("their test", &["test", "--quiet", "--workspace", "--test", "examples"])),
    ("openapi", generated::check),
    ("linters of openapi", linters::check),
];

pub(crate) fn check() -> Result<()> {
    interrupt::listen()?;
    let mut failed = Vec::new();
    for (name, step) in STEPS {
        say(&format!("--      {name}"));
        let started = Instant::now();
        let done = step();
        interrupt::check()?;
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
        bail!("{} of {} checks failed: {}", failed.len(), STEPS.len(), failed.join(", "));
    }
    say(&format!("all {} checks passed", STEPS.len()));
    Ok(())
}
