//! Two books of the same money: what payment says was taken and paid back, and what the provider says, key by key.

use crate::domain::{Attempt, AttemptState, Refund, RefundState};
use crate::provider::{Entry, entries_after, entries_of};
use crate::store::reads::{Books, books_after, books_of};
use sqlx::PgPool;
use std::collections::HashMap;
use uuid::Uuid;

/// How many payments or entries are compared at once.
const PAGE: i64 = 1000;

/// What payment says of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Done {
        amount_minor: i64,
        reference: String,
    },
    /// Declined, or refused.
    Nothing,
    /// A call is under way, or lies ahead: the provider may be further.
    Open,
}

/// Where the two differ. Whoever could be further by now is read last, so that what is done meanwhile is no difference.
pub(super) async fn compare(pool: &PgPool, ledger: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    let mut found = Vec::new();
    let mut after = Uuid::nil();
    loop {
        let page = books_after(pool, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.order_id;
        let said = said(&page);
        let keys: Vec<String> = said.keys().cloned().collect();
        let entries = entries_of(ledger, &keys).await?;
        let entries: HashMap<&str, &Entry> = entries.iter().map(|entry| (entry.key.as_str(), entry)).collect();
        found
            .extend(said.iter().filter_map(|(key, said)| contradiction(key, said, entries.get(key.as_str()).copied())));
    }
    let mut after = String::new();
    loop {
        let page = entries_after(ledger, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.key);
        let orders: Vec<Uuid> = page.iter().map(|entry| entry.order_id).collect();
        let said = said(&books_of(pool, &orders).await?);
        let unheard = page.iter().filter(|entry| entry.done() && !said.contains_key(&entry.key));
        found.extend(unheard.map(|entry| {
            format!("{}: the provider did {}, of which payment knows nothing", entry.key, entry.amount_minor)
        }));
    }
    found.sort();
    Ok(found)
}

fn said(page: &[Books]) -> HashMap<String, Said> {
    let mut said = HashMap::new();
    for Books { order_id, amount_minor, attempts, refunds } in page {
        for attempt in attempts {
            said.insert(Attempt::key(*order_id, attempt.number), of_attempt(attempt, *amount_minor));
        }
        for refund in refunds {
            said.insert(refund.key(*order_id), of_refund(refund));
        }
    }
    said
}

fn of_attempt(attempt: &Attempt, amount_minor: i64) -> Said {
    match &attempt.state {
        AttemptState::Captured { reference } | AttemptState::Surplus { reference } => {
            Said::Done { amount_minor, reference: reference.clone() }
        }
        AttemptState::Declined { .. } => Said::Nothing,
        AttemptState::Processing(_) => Said::Open,
    }
}

fn of_refund(refund: &Refund) -> Said {
    match &refund.state {
        RefundState::Refunded { reference } => {
            Said::Done { amount_minor: refund.amount_minor, reference: reference.clone() }
        }
        RefundState::Failed { .. } => Said::Nothing,
        RefundState::Waiting { .. } | RefundState::Processing(_) => Said::Open,
    }
}

fn contradiction(key: &str, said: &Said, entry: Option<&Entry>) -> Option<String> {
    let theirs = entry.and_then(|entry| entry.reference.as_deref().map(|reference| (entry.amount_minor, reference)));
    match (said, theirs) {
        (Said::Open, _) | (Said::Nothing, None) => None,
        (Said::Done { amount_minor, reference }, Some((amount, name)))
            if *amount_minor == amount && reference == name =>
        {
            None
        }
        (Said::Done { amount_minor, reference }, theirs) => {
            let theirs = theirs.map_or_else(|| "nothing".to_owned(), |(amount, name)| format!("{amount} as {name}"));
            Some(format!("{key}: payment says {amount_minor} as {reference}, the provider {theirs}"))
        }
        (Said::Nothing, Some((amount, name))) => {
            Some(format!("{key}: payment says that nothing was done, the provider {amount} as {name}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(amount_minor: i64, reference: Option<&str>) -> Entry {
        let reference = reference.map(ToOwned::to_owned);
        Entry { key: "k".to_owned(), order_id: Uuid::nil(), amount_minor, reference }
    }

    #[test]
    fn only_what_both_say_is_right() {
        let done = Said::Done { amount_minor: 5, reference: "ch_1".to_owned() };
        let (same, less, other, refused) =
            (entry(5, Some("ch_1")), entry(4, Some("ch_1")), entry(5, Some("ch_2")), entry(5, None));
        for (said, entry, right) in [
            (&done, Some(&same), true),
            (&done, Some(&less), false),
            (&done, Some(&other), false),
            (&done, Some(&refused), false),
            (&done, None, false),
            (&Said::Nothing, Some(&refused), true),
            (&Said::Nothing, None, true),
            (&Said::Nothing, Some(&same), false),
            (&Said::Open, Some(&same), true),
            (&Said::Open, None, true),
        ] {
            assert_eq!(contradiction("k", said, entry).is_none(), right, "{said:?} {entry:?}");
        }
    }
}
