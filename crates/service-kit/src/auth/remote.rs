//! Keys of an issuer elsewhere: fetched at the start, again from time to time, and when a token names a new one.

use super::keys::{KeySet, publish};
use super::verifier::{Settings, Verifier};
use crate::config::OidcArgs;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How often while the issuer does not answer.
const RETRY_EVERY: Duration = Duration::from_secs(2);
/// The least time between two fetches, whoever asks for them.
const COOLDOWN: Duration = Duration::from_secs(5);
/// For how long keys are used whose issuer is away.
const STALE_BOUND: Duration = Duration::from_secs(24 * 3600);
/// How long one fetch may take.
const FETCH_BOUND: Duration = Duration::from_secs(5);
/// How long a request waits for a fetch that its token's key asks for.
const WAIT_BOUND: Duration = Duration::from_secs(3);
/// The largest document that is read.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// Asks for new keys.
pub(super) struct Refresher {
    wanted: Arc<Notify>,
    /// Counts the fetches.
    fetched: watch::Receiver<u64>,
    answers: Arc<AtomicBool>,
}

impl Refresher {
    /// Waits for one fetch, which may be some time away.
    pub(super) async fn refresh(&self) {
        let mut fetched = self.fetched.clone();
        fetched.mark_unchanged();
        self.wanted.notify_one();
        // Too late is as good as not at all: the key stays unknown.
        let _ = timeout(WAIT_BOUND, fetched.changed()).await;
    }

    pub(super) fn issuer_answers(&self) -> bool {
        self.answers.load(Ordering::Relaxed)
    }
}

/// A verifier of the tokens of an issuer elsewhere, whose keys are fetched in the background.
///
/// # Errors
/// Where no HTTP client can be made.
pub fn remote(args: &OidcArgs, shutdown: &CancellationToken) -> Result<Arc<Verifier>> {
    let settings = Settings::from(args);
    let http = reqwest::Client::builder().timeout(FETCH_BOUND).no_proxy().build().context("an HTTP client")?;
    let (keys, published) = publish(None);
    let (count, fetched) = watch::channel(0);
    let wanted = Arc::new(Notify::new());
    let answers = Arc::new(AtomicBool::new(false));
    let source = Source {
        http,
        issuer: args.oidc_issuer.clone(),
        jwks_url: args.oidc_jwks_url.clone(),
        refresh_every: args.refresh_every,
    };
    let refresher = Refresher { wanted: Arc::clone(&wanted), fetched, answers: Arc::clone(&answers) };
    tokio::spawn(keep_fetching(source, keys, count, wanted, answers, shutdown.clone()));
    Ok(Arc::new(Verifier::with(settings, published, Some(refresher))))
}

impl From<&OidcArgs> for Settings {
    fn from(args: &OidcArgs) -> Self {
        Self {
            issuer: args.oidc_issuer.clone(),
            audience: args.oidc_audience.clone(),
            roles_claim: args.oidc_roles_claim.clone(),
        }
    }
}

async fn keep_fetching(
    source: Source,
    keys: watch::Sender<Option<Arc<KeySet>>>,
    count: watch::Sender<u64>,
    wanted: Arc<Notify>,
    answers: Arc<AtomicBool>,
    shutdown: CancellationToken,
) {
    let mut last_success: Option<Instant> = None;
    loop {
        let fetched = tokio::select! {
            fetched = source.fetch() => fetched,
            () = shutdown.cancelled() => return,
        };
        answers.store(fetched.is_ok(), Ordering::Relaxed);
        let pause = match fetched {
            Ok(set) => {
                last_success = Some(Instant::now());
                keys.send_replace(Some(Arc::new(set)));
                source.refresh_every
            }
            Err(error) => {
                tracing::warn!("the issuer's keys were not fetched: {error:#}");
                if last_success.is_some_and(|at| at.elapsed() > STALE_BOUND) {
                    keys.send_replace(None);
                }
                RETRY_EVERY
            }
        };
        count.send_modify(|count| *count += 1);
        tokio::select! {
            () = sleep(pause) => {}
            () = async { sleep(COOLDOWN).await; wanted.notified().await } => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Where keys come from.
struct Source {
    http: reqwest::Client,
    issuer: String,
    /// `None`: by discovery.
    jwks_url: Option<String>,
    /// How often they are fetched while all is well.
    refresh_every: Duration,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Source {
    async fn fetch(&self) -> Result<KeySet> {
        let url = match &self.jwks_url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let keys = KeySet::read(&self.get(&url).await?).with_context(|| format!("{url} is no JWKS"))?;
        ensure!(!keys.is_empty(), "{url} names no key that can verify a signature");
        Ok(keys)
    }

    /// OpenID Connect Discovery 1.0, section 4.
    async fn discover(&self) -> Result<String> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let found: Discovered =
            serde_json::from_slice(&self.get(&url).await?).with_context(|| format!("{url} is no configuration"))?;
        ensure!(found.issuer == self.issuer, "{url} is of the issuer {}", found.issuer);
        Ok(found.jwks_uri)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>> {
        let mut response = self.http.get(url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            ensure!(body.len() + chunk.len() <= MAX_DOCUMENT_BYTES, "{url} is too large");
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
