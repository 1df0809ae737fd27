//! The stack on a throw-away folder and the five services as their own programs, as an installation has them.

use crate::machine::HugePages;
use anyhow::{Context, Result, ensure};
use sqlx::postgres::{PgPool, PgPoolOptions};
use stack::ports::free_ports;
use stack::probe::ready;
use stack::process::{Process, Signal};
use stack::{Options, Ports, Stack};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use testkit::api::{Api, Service};
use uuid::Uuid;

const READY_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Without it librdkafka does not tell how many requests it sends.
const KAFKA_STATISTICS: &str = "statistics.interval.ms=1000";
/// Longer than any run.
const TOKENS_LIVE_S: &str = "86400";

/// The order service issues the tokens, without whose keys no other is ready.
const START_ORDER: [Service; 5] =
    [Service::Order, Service::Product, Service::Inventory, Service::Payment, Service::Notification];

pub(crate) struct Fleet {
    pub(crate) api: Api,
    /// As the superuser, for what only the database knows.
    pub(crate) db: PgPool,
    services: Vec<Running>,
    programs: PathBuf,
    ports: BTreeMap<Service, u16>,
    stack: Stack,
    dir: TempDir,
    /// Dropped after the server that has them.
    _huge_pages: HugePages,
}

struct Running {
    service: Service,
    process: Process,
    /// From its start to `/readyz`, in milliseconds.
    started_in_ms: f64,
}

impl Fleet {
    /// `programs`: the folder of the services' binaries.
    pub(crate) async fn start(programs: &Path) -> Result<Self> {
        let dir = stack::throwaway_dir()?;
        let options =
            Options { dir: dir.path().to_owned(), jars: stack::jars_of(&stack::checkout()), ports: Ports::free()? };
        let huge_pages = HugePages::allow();
        let mut stack =
            tokio::task::spawn_blocking(move || Stack::start(&options, &|what| eprintln!("{what}"))).await??;
        // The commits' own time is when an order was confirmed.
        let url = stack.postgres.superuser_url();
        let db = PgPoolOptions::new().max_connections(2).connect_lazy(&url)?;
        sqlx::query("ALTER SYSTEM SET track_commit_timestamp = on").execute(&db).await?;
        db.close().await;
        stack.postgres.server.restart()?;
        let db = PgPoolOptions::new().max_connections(2).connect(&url).await?;
        fill_log(&db).await?;
        let ports: [u16; 5] = free_ports()?;
        let ports: BTreeMap<Service, u16> = Service::ALL.into_iter().zip(ports).collect();
        let urls = ports.iter().map(|(service, port)| (*service, vec![format!("http://127.0.0.1:{port}")]));
        let api = Api::new(urls.collect())?;
        let mut fleet = Self {
            api,
            db,
            services: Vec::new(),
            programs: programs.to_owned(),
            ports,
            stack,
            dir,
            _huge_pages: huge_pages,
        };
        // The first start makes the tables.
        fleet.start_services(&[])?;
        fleet.restart_services(&[])?;
        Ok(fleet)
    }

    /// Stops all services in good order and starts them with `env` on top of their own; what is empty is left out.
    pub(crate) fn restart_services(&mut self, env: &[(&str, &str)]) -> Result<()> {
        for running in &self.services {
            // One that is gone needs no telling, and is missed below.
            let _ = running.process.signal(Signal::Term);
        }
        for mut running in self.services.drain(..) {
            running.process.stop(STOP_BOUND);
        }
        self.start_services(env)
    }

    fn start_services(&mut self, env: &[(&str, &str)]) -> Result<()> {
        for service in START_ORDER {
            let (name, port) = (service.name(), self.ports[&service]);
            let mut command = self.command(service);
            command.env("HTTP_ADDR", format!("127.0.0.1:{port}"));
            for (name, value) in env {
                if value.is_empty() {
                    command.env_remove(name);
                } else {
                    command.env(name, value);
                }
            }
            let log = self.dir.path().join(format!("{name}.log"));
            let began = Instant::now();
            let process = Process::start(&command, Signal::Term, None, &log)?;
            process.wait_until(name, READY_BOUND, || ready(port))?;
            let started_in_ms = began.elapsed().as_secs_f64() * 1000.0;
            self.services.push(Running { service, process, started_in_ms });
        }
        Ok(())
    }

    fn command(&self, service: Service) -> Command {
        let mut command = Command::new(self.programs.join(service.name()));
        self.stack.introduce(service.name(), &mut command);
        let issuer = format!("http://127.0.0.1:{}", self.ports[&Service::Order]);
        command.env("OIDC_ISSUER", issuer).env("LOG", "warn").env("KAFKA_PROPERTIES", KAFKA_STATISTICS);
        if service == Service::Order {
            // For its two users; the catalogue is our own.
            command.env("RTOMS_DEMO", "true").env("ACCESS_TOKEN_TTL_S", TOKENS_LIVE_S);
        }
        command
    }

    pub(crate) fn address(&self, service: Service) -> String {
        format!("127.0.0.1:{}", self.ports[&service])
    }

    pub(crate) fn pids(&self) -> BTreeMap<String, u32> {
        let services = self.services.iter().map(|running| (running.service.name().to_owned(), running.process.pid()));
        let Stack { postgres, redis, kafka } = &self.stack;
        let servers = [&postgres.server, &redis.server, &kafka.server];
        services.chain(servers.map(|server| (server.name().to_owned(), server.pid()))).collect()
    }

    /// Resident memory of each service, in MB.
    pub(crate) fn resident_mb(&self) -> BTreeMap<String, f64> {
        let of =
            |running: &Running| (running.service.name().to_owned(), crate::usage::resident_mb(running.process.pid()));
        self.services.iter().map(of).collect()
    }

    /// From start to ready, in milliseconds, where the tables are there.
    pub(crate) fn started_in_ms(&self) -> BTreeMap<String, f64> {
        self.services.iter().map(|running| (running.service.name().to_owned(), running.started_in_ms)).collect()
    }

    /// The services' own audits, and what they can't compare: every order ended, and was told of.
    pub(crate) async fn audit(&self) -> Result<()> {
        for service in Service::ALL {
            let mut command = Command::new(self.programs.join(service.name()));
            self.stack.introduce(service.name(), &mut command);
            command.arg("audit").env("AUDIT_GRACE_S", "1");
            testkit::audit::run(service, command).await?;
        }
        let row: (i64, i64, i64, i64) = sqlx::query_as(
            r#"SELECT (SELECT count(*) FROM "order".orders WHERE status NOT IN ('confirmed', 'rejected', 'payment_failed')),
                   (SELECT count(*) FROM "order".orders WHERE status = 'confirmed')
                       - (SELECT count(*) FROM provider.provider_charges WHERE status = 'captured'),
                   (SELECT count(*) FROM "order".order_timeline WHERE to_status <> 'reserved')
                       - (SELECT count(*) FROM notification.notifications),
                   (SELECT count(*) FROM notification.notifications WHERE status <> 'sent')"#,
        )
        .fetch_one(&self.db)
        .await?;
        ensure!(
            row == (0, 0, 0, 0),
            "orders under way, captures missing, messages missing, messages not sent: {row:?}"
        );
        Ok(())
    }

    pub(crate) fn redis_version(&self) -> Result<String> {
        self.stack.redis.version()
    }

    /// Where the logs are, until the run ends.
    pub(crate) fn logs(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until nothing is under way, for `bound` at most. `first`: the lowest id of the orders
    /// that may be. Both questions go by an index, as the processor time that they take counts as PostgreSQL's.
    pub(crate) async fn drained(&self, first: Option<Uuid>, bound: Duration) -> Result<()> {
        let began = Instant::now();
        loop {
            let open = self.open().await? + self.untold(first).await?;
            if open == 0 {
                return Ok(());
            }
            ensure!(began.elapsed() < bound, "{open} orders or messages are still under way after {bound:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Orders and messages that wait for something.
    async fn open(&self) -> Result<i64> {
        let open = sqlx::query_scalar(
            r#"SELECT (SELECT count(*) FROM "order".orders WHERE due_at IS NOT NULL)
                   + (SELECT count(*) FROM notification.notifications WHERE due_at IS NOT NULL)"#,
        );
        open.fetch_one(&self.db).await.context("asking what is under way")
    }

    /// Rows of timelines from `first` on whose message is not sent.
    async fn untold(&self, first: Option<Uuid>) -> Result<i64> {
        let Some(first) = first else { return Ok(0) };
        let untold = sqlx::query_scalar(
            r#"SELECT (SELECT count(*) FROM "order".order_timeline WHERE order_id >= $1 AND to_status <> 'reserved')
                   - (SELECT count(*) FROM notification.notifications WHERE order_id >= $1 AND status = 'sent')"#,
        );
        untold.bind(first).fetch_one(&self.db).await.context("asking who is not yet told")
    }
}

/// A server that has run for an hour writes its log into old files; a new one makes each of them first, 16 MB of zeros,
/// and commits wait. The checkpoint keeps the files of a whole cycle for the next one.
async fn fill_log(db: &PgPool) -> Result<()> {
    let fill =
        "SELECT count(pg_logical_emit_message(false, 'bench', repeat('x', 1000000))) FROM generate_series(1, 2400)";
    sqlx::query(fill).execute(db).await?;
    sqlx::query("CHECKPOINT").execute(db).await?;
    Ok(())
}
