//! How often somebody may guess a password, by account and by address.

use moka::sync::Cache;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Failures of one account within [`WINDOW`].
const PER_ACCOUNT: u32 = 10;
/// Failures from one address within [`WINDOW`]: several people may share it.
const PER_ADDRESS: u32 = 100;
/// From the first failure on.
pub(crate) const WINDOW: Duration = Duration::from_secs(15 * 60);
/// How many accounts and addresses are remembered.
const REMEMBERED: u64 = 10_000;

/// Counted by each replica for itself.
pub(crate) struct Limits {
    accounts: Cache<String, Arc<AtomicU32>>,
    addresses: Cache<IpAddr, Arc<AtomicU32>>,
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self {
            accounts: Cache::builder().max_capacity(REMEMBERED).time_to_live(WINDOW).build(),
            addresses: Cache::builder().max_capacity(REMEMBERED).time_to_live(WINDOW).build(),
        }
    }

    /// Whether a login may be tried at all.
    pub(crate) fn allow(&self, username: &str, address: IpAddr) -> bool {
        let failed = |count: Option<Arc<AtomicU32>>| count.map_or(0, |count| count.load(Ordering::Relaxed));
        failed(self.accounts.get(&username.to_lowercase())) < PER_ACCOUNT
            && failed(self.addresses.get(&address)) < PER_ADDRESS
    }

    pub(crate) fn failed(&self, username: &str, address: IpAddr) {
        self.accounts.get_with(username.to_lowercase(), Arc::default).fetch_add(1, Ordering::Relaxed);
        self.addresses.get_with(address, Arc::default).fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn succeeded(&self, username: &str) {
        self.accounts.invalidate(&username.to_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_closed_after_some_failures_and_no_other() {
        let limits = Limits::new();
        let here = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..PER_ACCOUNT {
            assert!(limits.allow("One", here));
            limits.failed("one", here);
        }
        assert!(!limits.allow("ONE", here));
        assert!(limits.allow("two", here));
        limits.succeeded("one");
        assert!(limits.allow("one", here));
    }

    #[test]
    fn an_address_is_closed_after_many_failures() {
        let limits = Limits::new();
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for n in 0..PER_ADDRESS {
            limits.failed(&format!("account {n}"), here);
        }
        assert!(!limits.allow("another", here));
        assert!(limits.allow("another", there));
    }
}
