//! The working set's bookkeeping: which rows were there, which are new, which changed.

use serde::Serialize;
use std::collections::BTreeMap;

/// What goes into a column of type `json`: bound as text, which PostgreSQL only checks, where `jsonb` would be taken apart.
///
/// # Errors
/// The value has no JSON, such as a map whose keys are no strings.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Loaded,
    Inserted,
    Updated,
}

/// Rows by their key, in key order, so that statements touch them in one order in every process.
#[derive(Debug, Clone)]
pub struct Rows<K, T> {
    rows: BTreeMap<K, (Fate, T)>,
}

impl<K: Ord, T> Default for Rows<K, T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

impl<K: Ord, T> Rows<K, T> {
    /// The rows that `load` found.
    pub fn loaded(rows: impl IntoIterator<Item = (K, T)>) -> Self {
        Self { rows: rows.into_iter().map(|(key, row)| (key, (Fate::Loaded, row))).collect() }
    }

    #[must_use]
    pub fn get(&self, key: &K) -> Option<&T> {
        self.rows.get(key).map(|(_, row)| row)
    }

    /// The row, marked as changed.
    pub fn change(&mut self, key: &K) -> Option<&mut T> {
        self.rows.get_mut(key).map(|(fate, row)| {
            if *fate == Fate::Loaded {
                *fate = Fate::Updated;
            }
            row
        })
    }

    /// Puts a row: a new one where the key is free, else a change of the one that is there.
    pub fn put(&mut self, key: K, row: T) {
        let fate = match self.rows.get(&key) {
            None | Some((Fate::Inserted, _)) => Fate::Inserted,
            Some(_) => Fate::Updated,
        };
        self.rows.insert(key, (fate, row));
    }

    /// Rows to INSERT, in key order.
    pub fn inserted(&self) -> impl Iterator<Item = &T> {
        self.having(Fate::Inserted)
    }

    /// Rows to UPDATE, in key order.
    pub fn updated(&self) -> impl Iterator<Item = &T> {
        self.having(Fate::Updated)
    }

    /// All rows, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &T)> {
        self.rows.iter().map(|(key, (_, row))| (key, row))
    }

    fn having(&self, wanted: Fate) -> impl Iterator<Item = &T> {
        self.rows.values().filter(move |(fate, _)| *fate == wanted).map(|(_, row)| row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_know_what_became_of_them() {
        let mut rows = Rows::loaded([(1, "one"), (2, "two")]);
        *rows.change(&2).unwrap() = "zwei";
        rows.put(3, "three");
        *rows.change(&3).unwrap() = "drei";
        rows.put(1, "eins");
        assert!(rows.change(&4).is_none());
        assert_eq!(rows.inserted().copied().collect::<Vec<_>>(), ["drei"]);
        assert_eq!(rows.updated().copied().collect::<Vec<_>>(), ["eins", "zwei"]);
    }
}
