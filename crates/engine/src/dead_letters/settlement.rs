//! What becomes of a dead letter, decided under the lock of its row, in the transaction of what it does.

use super::letter::{FailedRedrive, LetterStatus, Locked};
use super::storable;
use crate::answer::Answer;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// How many failed redrives are remembered of a letter.
const REDRIVES_KEPT: usize = 20;

/// Who decides about a dead letter, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The `sub` of the admin's token.
    pub by: String,
    pub reason: Option<String>,
}

/// What is decided about which.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    pub(crate) letter: Uuid,
    pub(crate) decision: Decision,
    pub(crate) decided: Decided,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The record is applied again, as it is.
    Redrive,
    /// It is passed by for good.
    Discard,
}

/// What became of the record of a letter that was redriven.
pub(crate) enum Verdict {
    Applied,
    /// For this cause it is dead again.
    DeadAgain(String),
}

/// The letters that a batch settles, their rows locked.
#[derive(Default)]
pub(crate) struct Settling {
    letters: BTreeMap<Uuid, (Locked, bool)>,
}

impl Settling {
    /// Before the rows of any service: who settles the same letter meanwhile waits here.
    pub(crate) async fn load(db: &mut PgConnection, ids: &[Uuid]) -> Result<Self, sqlx::Error> {
        if ids.is_empty() {
            return Ok(Self::default());
        }
        let rows: Vec<Locked> = sqlx::query_as(
            "SELECT id, status, cause, settled_by, settled_at, reason, redrives
             FROM dead_letters
             WHERE id = ANY($1)
             ORDER BY id
             FOR UPDATE",
        )
        .bind(ids)
        .fetch_all(db)
        .await?;
        Ok(Self { letters: rows.into_iter().map(|row| (row.id, (row, false))).collect() })
    }

    /// Why a letter can't be settled, where it can't.
    pub(crate) fn refusal(&self, id: Uuid) -> Option<Answer> {
        match self.letters.get(&id).map(|(letter, _)| letter.status) {
            Some(LetterStatus::Dead) => None,
            Some(status) => {
                let detail = format!("this dead letter is {} already", status.as_str());
                Some(Answer::problem(409, "Conflict", "dead_letter_settled", &detail))
            }
            None => {
                Some(Answer::problem(404, "Not Found", "dead_letter_not_found", "there is nothing here under this id"))
            }
        }
    }

    /// Enters what became of a letter that [`Settling::refusal`] has nothing against.
    pub(crate) fn settle(&mut self, settlement: &Settlement, verdict: Verdict, at: OffsetDateTime) -> Answer {
        let Some((letter, changed)) = self.letters.get_mut(&settlement.letter) else {
            unreachable!("a letter that is not there is refused");
        };
        *changed = true;
        let Decided { by, reason } = settlement.decided.clone();
        match (settlement.decision, verdict) {
            (Decision::Redrive, Verdict::DeadAgain(cause)) => {
                let cause = std::mem::replace(&mut letter.cause, storable(&cause));
                letter.redrives.push(FailedRedrive { by, at, reason, cause });
                let surplus = letter.redrives.len().saturating_sub(REDRIVES_KEPT);
                letter.redrives.drain(..surplus);
            }
            (decision, _) => {
                letter.status = match decision {
                    Decision::Redrive => LetterStatus::Redriven,
                    Decision::Discard => LetterStatus::Discarded,
                };
                (letter.settled_by, letter.settled_at, letter.reason) = (Some(by), Some(at), reason);
            }
        }
        Answer::json(202, &json!({ "id": letter.id, "status": letter.status.as_str(), "cause": letter.cause }))
    }

    pub(crate) async fn save(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let changed: Vec<&Locked> = self.letters.values().filter(|(_, changed)| *changed).map(|(row, _)| row).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let done = sqlx::query(
            "UPDATE dead_letters AS old
             SET status = new.status, cause = new.cause, settled_by = new.settled_by, settled_at = new.settled_at,
                 reason = new.reason, redrives = new.redrives
             FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::jsonb[])
                 AS new (id, status, cause, settled_by, settled_at, reason, redrives)
             WHERE old.id = new.id",
        )
        .bind(changed.iter().map(|l| l.id).collect::<Vec<Uuid>>())
        .bind(changed.iter().map(|l| l.status.as_str()).collect::<Vec<_>>())
        .bind(changed.iter().map(|l| l.cause.as_str()).collect::<Vec<_>>())
        .bind(changed.iter().map(|l| l.settled_by.as_deref()).collect::<Vec<_>>())
        .bind(changed.iter().map(|l| l.settled_at).collect::<Vec<_>>())
        .bind(changed.iter().map(|l| l.reason.as_deref()).collect::<Vec<_>>())
        .bind(changed.iter().map(|l| Json(&l.redrives.0)).collect::<Vec<_>>())
        .execute(db)
        .await?;
        if done.rows_affected() == changed.len() as u64 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn one(status: LetterStatus) -> Settling {
        let letter = Locked {
            id: Uuid::nil(),
            status,
            cause: "first".to_owned(),
            settled_by: None,
            settled_at: None,
            reason: None,
            redrives: Json(Vec::new()),
        };
        Settling { letters: BTreeMap::from([(letter.id, (letter, false))]) }
    }

    fn settlement(decision: Decision) -> Settlement {
        let decided = Decided { by: "admin".to_owned(), reason: Some("mended".to_owned()) };
        Settlement { letter: Uuid::nil(), decision, decided }
    }

    #[test]
    fn a_letter_is_settled_once() {
        for (decision, status) in
            [(Decision::Redrive, LetterStatus::Redriven), (Decision::Discard, LetterStatus::Discarded)]
        {
            let mut letters = one(LetterStatus::Dead);
            assert!(letters.refusal(Uuid::nil()).is_none());
            assert_eq!(letters.settle(&settlement(decision), Verdict::Applied, AT).status, 202);
            let (letter, _) = &letters.letters[&Uuid::nil()];
            assert_eq!((letter.status, letter.settled_by.as_deref()), (status, Some("admin")));
            assert_eq!(letters.refusal(Uuid::nil()).unwrap().status, 409);
        }
        assert_eq!(one(LetterStatus::Dead).refusal(Uuid::max()).unwrap().status, 404);
    }

    #[test]
    fn one_that_fails_again_stays_dead_and_keeps_the_record() {
        let mut letters = one(LetterStatus::Dead);
        for n in 0..=REDRIVES_KEPT {
            let verdict = Verdict::DeadAgain(format!("cause {n}"));
            letters.settle(&settlement(Decision::Redrive), verdict, AT);
        }
        let (letter, changed) = &letters.letters[&Uuid::nil()];
        assert!(*changed && letter.settled_by.is_none());
        assert_eq!((letter.status, letter.cause.as_str()), (LetterStatus::Dead, "cause 20"));
        assert_eq!((letter.redrives.len(), letter.redrives[0].cause.as_str()), (REDRIVES_KEPT, "cause 0"));
    }
}
