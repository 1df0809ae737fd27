//! How often somebody may guess a password, by account and by address.

use moka::sync::Cache;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How many accounts and addresses are remembered.
const REMEMBERED: u64 = 10_000;

/// How many failures close an account, or an address, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Lockout {
    pub per_account: u32,
    /// Several people may share an address; behind a proxy, all of them do.
    pub per_address: u32,
    /// From the first failure on.
    pub window: Duration,
}

/// Counted by each replica for itself.
pub(crate) struct Limits {
    lockout: Lockout,
    accounts: Cache<String, Arc<Failures>>,
    addresses: Cache<IpAddr, Arc<Failures>>,
}

struct Failures {
    first: Instant,
    count: AtomicU32,
}

/// Too many failures; another try may be made after this time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed(pub(crate) Duration);

impl Limits {
    pub(crate) fn new(lockout: Lockout) -> Self {
        Self { lockout, accounts: remembering(lockout.window), addresses: remembering(lockout.window) }
    }

    /// Whether a password may be tried at all.
    pub(crate) fn allow(&self, username: &str, address: IpAddr) -> Result<(), Closed> {
        self.check(self.accounts.get(&account(username)), self.lockout.per_account)?;
        self.check(self.addresses.get(&network(address)), self.lockout.per_address)
    }

    fn check(&self, failures: Option<Arc<Failures>>, max: u32) -> Result<(), Closed> {
        match failures {
            Some(failures) if failures.count.load(Ordering::Relaxed) >= max => {
                Err(Closed(self.lockout.window.saturating_sub(failures.first.elapsed())))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn failed(&self, username: &str, address: IpAddr) {
        count(&self.accounts, account(username));
        count(&self.addresses, network(address));
    }

    pub(crate) fn succeeded(&self, username: &str) {
        self.accounts.invalidate(&account(username));
    }
}

fn remembering<K: std::hash::Hash + Eq + Send + Sync + 'static>(window: Duration) -> Cache<K, Arc<Failures>> {
    Cache::builder().max_capacity(REMEMBERED).time_to_live(window).build()
}

fn count<K: std::hash::Hash + Eq + Send + Sync + 'static>(failures: &Cache<K, Arc<Failures>>, of: K) {
    let first = || Arc::new(Failures { first: Instant::now(), count: AtomicU32::new(0) });
    failures.get_with(of, first).count.fetch_add(1, Ordering::Relaxed);
}

/// Names that differ only in case are one account's.
fn account(username: &str) -> String {
    username.to_lowercase()
}

/// Whoever has an IPv6 address has the whole /64 around it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LOCKOUT: Lockout = Lockout { per_account: 10, per_address: 100, window: Duration::from_secs(900) };

    #[test]
    fn an_account_is_closed_after_some_failures_and_no_other() {
        let limits = Limits::new(LOCKOUT);
        let here = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..LOCKOUT.per_account {
            assert_eq!(limits.allow("One", here), Ok(()));
            limits.failed("one", here);
        }
        let Err(Closed(rest)) = limits.allow("ONE", here) else { panic!("it is open") };
        assert!(rest <= LOCKOUT.window && rest > LOCKOUT.window / 2, "{rest:?}");
        assert_eq!(limits.allow("two", here), Ok(()));
        limits.succeeded("one");
        assert_eq!(limits.allow("one", here), Ok(()));
    }

    #[test]
    fn an_address_is_closed_after_many_failures() {
        let limits = Limits::new(LOCKOUT);
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for n in 0..LOCKOUT.per_address {
            limits.failed(&format!("account {n}"), here);
        }
        assert!(limits.allow("another", here).is_err());
        assert!(limits.allow("another", IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped())).is_err());
        assert_eq!(limits.allow("another", there), Ok(()));
    }

    #[test]
    fn a_network_is_one_address() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff:1")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
    }

    #[test]
    fn what_is_closed_opens_again() {
        let limits = Limits::new(Lockout { window: Duration::from_millis(20), ..LOCKOUT });
        let here = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..LOCKOUT.per_account {
            limits.failed("one", here);
        }
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(limits.allow("one", here), Ok(()));
    }
}
