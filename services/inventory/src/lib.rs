//! Inventory: what is in stock, and what orders hold of it.
//!
//! - [`domain`]: the commands, the rows, and how the ones change the others; pure
//! - [`kafka`]: orders and products of the other services, as commands
//! - [`store`]: rows in and out of PostgreSQL

pub mod domain;
pub mod kafka;
pub mod store;
