//! What needs no ledger; the rest is tested through the service.

use super::grouped::Grouped;
use super::methods::{Behaviour, behaviour, decline_code, refuses_first_refund};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use tokio::task::yield_now;

#[test]
fn payment_methods() {
    for (method, decline, how) in [
        ("pm_card_visa", None, Behaviour::Prompt),
        ("pm_card_mastercard", None, Behaviour::Prompt),
        ("pm_card_chargeDeclined", Some("card_declined"), Behaviour::Prompt),
        ("pm_card_chargeDeclinedInsufficientFunds", Some("insufficient_funds"), Behaviour::Prompt),
        ("pm_card_chargeDeclinedExpiredCard", Some("expired_card"), Behaviour::Prompt),
        ("pm_card_chargeDeclinedProcessingError", Some("processing_error"), Behaviour::Prompt),
        ("pm_card_amex", Some("invalid_payment_method"), Behaviour::Prompt),
        ("pm_rtoms_slow", None, Behaviour::Slow),
        ("pm_rtoms_timeout", None, Behaviour::SilentOnce),
        ("pm_rtoms_flaky", None, Behaviour::Flaky),
        ("pm_rtoms_refund_refused", None, Behaviour::Prompt),
    ] {
        assert_eq!((decline_code(method), behaviour(method)), (decline, how), "{method}");
        assert_eq!(refuses_first_refund(method), method == "pm_rtoms_refund_refused");
    }
}

#[tokio::test]
async fn what_arrives_during_a_write_is_written_together() {
    let (groups, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
    let (seen, open) = (Arc::clone(&groups), Arc::clone(&gate));
    let grouped = Grouped::start("numbers", move |numbers: Vec<u32>| {
        let (seen, open) = (Arc::clone(&seen), Arc::clone(&open));
        async move {
            seen.lock().unwrap().push(numbers.len());
            open.acquire().await.unwrap().forget();
            Ok(numbers.into_iter().map(|n| n * 10).collect())
        }
    });
    let ask = |n: u32| {
        let grouped = grouped.clone();
        tokio::spawn(async move { grouped.ask(n).await })
    };
    let first = ask(0);
    while groups.lock().unwrap().is_empty() {
        yield_now().await;
    }
    let others: Vec<_> = (1..5).map(ask).collect();
    for _ in 0..10 {
        yield_now().await;
    }
    gate.add_permits(2);
    assert_eq!(first.await.unwrap(), Some(0));
    for (n, other) in (1..).zip(others) {
        assert_eq!(other.await.unwrap(), Some(n * 10));
    }
    assert_eq!(*groups.lock().unwrap(), [1, 4]);
}

#[tokio::test]
async fn a_write_that_fails_answers_nobody_and_the_next_one_is_made() {
    let grouped = Grouped::start("numbers", |numbers: Vec<u32>| async move {
        if numbers.contains(&0) { Err(sqlx::Error::PoolTimedOut) } else { Ok(numbers) }
    });
    assert_eq!(grouped.ask(0).await, None);
    assert_eq!(grouped.ask(1).await, Some(1));
}
