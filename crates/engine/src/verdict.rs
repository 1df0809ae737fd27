//! Which failure accuses the data, which the infrastructure, and which just asks for another try.

use sqlx::Error;

/// The verdict of this number in a row, of one kind, is a broken schema.
const BROKEN_SCHEMA: u32 = 3;

/// Why a batch was not committed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A serialization failure, a deadlock, a row that somebody else was faster to change: again, at once.
    Conflict(Error),
    /// One of the batch's commands violates what the schema demands.
    Accused(Accusation),
    /// `apply` panicked over the item at this place.
    Panicked { at: usize, message: String },
    /// Everything else: wait, and try again.
    Infrastructure(String),
    /// COMMIT was sent and not answered.
    OutcomeUnknown(String),
}

/// SQLSTATE and constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accusation {
    pub(crate) code: String,
    pub(crate) constraint: Option<String>,
    pub(crate) message: String,
}

impl Accusation {
    /// Another replica may have been first: a fresh load decides.
    pub(crate) fn may_be_a_race(&self) -> bool {
        self.code == "23505"
    }

    fn same_kind(&self, other: &Self) -> bool {
        self.code == other.code && self.constraint == other.constraint
    }
}

/// Verdicts in a row without a success between.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    last: Option<Accusation>,
    in_a_row: u32,
}

impl Verdicts {
    /// Whether one more verdict of this kind still speaks of the data.
    pub(crate) fn believes(&mut self, accusation: &Accusation) -> bool {
        let same = self.last.as_ref().is_some_and(|last| last.same_kind(accusation));
        self.in_a_row = if same { self.in_a_row + 1 } else { 1 };
        self.last = Some(accusation.clone());
        self.in_a_row < BROKEN_SCHEMA
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Judges an error of any statement before COMMIT.
pub(crate) fn judge(error: Error) -> Failure {
    let Error::Database(database) = &error else {
        return match error {
            // An UPDATE that met fewer rows than were locked and loaded.
            Error::RowNotFound => Failure::Conflict(error),
            _ => Failure::Infrastructure(error.to_string()),
        };
    };
    let code = database.code().unwrap_or_default().into_owned();
    let constraint = database.constraint().map(ToOwned::to_owned);
    match code.as_str() {
        "40001" | "40P01" => Failure::Conflict(error),
        c if c.starts_with("22") || (c.starts_with("23") && constraint.is_some()) => {
            Failure::Accused(Accusation { message: database.message().to_owned(), code, constraint })
        }
        _ => Failure::Infrastructure(error.to_string()),
    }
}

/// Judges an error of COMMIT itself: only what the server says of the transaction is definite.
pub(crate) fn judge_commit(error: Error) -> Failure {
    let definite = match &error {
        Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            ["22", "23", "40"].iter().any(|class| code.starts_with(class)) && code != "40003"
        }
        _ => false,
    };
    if definite { judge(error) } else { Failure::OutcomeUnknown(error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accusation(constraint: &str) -> Accusation {
        Accusation {
            code: "23514".to_owned(),
            constraint: Some(constraint.to_owned()),
            message: "violates a check".to_owned(),
        }
    }

    #[test]
    fn the_third_verdict_of_one_kind_is_a_broken_schema() {
        let mut verdicts = Verdicts::default();
        assert!(verdicts.believes(&accusation("a")));
        assert!(verdicts.believes(&accusation("a")));
        assert!(!verdicts.believes(&accusation("a")));
        assert!(!verdicts.believes(&accusation("a")), "until something succeeds");
        verdicts.forget();
        assert!(verdicts.believes(&accusation("a")));
        assert!(verdicts.believes(&accusation("b")), "another kind");
        assert!(verdicts.believes(&accusation("a")));
    }
}
