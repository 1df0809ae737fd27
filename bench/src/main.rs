//! The benchmark of a whole fleet on one machine: `cargo xtask bench`.
//!
//! - [`shop`]: products, stock and customers, made through the API
//! - [`load`]: what is to be sent, and what came of it; [`generate`]: the process that sends it, over
//!   [`connection`]s
//! - [`outcome`]: when orders were confirmed and notified, by the commits' own time
//! - [`usage`]: processor time, memory, commits, log and batches
//! - [`fleet`]: servers and services, started as programs
//! - [`step`]: one rate for some seconds; [`stairs`]: the highest that is sustained
//! - [`scenarios`]: what is measured
//! - [`report`]: JSON, Markdown and plots

mod connection;
mod fleet;
mod generate;
mod load;
mod machine;
mod outcome;
mod plot;
mod quantiles;
mod report;
mod scenarios;
mod shop;
mod stairs;
mod step;
mod usage;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "bench", about = "Measures a fleet of RTOMS on this machine")]
struct Bench {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a fleet, measures it, and writes the report
    Run(RunArgs),
    /// Sends one load, as a process of its own; `run` starts it
    Generate {
        /// What is to be sent, as JSON
        load: PathBuf,
    },
}

/// What is measured, and how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Where the programs of the services are
    #[arg(long)]
    pub(crate) programs: PathBuf,
    /// Where the report goes
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Short steps and only the figures that one compares before and after a change
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these scenarios
    #[arg(long = "scenario", value_enum)]
    pub(crate) scenarios: Vec<scenarios::Scenario>,
    /// One step at this rate instead of a staircase, in requests a second
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// How long such a step takes
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// How many products the shop has
    #[arg(long, default_value_t = 1000)]
    pub(crate) products: usize,
}

fn main() -> ExitCode {
    let done = match Bench::parse().command {
        Command::Run(args) => run(&args),
        Command::Generate { load } => generate::run(&load),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &RunArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let report = runtime.block_on(scenarios::run(args))?;
    println!("\n{}", report.markdown());
    anyhow::ensure!(!report.is_void(), "some of it is void, as the report says");
    Ok(())
}
