//! argon2id (RFC 9106), a few at a time: a flood of logins must not slow the orders.

use anyhow::{Context, Result, anyhow};
use argon2::password_hash::SaltString;
use argon2::password_hash::rand_core::OsRng;
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How many hashes are made at once; each takes 19 MiB and some tens of milliseconds.
const AT_ONCE: usize = 2;
/// How long somebody waits for their turn.
const TURN_BOUND: Duration = Duration::from_secs(10);

pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        self.in_turn(move || hash(&password)).await?
    }

    /// Whether the password is that of `stored`. Without one (there is no such account) it takes as long, and is wrong.
    pub(crate) async fn verify(&self, password: String, stored: Option<String>) -> Result<bool> {
        self.in_turn(move || {
            let known = stored.is_some();
            let stored = match stored {
                Some(stored) => stored,
                None => nobodys()?.to_owned(),
            };
            let parsed = PasswordHash::new(&stored).map_err(|error| anyhow!("a stored hash: {error}"))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known)
        })
        .await?
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn = timeout(TURN_BOUND, Arc::clone(&self.turns).acquire_owned()).await.context("too many logins")??;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        Ok(done.await?)
    }
}

fn hash(password: &str) -> Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| anyhow!("hashing a password: {error}"))?.to_string())
}

/// A hash that no account has.
fn nobodys() -> Result<&'static str> {
    static HASH: OnceLock<String> = OnceLock::new();
    if let Some(hash) = HASH.get() {
        return Ok(hash);
    }
    let made = hash("nobody")?;
    Ok(HASH.get_or_init(|| made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_an_account_is_right() {
        let passwords = Passwords::new();
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse".to_owned(), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".to_owned(), Some(stored)).await.unwrap());
        assert!(!passwords.verify("nobody".to_owned(), None).await.unwrap());
    }
}
