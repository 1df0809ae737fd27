//! Who calls: bearer tokens (RFC 6750), verified against the keys of the issuer.
//!
//! - [`Verifier`]: a token's signature and claims; made by [`remote`], or by [`Verifier::new`] with keys at hand
//! - [`Caller`], [`Admin`], [`MaybeCaller`]: extractors, which ask the verifier of [`Service::tokens`](crate::Service::tokens)

mod extract;
mod keys;
mod remote;
#[cfg(test)]
mod tests;
mod verifier;

pub use extract::{Admin, Caller, MaybeCaller};
pub use keys::{KeySet, Keys, publish};
pub use remote::remote;
pub use verifier::{Refused, Settings, Verifier};
