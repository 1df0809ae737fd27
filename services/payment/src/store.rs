//! Rows in and out of PostgreSQL: `load` and `save` for the writer, `reads` for HTTP and the timer. One table, so one
//! kind of lock, taken in the order of the orders' ids.

mod load;
pub mod reads;
mod row;
mod save;

use crate::domain::{self, Alert, Command, Context, Effect, Policy, Reply, Set};
use engine::{Machine, Poison};
use sqlx::PgConnection;
use uuid::Uuid;

/// What the engine runs.
#[derive(Debug, Clone, Copy)]
pub struct Payments {
    pub policy: Policy,
}

impl Machine for Payments {
    const NAME: &'static str = "payment-service";
    type Command = Command;
    type Set = Set;
    type Reply = Reply;
    type Effect = Effect;

    fn root(command: &Command) -> Option<Uuid> {
        Some(command.order_id())
    }

    /// What follows an order at once is the word whether its stock is reserved, and until then nothing is to be done.
    fn may_wait(command: &Command) -> bool {
        matches!(command, Command::OrderCreated(_))
    }

    async fn load(&self, db: &mut PgConnection, commands: &[&Command]) -> Result<Set, sqlx::Error> {
        load::load(db, commands).await
    }

    fn apply(&self, set: &mut Set, command: &Command, cx: &mut Context) -> Result<Reply, Poison> {
        let reply = domain::apply(self.policy, set, command, cx);
        if let Reply::Alerted(alert) = &reply {
            raise(alert);
        }
        Ok(reply)
    }

    async fn save(&self, db: &mut PgConnection, set: &Set) -> Result<(), sqlx::Error> {
        save::save(db, set).await
    }
}

/// Tells whoever is on duty; a batch that is tried again tells it again.
fn raise(alert: &Alert) {
    let kind = match alert {
        Alert::SurplusCapture { order_id, attempt } => {
            tracing::error!(%order_id, attempt, "alert: captured twice; the surplus is paid back");
            "surplus_capture"
        }
        Alert::RefundRefused { order_id, number, code } => {
            tracing::error!(%order_id, number, code, "alert: a refund that is owed was refused; it is tried again");
            "refund_refused"
        }
        Alert::RefundedAfterRefusal { order_id, number } => {
            tracing::error!(%order_id, number, "alert: the provider paid back what it had refused; the books differ");
            "refunded_after_refusal"
        }
    };
    metrics::counter!("rtoms_payment_alerts_total", "kind" => kind).increment(1);
}
