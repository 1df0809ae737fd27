//! Waiting with a bound, never sleeping for luck.

use anyhow::{Context, Result, bail};
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a condition may take to come true. Machines are slow at times; a test that passes never waits so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until `ask` gives a value.
///
/// # Errors
/// The last error, or the name of what never came, once [`PATIENCE`] has run out.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let until = Instant::now() + PATIENCE;
    loop {
        let asked = ask().await;
        match asked {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if Instant::now() > until => bail!("{what}: not within {PATIENCE:?}"),
            Err(error) if Instant::now() > until => return Err(error).context(what.to_owned()),
            Ok(None) | Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Waits until `ask` gives `wanted`.
///
/// # Errors
/// What it gave last, once [`PATIENCE`] has run out.
pub async fn becomes<T, F>(what: &str, wanted: T, mut ask: impl FnMut() -> F) -> Result<()>
where
    T: PartialEq + Debug,
    F: Future<Output = Result<T>>,
{
    let until = Instant::now() + PATIENCE;
    loop {
        let value = ask().await;
        match value {
            Ok(value) if value == wanted => return Ok(()),
            Ok(value) if Instant::now() > until => bail!("{what}: {value:?}, not {wanted:?}, after {PATIENCE:?}"),
            Err(error) if Instant::now() > until => return Err(error).context(what.to_owned()),
            _ => sleep(Duration::from_millis(50)).await,
        }
    }
}
