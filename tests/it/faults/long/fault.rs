//! What can happen to a fleet.

use anyhow::Result;
use rand::Rng;
use rand::rngs::StdRng;
use std::time::Duration;
use testkit::api::Service;
use testkit::fleet::{Fleet, Replica};
use tokio::time::sleep;

#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Kill(Service, usize),
    Freeze(Service, usize),
    End(Service, usize),
    RestartPostgres,
    CrashPostgres,
    RestartKafka,
    CrashKafka,
    CrashRedis,
}

impl Fault {
    /// Mostly of a replica; of a server one time in eight.
    pub(super) fn draw(random: &mut StdRng) -> Self {
        let service = Service::ALL[random.random_range(0..Service::ALL.len())];
        let replica = random.random_range(0..2);
        match random.random_range(0..40) {
            0 => Self::RestartPostgres,
            1 => Self::CrashPostgres,
            2 => Self::RestartKafka,
            3 => Self::CrashKafka,
            4 => Self::CrashRedis,
            5..=16 => Self::Freeze(service, replica),
            17..=25 => Self::End(service, replica),
            _ => Self::Kill(service, replica),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill(..) => "replica killed",
            Self::Freeze(..) => "replica frozen",
            Self::End(..) => "replica ended",
            Self::RestartPostgres => "Postgres restarted",
            Self::CrashPostgres => "Postgres crashed",
            Self::RestartKafka => "Kafka restarted",
            Self::CrashKafka => "Kafka crashed",
            Self::CrashRedis => "Redis crashed",
        }
    }

    /// Without which no order ends.
    pub(super) fn stops_a_server(self) -> bool {
        !matches!(self, Self::Kill(..) | Self::Freeze(..) | Self::End(..) | Self::CrashRedis)
    }

    /// Lets it happen, and waits until what was hurt is ready again.
    pub(super) async fn happen(self, fleet: &Fleet, random: &mut StdRng) -> Result<()> {
        let pause = Duration::from_millis(random.random_range(100..8_000));
        match self {
            Self::Kill(service, n) => {
                let replica = fleet.replica(service, n);
                replica.kill();
                again(replica, pause).await
            }
            Self::End(service, n) => {
                let replica = fleet.replica(service, n);
                replica.stop().await?;
                again(replica, pause).await
            }
            Self::Freeze(service, n) => {
                let replica = fleet.replica(service, n);
                replica.freeze()?;
                sleep(pause).await;
                replica.thaw()?;
                replica.ready().await
            }
            Self::RestartPostgres => fleet.with_stack(|stack| stack.postgres.server.restart()).await,
            Self::RestartKafka => fleet.with_stack(|stack| stack.kafka.server.restart()).await,
            Self::CrashPostgres => fleet.with_stack(|stack| stack.postgres.server.crash_and_restart()).await,
            Self::CrashKafka => fleet.with_stack(|stack| stack.kafka.server.crash_and_restart()).await,
            Self::CrashRedis => fleet.with_stack(|stack| stack.redis.server.crash_and_restart()).await,
        }
    }
}

/// Starts a replica after a while.
async fn again(replica: &Replica, pause: Duration) -> Result<()> {
    sleep(pause).await;
    replica.start(&[])?;
    replica.ready().await
}
