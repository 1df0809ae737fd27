//! The commands of this repository: `cargo xtask --help`.

mod bench;
mod cargo;
mod check;
mod detached;
mod generated;
mod interrupt;
mod keycloak;
mod life;
mod linters;
mod say;
mod services;
mod sqlx;
mod state;
mod structure;
mod table;
mod tools;
mod up;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;
use up::UpArgs;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Starts, tests and checks RTOMS")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts PostgreSQL, Redis, Kafka and the five services on this machine; Ctrl-C stops them
    Up(UpArgs),
    /// Shows what runs
    Status,
    /// Stops what `up --detach` started
    Down,
    /// Runs one order of each kind against the running fleet
    Demo,
    /// Runs all tests, on a throw-away stack
    Test {
        /// Only the test with a real Keycloak in place of the built-in issuer
        #[arg(long)]
        keycloak: bool,
        /// Those that kill, freeze and cut off parts of the fleet, which take some minutes
        #[arg(long)]
        faults: bool,
        /// Random faults under a steady load, for an hour
        #[arg(long, conflicts_with = "faults")]
        faults_long: bool,
        /// For how many minutes
        #[arg(long, requires = "faults_long", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
        minutes: u32,
        /// Draws the faults of an earlier run, which has told its seed
        #[arg(long, requires = "faults_long")]
        seed: Option<u64>,
        /// For `cargo test`, such as the name of a test
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Explores every interleaving of one order's saga, over the real domains; needs no stack
    Saga(SagaArgs),
    /// Starts Keycloak with the demo realm, for a fleet without the built-in issuer; Ctrl-C stops it
    Keycloak,
    /// Measures a fleet on this machine, in release builds; see docs/performance
    Bench(bench::BenchArgs),
    /// Checks everything that CI checks before the tests
    Check,
    /// Makes openapi/*.json anew
    Openapi {
        /// Only compares
        #[arg(long)]
        check: bool,
    },
    /// Makes .sqlx/ anew
    Sqlx {
        /// Only compares
        #[arg(long)]
        check: bool,
    },
    /// Starts a migrated PostgreSQL and prints its URL, for `SQLX_OFFLINE=false`; Ctrl-C stops it
    DevDb,
}

#[derive(Args)]
struct SagaArgs {
    /// All that can happen at once, which takes long and some GB; without it the smaller runs of `cargo xtask test`
    #[arg(long, conflicts_with = "controls")]
    full: bool,
    /// Each rule broken in turn, and how many steps it takes until something is wrong
    #[arg(long)]
    controls: bool,
}

fn main() -> ExitCode {
    let done: Result<()> = match Xtask::parse().command {
        Command::Up(args) if args.detach => detached::up(&args),
        Command::Up(args) => up::up(&args),
        Command::Status => detached::status(),
        Command::Down => detached::down(),
        Command::Demo => demo(),
        Command::Test { keycloak: true, .. } => keycloak::test(),
        Command::Test { faults_long: true, minutes, seed, args, .. } => test_long(minutes, seed, &args),
        Command::Test { faults, args, .. } => test(faults, &args),
        Command::Saga(args) => saga(&args),
        Command::Keycloak => keycloak::run(),
        Command::Bench(args) => bench::bench(&args),
        Command::Check => check::check(),
        Command::Openapi { check: true } => generated::check(),
        Command::Openapi { check: false } => generated::write(),
        Command::Sqlx { check: true } => sqlx::check(),
        Command::Sqlx { check: false } => sqlx::write(),
        Command::DevDb => sqlx::dev_db(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Built as `up` has built it.
fn demo() -> Result<()> {
    interrupt::listen()?;
    let mut demo = std::process::Command::new(services::build(false)?.join("demo"));
    cargo::run_command("the demo", &mut demo)
}

fn test(faults: bool, args: &[String]) -> Result<()> {
    prepare_stack()?;
    let mut words = if faults {
        vec!["test", "--workspace", "--test", "it", "--", "--include-ignored", "faults::"]
    } else {
        vec!["test", "--workspace", "--lib", "--bins", "--tests"]
    };
    words.extend(args.iter().map(String::as_str));
    cargo::run("the tests", &words)
}

fn test_long(minutes: u32, seed: Option<u64>, args: &[String]) -> Result<()> {
    prepare_stack()?;
    let mut tests = cargo::cargo();
    tests
        .args(["test", "--workspace", "--test", "it", "--", "--include-ignored", "random_faults", "--nocapture"])
        .args(args);
    tests.env("RTOMS_TEST_MINUTES", minutes.to_string());
    if let Some(seed) = seed {
        tests.env("RTOMS_TEST_SEED", seed.to_string());
    }
    cargo::run_command("the tests", &mut tests)
}

/// What the stack needs is installed before anything is compiled, so that a failure comes early.
fn prepare_stack() -> Result<()> {
    interrupt::listen()?;
    let tools = stack::tools::find_or_install(&say::say)?;
    stack::kafka::resolve(&stack::jars_of(&stack::checkout()), &tools, &say::say).map(|_| ())
}

/// Chosen as [`test`] chooses, so that nothing is compiled twice.
fn saga(args: &SagaArgs) -> Result<()> {
    interrupt::listen()?;
    let chosen = match args {
        SagaArgs { full: true, .. } => ["--ignored", "explored_in_full"],
        SagaArgs { controls: true, .. } => ["--test-threads=1", "rule::"],
        SagaArgs { .. } => ["--test-threads=1", "explored"],
    };
    cargo::run("the exploration", &[&["test", "--workspace", "--test", "saga", "--"][..], &chosen].concat())
}
