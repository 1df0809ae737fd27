//! The contract between the services: everything that two of them must agree on, and nothing else.
//!
//! - [`events`]: the topics and the CloudEvents that travel in them, one file a topic
//! - [`money`], [`quantity`], [`text`]: values that are right by construction
//! - [`trace`]: W3C trace context, from the request through every topic
//! - [`clock`], [`ids`]: the only places that read the clock and make identifiers

pub mod clock;
pub mod events;
pub mod ids;
pub mod money;
pub mod quantity;
pub mod text;
pub mod trace;
