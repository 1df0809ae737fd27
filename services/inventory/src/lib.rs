//! Inventory: what is in stock, and what orders hold of it.
//!
//! - [`domain`]: the commands, the rows, and how the ones change the others; pure

pub mod domain;
