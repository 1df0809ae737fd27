//! Apache Kafka, one node that is broker and controller, from its jars in Maven's repository.

mod jars;

pub use jars::{VERSION, resolve};

use crate::command::run;
use crate::ports::Ports;
use crate::process::Signal;
use crate::server::{Recipe, Server};
use crate::tools::Tools;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LOGGING: &str = include_str!("../kafka/log4j2.properties");
/// Any 16 bytes, as the storage tool writes them.
const CLUSTER_ID: &str = "cnRvbXMtbG9jYWwtc3RrMQ";
const FORMAT_BOUND: Duration = Duration::from_secs(180);
const START_BOUND: Duration = Duration::from_secs(180);
const STOP_BOUND: Duration = Duration::from_secs(20);

/// A running broker.
pub struct Kafka {
    pub server: Server,
}

impl Kafka {
    /// Starts it on the data in `dir`, which is made where there is none. `jars` as [`resolve`] told.
    ///
    /// # Errors
    /// One sentence that says what is in the way.
    pub fn start(tools: &Tools, jars: &Path, dir: &Path, ports: Ports) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("the folder {} can't be made", dir.display()))?;
        let settings = dir.join("server.properties");
        fs::write(&settings, properties(dir, ports))?;
        fs::write(dir.join("log4j2.properties"), LOGGING)?;
        if !dir.join("log/meta.properties").exists() {
            let mut format = java(&tools.java, jars, dir);
            format.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]).arg(&settings);
            run(&mut format, "formatting Kafka's storage", FORMAT_BOUND)?;
        }
        let mut command = java(&tools.java, jars, dir);
        command.arg("kafka.Kafka").arg(&settings).current_dir(dir);
        let server = Server::start(Recipe {
            name: "Kafka",
            command,
            user: None,
            log: dir.join("kafka.log"),
            port: ports.kafka,
            probe: None,
            end: Signal::Term,
            crash: Signal::Kill,
            start_bound: START_BOUND,
            stop_bound: STOP_BOUND,
        })?;
        Ok(Self { server })
    }

    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.server.port())
    }
}

fn java(program: &Path, jars: &Path, dir: &Path) -> Command {
    let mut java = Command::new(program);
    java.args(["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+UseTransparentHugePages"])
        .arg(format!("-Dlog4j2.configurationFile={}", dir.join("log4j2.properties").display()))
        .arg("-cp")
        .arg(format!("{}/*", jars.display()));
    java
}

/// The log goes to disk each second, by a thread that nobody waits for: what the kernel gathers for half a minute it
/// writes at once, and PostgreSQL's commits wait behind it.
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
num.network.threads=2
num.io.threads=2
log.flush.interval.ms=1000
log.flush.scheduler.interval.ms=1000
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
