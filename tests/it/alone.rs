//! Each service of the saga alone on its contract: HTTP in, Kafka in, HTTP and Kafka out. The test plays the others, so
//! that every transition can be reached, in every order of events, whatever the fleet's own pace makes likely.
//!
//! One stage for all, one after the other: each has the topics to itself.

mod inventory;
mod notification;
mod order;
mod payment;

use anyhow::{Context, Result};
use common::money::{Currency, Money};
use libtest_mimic::{Failed, Trial};
use std::sync::Arc;
use testkit::stage::Stage;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OnceCell};

pub(crate) use order::is_allowed;

/// The stage, set by the first who needs it; it goes with the last of the trials.
#[derive(Default)]
struct Shared {
    stage: OnceCell<Stage>,
    turn: Mutex<()>,
}

pub(crate) fn trials(runtime: &Handle) -> Vec<Trial> {
    let shared = Arc::new(Shared::default());
    macro_rules! trial {
        ($module:ident :: $test:ident) => {{
            let (shared, runtime) = (Arc::clone(&shared), runtime.clone());
            let name = concat!("alone::", stringify!($module), "::", stringify!($test));
            Trial::test(name, move || {
                let run = async {
                    let _turn = shared.turn.lock().await;
                    $module::$test(shared.stage.get_or_try_init(Stage::set).await?).await
                };
                runtime.block_on(run).map_err(|error: anyhow::Error| Failed::from(format!("{error:#}")))
            })
        }};
    }
    vec![
        trial!(order::every_transition),
        trial!(payment::every_transition),
        trial!(inventory::every_transition),
        trial!(notification::mail_arrives_or_the_books_say_why_not),
    ]
}

/// Waits for all, and names the first that went wrong.
async fn all<T>(named: impl IntoIterator<Item = (&'static str, impl Future<Output = Result<T>>)>) -> Result<Vec<T>> {
    let named = named.into_iter().map(|(name, running)| async move { running.await.context(name) });
    futures::future::try_join_all(named).await
}

/// # Panics
/// On a negative amount.
fn usd(amount_minor: i64) -> Money {
    let currency = Currency::parse("USD").expect("a currency");
    Money::new(amount_minor, currency).expect("no amount here is negative")
}
