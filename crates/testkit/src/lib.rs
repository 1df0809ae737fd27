//! What the tests and the demo speak to the fleet with. Never a dependency of a service.
//!
//! - [`annex`]: services of another configuration, beside the fleet
//! - [`api`]: the fleet's HTTP, as a client sees it
//! - [`audit`]: the services' own audits
//! - [`eventually`]: waiting with a bound, never sleeping
//! - [`fleet`]: the stack and the services, as processes of the test binary itself
//! - [`kafka`]: events as a service meets them: told, and heard
//! - [`ledger`]: the books, read by SQL, for audits only
//! - [`mail`]: a mail server that keeps what it gets
//! - [`metrics`]: what the services count
//! - [`records`]: records as they are, and how far their readers have come
//! - [`stage`]: single services on a stack, the others played by the test
//! - [`topic`]: the records that Kafka holds

pub mod annex;
pub mod api;
pub mod audit;
pub mod eventually;
pub mod fleet;
pub mod kafka;
pub mod ledger;
pub mod mail;
pub mod metrics;
pub mod records;
pub mod stage;
pub mod topic;
