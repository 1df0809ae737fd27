//! Apache Kafka, one node that is broker and controller, from its jars in Maven's repository.

use crate::ports::{Ports, wait_until_answers};
use crate::process::{Process, Signal};
use crate::tools::{Tools, run};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const POM: &str = include_str!("../kafka/pom.xml");
const LOGGING: &str = include_str!("../kafka/log4j2.properties");
/// Any 16 bytes, as the storage tool writes them.
const CLUSTER_ID: &str = "cnRvbXMtbG9jYWwtc3RrMQ";
const START_BOUND: Duration = Duration::from_secs(90);
const STOP_BOUND: Duration = Duration::from_secs(20);

/// The folder of Kafka's jars, resolved by Maven where they are not there yet. Whoever comes second waits.
///
/// # Errors
/// What Maven said.
pub fn resolve(jars: &Path, tools: &Tools, say: &(dyn Fn(&str) + Sync)) -> Result<PathBuf> {
    let version = jars.join("4.1.0");
    if version.is_dir() {
        return Ok(version);
    }
    fs::create_dir_all(jars).with_context(|| format!("the folder {} can't be made", jars.display()))?;
    let lock = File::create(jars.join("lock"))?;
    lock.lock().context("waiting for another process that resolves Kafka")?;
    if version.is_dir() {
        return Ok(version);
    }
    say("resolving Apache Kafka 4.1.0 through Maven (43 MB, once)");
    // A download that was cut is never taken for a whole one: the folder gets its name at the end.
    let partial = tempfile::tempdir_in(jars)?;
    let pom = partial.path().join("pom.xml");
    fs::write(&pom, POM)?;
    let lib = partial.path().join("lib");
    let mut mvn = Command::new(&tools.mvn);
    mvn.args(["-q", "-B", "dependency:copy-dependencies", "-f"]).arg(&pom);
    mvn.arg(format!("-DoutputDirectory={}", lib.display()));
    run(&mut mvn, "resolving Kafka through Maven")?;
    fs::rename(&lib, &version)?;
    Ok(version)
}

/// A running broker.
pub struct Kafka {
    java: PathBuf,
    jars: PathBuf,
    dir: PathBuf,
    ports: Ports,
    process: Process,
}

impl Kafka {
    /// # Errors
    /// One sentence that says what is in the way.
    pub fn start(tools: &Tools, jars: &Path, dir: &Path, ports: Ports) -> Result<Self> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join("server.properties"), properties(dir, ports))?;
        fs::write(dir.join("log4j2.properties"), LOGGING)?;
        if !dir.join("log/meta.properties").exists() {
            let mut format = java(&tools.java, jars, dir);
            format
                .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
                .arg(dir.join("server.properties"));
            run(&mut format, "formatting Kafka's storage")?;
        }
        let process = launch(&tools.java, jars, dir, ports)?;
        Ok(Self { java: tools.java.clone(), jars: jars.to_owned(), dir: dir.to_owned(), ports, process })
    }

    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.kafka)
    }

    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// # Errors
    /// Where it does not come up again.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.process = launch(&self.java, &self.jars, &self.dir, self.ports)?;
        Ok(())
    }

    pub fn stop(&mut self) {
        self.process.stop(STOP_BOUND);
    }
}

fn java(program: &Path, jars: &Path, dir: &Path) -> Command {
    let mut java = Command::new(program);
    java.args(["-Xms128m", "-Xmx512m", "-XX:+UseG1GC"])
        .arg(format!("-Dlog4j2.configurationFile={}", dir.join("log4j2.properties").display()))
        .arg("-cp")
        .arg(format!("{}/*", jars.display()));
    java
}

fn launch(program: &Path, jars: &Path, dir: &Path, ports: Ports) -> Result<Process> {
    let mut broker = java(program, jars, dir);
    broker.arg("kafka.Kafka").arg(dir.join("server.properties")).current_dir(dir);
    let log = dir.join("kafka.log");
    let process = Process::start(&broker, Signal::Term, None, &log)?;
    ensure!(wait_until_answers(ports.kafka, START_BOUND), "Kafka does not come up; see {}", log.display());
    Ok(process)
}

fn properties(dir: &Path, ports: Ports) -> String {
    let Ports { kafka, controller, .. } = ports;
    let log = dir.join("log");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{kafka},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{kafka}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
",
        log.display()
    )
}
