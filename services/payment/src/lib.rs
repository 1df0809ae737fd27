//! Payment: charges an order once its stock is held, and pays back what an order that ends otherwise has paid.
//!
//! - [`domain`]: the payment of one order, its attempts and refunds; pure
pub mod domain;
