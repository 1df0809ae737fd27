//! Which failure accuses the data, which the infrastructure, and which just asks for another try.

use sqlx::Error;

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

    pub(crate) fn same_kind(&self, other: &Self) -> bool {
        self.code == other.code && self.constraint == other.constraint
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
