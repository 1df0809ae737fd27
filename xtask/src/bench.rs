//! `cargo xtask bench`: the benchmark, on release builds and a throw-away stack.

use crate::services::build;
use crate::{cargo, interrupt};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::Command;

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Measures builds without optimisation: only to try the benchmark itself
    #[arg(long)]
    dev: bool,
    /// Where the report goes [default: docs/performance, and target/bench with --quick, --scenario, --rate or --dev]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Under three minutes: what one compares before and after a change
    #[arg(long)]
    quick: bool,
    /// Only this one, such as `orders`; may be given again
    #[arg(long)]
    scenario: Vec<String>,
    /// One step at this rate, in requests a second
    #[arg(long)]
    rate: Option<f64>,
    /// How long that takes
    #[arg(long)]
    seconds: Option<f64>,
}

pub(crate) fn bench(args: &BenchArgs) -> Result<()> {
    interrupt::listen()?;
    let programs = build(!args.dev)?;
    let is_whole = !args.dev && !args.quick && args.scenario.is_empty() && args.rate.is_none();
    let out = args.out.clone().unwrap_or(if is_whole {
        stack::checkout().join("docs/performance")
    } else {
        cargo::target_dir()?.join("bench")
    });
    let mut command = Command::new(programs.join("bench"));
    command.arg("run").arg("--programs").arg(&programs).arg("--out").arg(&out);
    if args.quick {
        command.arg("--quick");
    }
    for scenario in &args.scenario {
        command.args(["--scenario", scenario]);
    }
    for (name, value) in [("--rate", args.rate), ("--seconds", args.seconds)] {
        if let Some(value) = value {
            command.arg(name).arg(value.to_string());
        }
    }
    cargo::run_command("the benchmark", &mut command)
}
