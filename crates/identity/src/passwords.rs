//! argon2id (RFC 9106), a few at a time: a flood of logins must not slow the orders.

use anyhow::{Context, Result, anyhow};
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{Error, Output, ParamsString, SaltString};
use argon2::{ARGON2ID_IDENT, Argon2, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How many hashes are made at once; each takes 19 MiB and some tens of milliseconds.
const AT_ONCE: usize = 2;
/// How long somebody waits for their turn.
const TURN_BOUND: Duration = Duration::from_secs(10);

pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    /// A hash that no account has, with the same parameters.
    nobodys: Arc<str>,
}

/// The right to make one hash.
pub(crate) struct Turn {
    nobodys: Arc<str>,
    _permit: OwnedSemaphorePermit,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { turns: Arc::new(Semaphore::new(AT_ONCE)), nobodys: nobodys()?.into() })
    }

    /// Waits until few enough others make hashes.
    pub(crate) async fn turn(&self) -> Result<Turn> {
        let permit =
            timeout(TURN_BOUND, Arc::clone(&self.turns).acquire_owned()).await.context("too many logins")??;
        Ok(Turn { nobodys: Arc::clone(&self.nobodys), _permit: permit })
    }

    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        self.turn().await?.work(move || hash(&password)).await?.0
    }
}

impl Turn {
    /// Whether the password is that of `stored`. Without one (there is no such account) it takes as long, and is wrong.
    /// The turn comes back, so that the next one sees what came of this.
    pub(crate) async fn verify(self, password: String, stored: Option<String>) -> Result<(bool, Self)> {
        let nobodys = Arc::clone(&self.nobodys);
        let verify = move || -> Result<bool> {
            let known = stored.is_some();
            let stored = stored.as_deref().unwrap_or(&nobodys);
            let parsed = PasswordHash::new(stored).map_err(|error| anyhow!("a stored hash: {error}"))?;
            let right = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
            metrics::counter!("rtoms_passwords_verified_total").increment(1);
            Ok(right && known)
        };
        let (right, turn) = self.work(verify).await?;
        Ok((right?, turn))
    }

    /// The thread keeps the turn until it is done, also where nobody waits for it any more.
    async fn work<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<(T, Self)> {
        Ok(tokio::task::spawn_blocking(move || (work(), self)).await?)
    }
}

fn hash(password: &str) -> Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| anyhow!("hashing a password: {error}"))?.to_string())
}

/// As [`hash`] writes it, but without its work and its memory: of zeros, which no password makes.
fn nobodys() -> Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let made_up = || -> Result<String, Error> {
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::default().into()),
            params: ParamsString::try_from(Argon2::default().params())?,
            salt: Some(salt.as_salt()),
            hash: Some(Output::new(&[0; 32])?),
        };
        Ok(hash.to_string())
    };
    made_up().map_err(|error| anyhow!("making up a hash: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_an_account_is_right() {
        let passwords = Passwords::new().unwrap();
        let verify = async |password: &str, stored: Option<String>| {
            passwords.turn().await.unwrap().verify(password.to_owned(), stored).await.unwrap().0
        };
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(verify("correct horse", Some(stored.clone())).await);
        assert!(!verify("wrong horse", Some(stored)).await);
        assert!(!verify("nobody", None).await);
    }

    #[test]
    fn what_nobody_has_takes_as_long_as_what_somebody_has() {
        let (nobodys, somebodys) = (nobodys().unwrap(), hash("somebody").unwrap());
        let effort = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(effort(&nobodys), effort(&somebodys));
        assert_eq!(nobodys.len(), somebodys.len());
        assert!(PasswordHash::new(&nobodys).is_ok());
    }
}
