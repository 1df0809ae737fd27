//! `cargo xtask up`: everything on this machine, until Ctrl-C.

use crate::life::{Life, Next};
use crate::say::say;
use crate::services::{Plan, Services, build};
use crate::state::{Running, State};
use crate::{interrupt, table};
use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use stack::tools::{Tools, find_or_install, is_root};
use stack::{Options, Ports, Stack};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// What a first run takes at most, with the data.
const DISK_MIN_GIB: u64 = 6;
const ASK_BOUND: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(crate) struct UpArgs {
    /// Forgets the data of earlier runs
    #[arg(long)]
    pub(crate) reset: bool,
    /// Runs in the background: see `status` and `down`
    #[arg(long)]
    pub(crate) detach: bool,
    /// Builds with optimisation
    #[arg(long)]
    pub(crate) release: bool,
    /// Loads no demo data
    #[arg(long)]
    pub(crate) no_demo: bool,
    /// Takes the tokens of another OIDC provider, and starts no built-in issuer
    #[arg(long, env = "OIDC_ISSUER", value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// More than one process of a service, such as `order=2`
    #[arg(long, value_name = "SERVICE=N", value_parser = replicas)]
    pub(crate) replicas: Vec<(String, u16)>,
}

fn replicas(text: &str) -> Result<(String, u16), String> {
    let (name, count) = text.split_once('=').ok_or("write it as service=number")?;
    match count.parse() {
        Ok(count @ 1..=9) => Ok((name.to_owned(), count)),
        _ => Err("a service has 1 to 9 replicas".to_owned()),
    }
}

pub(crate) fn up(args: &UpArgs) -> Result<()> {
    let state = State::of_checkout()?;
    let claim = state.claim()?;
    interrupt::listen()?;
    check_disk(&stack::checkout())?;
    let tools = prerequisites()?;
    interrupt::check()?;
    let dir = state.data(&tools);
    if !dir.starts_with(stack::checkout()) {
        say(&format!("PostgreSQL's user may not enter this checkout, so the data are in {}", dir.display()));
    }
    if args.reset && dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("{} can't be removed", dir.display()))?;
    }
    let plan =
        Plan { demo: !args.no_demo, issuer: args.issuer.clone(), replicas: args.replicas.clone(), logs: state.logs() };
    // Declared first, the stack is dropped last.
    let mut stack;
    let mut services = Services::prepare(&plan)?;
    let options = Options { dir, jars: stack::jars_of(&stack::checkout()), ports: Ports::LOCAL };
    stack = step("PostgreSQL, Redis and Kafka", |bar| Stack::start(&options, &|what| note(bar, what)))?;
    interrupt::check()?;
    say("building the services");
    let programs = build(args.release)?;
    step("the services", |bar| {
        bar.set_message(format!("logs in {}", plan.logs.display()));
        services.start(&plan, &programs, &stack)
    })?;
    let told = running(&mut stack, &services);
    claim.tell(true, &told)?;
    table::urls(&told, args);
    say("Ctrl-C stops everything");
    let mut lives = [(); 3].map(|()| Life::starts(Instant::now()));
    while !interrupt::interrupted() {
        thread::sleep(LOOK_EVERY);
        if services.look_after() | look_after_stack(&mut stack, &mut lives) {
            claim.tell(true, &running(&mut stack, &services))?;
        }
    }
    say("stopping");
    services.stop();
    stack.stop();
    Ok(())
}

fn prerequisites() -> Result<Tools> {
    if !is_root() {
        // A spinner would spin over sudo's question for the password.
        return find_or_install(&say);
    }
    step("prerequisites", |bar| find_or_install(&|what| if bar.is_hidden() { say(what) } else { bar.println(what) }))
}

fn running(stack: &mut Stack, services: &Services) -> Vec<Running> {
    let servers = stack.servers().map(|server| Running {
        name: server.name().to_owned(),
        port: server.port(),
        pid: server.alive().then(|| server.pid()),
    });
    servers.into_iter().chain(services.running()).collect()
}

/// As [`Services::look_after`].
fn look_after_stack(stack: &mut Stack, lives: &mut [Life; 3]) -> bool {
    let mut changed = false;
    for (server, life) in stack.servers().into_iter().zip(lives) {
        match life.next(server.alive(), Instant::now()) {
            Next::Nothing => continue,
            Next::Tell(pause) => say(&format!("{} {} and starts again in {pause:?}", server.name(), server.fate())),
            Next::Start => {
                if let Err(error) = server.restart() {
                    say(&format!("{error:#}"));
                }
            }
        }
        changed = true;
    }
    changed
}

/// Runs `work` beside a spinner, and tells how long it took.
pub(crate) fn step<T>(name: &'static str, work: impl FnOnce(&ProgressBar) -> Result<T>) -> Result<T> {
    let bar = ProgressBar::new_spinner().with_prefix(name);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    let started = Instant::now();
    let done = work(&bar);
    bar.finish_and_clear();
    if done.is_ok() {
        say(&format!("{name}: {:.1} s", started.elapsed().as_secs_f32()));
    }
    done
}

/// Says what goes on beside the spinner, or in a line where there is no terminal to spin on.
fn note(bar: &ProgressBar, what: &str) {
    if bar.is_hidden() {
        say(what);
    } else {
        bar.set_message(what.to_owned());
    }
}

fn check_disk(dir: &Path) -> Result<()> {
    let mut df = Command::new("df");
    let told = stack::command::run(df.args(["--output=avail", "-B1G"]).arg(dir), "df", ASK_BOUND)?;
    let free: u64 = told.lines().nth(1).and_then(|line| line.trim().parse().ok()).context("df tells what is free")?;
    ensure!(
        free >= DISK_MIN_GIB,
        "only {free} GiB are free on the disk of {}: make {DISK_MIN_GIB} free",
        dir.display()
    );
    Ok(())
}
