//! The stack keeps what it promises to the tests that are built on it.

use stack::postgres::Postgres;
use stack::process::{Process, Signal};
use stack::{Options, Ports, Stack, checkout, jars_of, throwaway_dir};
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const BOUND: Duration = Duration::from_secs(60);

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + BOUND;
    while !holds() {
        assert!(Instant::now() < until, "not within {BOUND:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn say(what: &str) {
    eprintln!("{what}");
}

/// Whether `sql` runs under `role`.
fn runs_as(postgres: &Postgres, role: &str, sql: &str) -> bool {
    postgres.run_sql(&format!("SET SESSION AUTHORIZATION \"{role}\"; SET search_path = \"{role}\"; {sql}")).is_ok()
}

#[test]
fn servers_come_back_with_their_data_after_whatever_happens_to_them() {
    let dir = throwaway_dir().unwrap();
    let options = Options { dir: dir.path().to_owned(), jars: jars_of(&checkout()), ports: Ports::free().unwrap() };
    let mut stack = Stack::start(&options, &say).unwrap();
    assert!(runs_as(&stack.postgres, "order", "CREATE TABLE kept (n integer); INSERT INTO kept VALUES (1)"));

    // No role reads another's schema.
    assert!(runs_as(&stack.postgres, "order", "SELECT * FROM \"order\".kept"));
    assert!(!runs_as(&stack.postgres, "payment", "SELECT * FROM \"order\".kept"));
    assert!(!runs_as(&stack.postgres, "payment", "CREATE TABLE public.stray ()"));

    for server in stack.servers() {
        let (name, first) = (server.name(), server.pid());
        server.freeze();
        let state = fs::read_to_string(format!("/proc/{first}/stat")).unwrap();
        assert!(state.contains(") T "), "{name} is not frozen: {state}");
        server.restart().unwrap();
        assert!(server.alive() && server.pid() != first, "{name} was not started again");
        server.crash();
        assert!(!server.alive(), "{name} outlived a crash");
        server.restart().unwrap();
        TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    }
    assert!(runs_as(&stack.postgres, "order", "SELECT 1 / n FROM kept"));
    assert!(runs_as(&stack.postgres, "order", "DO $$ BEGIN ASSERT (SELECT count(*) = 1 FROM kept); END $$"));

    // A second stack on these ports is told so.
    let refused = Stack::start(&options, &say).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("which PostgreSQL needs, is taken by postgres"), "{refused}");

    let pids = stack.servers().map(|server| server.pid());
    drop(stack);
    assert!(pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()), "a server outlived its stack");
}

/// Set for a process of this test that is to be killed.
const VICTIM: &str = "RTOMS_STACK_VICTIM";

#[test]
fn children_do_not_outlive_a_killed_parent() {
    if let Some(file) = std::env::var_os(VICTIM) {
        let log = Path::new(&file).with_extension("log");
        let child = Process::start(Command::new("sleep").arg("600"), Signal::Term, None, &log).unwrap();
        fs::write(&file, child.pid().to_string()).unwrap();
        thread::sleep(BOUND);
        return;
    }
    let dir = throwaway_dir().unwrap();
    let told = dir.path().join("pid");
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["children_do_not_outlive_a_killed_parent", "--exact"])
        .env(VICTIM, &told)
        .spawn()
        .unwrap();
    let mut child = String::new();
    eventually("the child's pid is told", || {
        child = fs::read_to_string(&told).unwrap_or_default();
        !child.is_empty()
    });
    // What it is, once setpriv has become it.
    let running = || fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name == "sleep\n");
    eventually("the child runs", running);
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("the child has ended", || !running());
}
