//! Makes the calls whose intents are committed, and brings back what the provider said.

use crate::domain::{ChargeIntent, ChargeOutcome, Command, Effect, Policy, RefundIntent, RefundOutcome};
use crate::gateway::PaymentGateway;
use crate::store::Payments;
use engine::Perform;
use engine::failpoints::{Guard, is_off};
use futures::FutureExt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What the engine performs an effect with. The result always comes back, if only as unknown: then the domain decides
/// when to ask again. If it is lost with this process, the intent's lease runs out.
pub fn perform<G: PaymentGateway>(gateway: G, policy: Policy) -> Perform<Payments> {
    let gateway = Arc::new(gateway);
    Arc::new(move |effect| {
        let gateway = Arc::clone(&gateway);
        async move { Some(call(&*gateway, policy.provider_timeout, effect).await) }.boxed()
    })
}

/// Each call by itself may take `bound`; a look-up and the call after it together fit into the lease.
async fn call<G: PaymentGateway>(gateway: &G, bound: Duration, effect: Effect) -> Command {
    match effect {
        Effect::Charge(intent) => {
            let outcome = in_time(bound, gateway.charge(&intent)).await;
            charge_answered(&intent, outcome)
        }
        Effect::LookUpCharge(intent) if is_off(Guard::OneKeyACall) => {
            let another = ChargeIntent { key: format!("{}-again", intent.key), ..intent };
            let outcome = in_time(bound, gateway.charge(&another)).await;
            charge_answered(&another, outcome)
        }
        Effect::LookUpCharge(intent) => {
            let found = in_time(bound, gateway.look_up_charge(&intent)).await;
            let outcome = match found {
                Some(None) => in_time(bound, gateway.charge(&intent)).await,
                found => found.flatten(),
            };
            charge_answered(&intent, outcome)
        }
        Effect::Refund(intent) => {
            let outcome = in_time(bound, gateway.refund(&intent)).await;
            refund_answered(&intent, outcome)
        }
        Effect::LookUpRefund(intent) => {
            let found = in_time(bound, gateway.look_up_refund(&intent)).await;
            let outcome = match found {
                Some(None) => in_time(bound, gateway.refund(&intent)).await,
                found => found.flatten(),
            };
            refund_answered(&intent, outcome)
        }
    }
}

async fn in_time<T>(bound: Duration, call: impl Future<Output = T>) -> Option<T> {
    timeout(bound, call).await.ok()
}

fn charge_answered(intent: &ChargeIntent, outcome: Option<ChargeOutcome>) -> Command {
    let outcome = outcome.unwrap_or(ChargeOutcome::Unknown);
    if outcome == ChargeOutcome::Unknown {
        tracing::warn!(order_id = %intent.order_id, key = intent.key, "a charge has no answer yet");
    }
    Command::ChargeAnswered { order_id: intent.order_id, attempt: intent.attempt, outcome }
}

fn refund_answered(intent: &RefundIntent, outcome: Option<RefundOutcome>) -> Command {
    let outcome = outcome.unwrap_or(RefundOutcome::Unknown);
    if outcome == RefundOutcome::Unknown {
        tracing::warn!(order_id = %intent.order_id, key = intent.key, "a refund has no answer yet");
    }
    Command::RefundAnswered { order_id: intent.order_id, number: intent.number, outcome }
}

#[cfg(test)]
mod tests;
