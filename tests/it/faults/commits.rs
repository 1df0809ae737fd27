//! A connection that is cut at its COMMIT: each command is applied once, and its caller has the right answer.

use super::caught;
use super::proxy::{Cut, Proxy};
use super::tally::{Add, Book, counters, patient, submit, told};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use testkit::fleet::Fleet;

const COMMANDS: usize = 200;
const COUNTERS: usize = 3;
/// So that there are commits before and after the one that is cut.
const BATCH_MAX: usize = 16;

pub(crate) async fn a_commit_that_does_not_arrive(fleet: &Fleet) -> Result<()> {
    cut(fleet, Cut::Before).await
}

pub(crate) async fn a_commit_whose_answer_does_not_arrive(fleet: &Fleet) -> Result<()> {
    cut(fleet, Cut::After).await
}

pub(crate) async fn a_commit_that_arrives_late(fleet: &Fleet) -> Result<()> {
    cut(fleet, Cut::Late).await
}

pub(crate) async fn control_nobody_asks_what_it_did(fleet: &Fleet) -> Result<()> {
    let _off = engine::failpoints::arm("ask-what-commit-did=off");
    caught(cut(fleet, Cut::After).await, "Err(Busy) and applied 1 times")
}

async fn cut(fleet: &Fleet, cut: Cut) -> Result<()> {
    let book = Book::open(fleet).await?;
    let proxy = Proxy::to(SocketAddr::from((Ipv4Addr::LOCALHOST, book.options().get_port()))).await?;
    let engine = book.engine(book.options().port(proxy.port), BATCH_MAX, patient());
    let counters = counters(COUNTERS);
    let commands: Vec<Add> = (0..COMMANDS).map(|n| Add::one(counters[n % COUNTERS])).collect();
    proxy.cut(cut, 3);
    let answers = submit(&engine.writer(), commands.clone()).await;
    let audited = book.audit(&answers).await;
    engine.stop().await;
    audited?;
    ensure!(proxy.made() == 1, "no connection was cut");
    let mut values = BTreeMap::new();
    for (add, (_, answer)) in commands.iter().zip(&answers) {
        let answer = answer.as_ref().map_err(|refused| anyhow::anyhow!("a command was refused: {refused:?}"))?;
        values.entry(add.counter).or_insert_with(Vec::new).push(told(answer)?);
    }
    for (counter, mut values) in values {
        values.sort_unstable();
        let wanted: Vec<i64> = (1..).take(values.len()).collect();
        ensure!(values == wanted, "the answers of {counter} do not count up: {values:?}");
    }
    Ok(())
}
