//! `cargo xtask up`, `status` and `down`.

use crate::services::{Plan, SERVICES, Services, build, ready};
use crate::state::State;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use stack::process::{Signal, signal_pid};
use stack::{Options, Ports, Stack};
use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// How much disk a first run takes, with what is built.
const DISK_MIN_GIB: u64 = 2;
/// A detached `up` builds everything first.
const DETACH_BOUND: Duration = Duration::from_secs(3600);
const DOWN_BOUND: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct UpArgs {
    /// Forgets the data of earlier runs
    #[arg(long)]
    reset: bool,
    /// Runs in the background: see `status` and `down`
    #[arg(long)]
    detach: bool,
    /// Builds with optimisation
    #[arg(long)]
    release: bool,
    /// Loads no demo data
    #[arg(long)]
    no_demo: bool,
    /// More than one process of a service, such as `order=2`
    #[arg(long, value_name = "SERVICE=N", value_parser = replicas)]
    replicas: Vec<(String, u16)>,
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
    if let Some(pid) = state.running() {
        bail!("it is up already (process {pid}): `cargo xtask status` shows it, `cargo xtask down` ends it");
    }
    check_disk()?;
    if args.detach {
        return detach(args, &state);
    }
    let claim = state.claim()?;
    if args.reset {
        state.forget_data()?;
    }
    let (sender, interrupted) = channel();
    ctrlc::set_handler(move || {
        // Once is enough.
        let _ = sender.send(());
    })?;
    let options = Options { dir: state.data(), jars: stack::jars_of(&stack::checkout()), ports: Ports::LOCAL };
    let mut stack =
        step("PostgreSQL, Redis and Kafka", |bar| Stack::start(&options, &|what| bar.set_message(what.to_owned())))?;
    println!("building the services");
    build(args.release)?;
    let plan = Plan { release: args.release, demo: !args.no_demo, replicas: args.replicas.clone(), logs: state.logs() };
    let mut services = step("the services", |_| {
        let mut services = Services::start(plan, &stack)?;
        services.wait_ready()?;
        Ok(services)
    })?;
    claim.ready()?;
    print_table(!args.no_demo);
    while interrupted.recv_timeout(Duration::from_millis(500)).is_err() {
        services.look_after()?;
    }
    println!("stopping");
    services.stop();
    stack.stop();
    Ok(())
}

/// Runs `work` beside a spinner, and tells how long it took.
fn step<T>(name: &'static str, work: impl FnOnce(&ProgressBar) -> Result<T>) -> Result<T> {
    let bar = ProgressBar::new_spinner().with_prefix(name);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    let started = Instant::now();
    let done = work(&bar);
    bar.finish_and_clear();
    if done.is_ok() {
        println!("{name}: up after {:.1} s", started.elapsed().as_secs_f32());
    }
    done
}

fn check_disk() -> Result<()> {
    let told = Command::new("df").args(["--output=avail", "-B1G"]).arg(stack::checkout()).output();
    let free =
        told.ok().and_then(|out| String::from_utf8_lossy(&out.stdout).lines().nth(1)?.trim().parse::<u64>().ok());
    if let Some(free) = free {
        ensure!(free >= DISK_MIN_GIB, "only {free} GiB are free on this disk, {DISK_MIN_GIB} are needed: make room");
    }
    Ok(())
}

/// The same command again, in a session of its own, until it is ready.
fn detach(args: &UpArgs, state: &State) -> Result<()> {
    let log = state.up_log();
    let output = File::create(&log)?;
    let mut command = Command::new("setsid");
    command.arg(std::env::current_exe()?).arg("up").stdin(Stdio::null());
    for (wanted, flag) in [(args.reset, "--reset"), (args.release, "--release"), (args.no_demo, "--no-demo")] {
        if wanted {
            command.arg(flag);
        }
    }
    for (name, count) in &args.replicas {
        command.arg(format!("--replicas={name}={count}"));
    }
    let mut child = command.stdout(output.try_clone()?).stderr(output).spawn().context("setsid can't be run")?;
    step("everything", |bar| {
        bar.set_message(format!("see {}", log.display()));
        let until = Instant::now() + DETACH_BOUND;
        while !(state.is_ready() && state.running().is_some()) {
            let ended = child.try_wait()?.is_some();
            if ended || Instant::now() > until {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                bail!("it did not come up: {}", said.trim().lines().last().unwrap_or("it said nothing"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    })?;
    print_table(!args.no_demo);
    Ok(())
}

pub(crate) fn status() -> Result<()> {
    let state = State::of_checkout()?;
    match state.running() {
        Some(pid) => println!("up, process {pid}"),
        None => println!("not up"),
    }
    let Ports { postgres, redis, kafka, .. } = Ports::LOCAL;
    for (name, port) in [("PostgreSQL", postgres), ("Redis", redis), ("Kafka", kafka)] {
        println!("{name:<14} {port:<6} {}", if stack::ports::taken(port) { "answers" } else { "-" });
    }
    for (name, first) in SERVICES {
        // Replicas are on every hundredth port.
        for port in (0..9).map(|n| first + 100 * n) {
            if port == first || stack::ports::taken(port) {
                println!("{name:<14} {port:<6} {}", if ready(port) { "ready" } else { "-" });
            }
        }
    }
    Ok(())
}

pub(crate) fn down() -> Result<()> {
    let state = State::of_checkout()?;
    let Some(pid) = state.running() else {
        println!("not up");
        return Ok(());
    };
    signal_pid(pid, Signal::Term)?;
    let until = Instant::now() + DOWN_BOUND;
    while state.running().is_some() {
        ensure!(Instant::now() < until, "process {pid} does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("down");
    Ok(())
}

fn print_table(demo: bool) {
    println!("\n{:<14} {:<24} {:<36} health", "service", "API", "Swagger UI");
    for (name, port) in SERVICES {
        let url = format!("http://localhost:{port}");
        println!("{name:<14} {url:<24} {:<36} {url}/readyz", format!("{url}/swagger-ui/"));
    }
    if !demo {
        return;
    }
    println!(
        r#"
users: customeruser / customer123 (CUSTOMER), adminuser / admin123 (ADMIN)

TOKEN=$(curl -s localhost:8183/auth/token -d grant_type=password -d username=customeruser -d password=customer123 | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
ORDER=$(curl -s localhost:8183/v1/orders -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{{"lines":[{{"productId":"01900000-0000-7000-8000-000000000001","quantity":2}}],"paymentMethod":"pm_card_visa"}}' | sed 's/^{{"id":"\([^"]*\)".*/\1/'); echo $ORDER
curl -s localhost:8183/v1/orders/$ORDER/timeline -H "authorization: Bearer $TOKEN"
"#
    );
}
