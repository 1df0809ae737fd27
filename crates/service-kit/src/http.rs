//! HTTP as every service speaks it: problems, extractors, answers, pages, and the server itself.
//!
//! - in: [`Json`], [`Incoming`] (a body with what makes a command of it), [`Query`], [`Path`], [`Paging`], [`IfMatch`],
//!   [`IfNoneMatch`], [`Meta`]
//! - out: [`Problem`], [`Answered`], [`Page`], [`etag`]
//! - `edge`: what every request passes: ids, metrics, panics, the framework's own refusals
//! - `server`: connections, their bounds and their end
//! - `operations`, [`health`], [`openapi`]: `/livez`, `/readyz`, `/metrics`, `/info`, `/openapi.json`, `/swagger-ui`
//! - `dead_letters`: `/v1/admin/dead-letters`

mod answer;
mod body;
mod context;
mod cors;
mod cursor;
pub(crate) mod dead_letters;
mod edge;
pub mod etag;
pub mod health;
mod incoming;
mod json;
pub mod openapi;
mod operations;
mod page;
mod params;
mod pointer;
mod problem;
pub mod rules;
pub(crate) mod server;

pub use answer::{Answered, submit};
pub use body::{MAX_BODY_BYTES, read_body};
pub use context::Meta;
pub(crate) use edge::{Edge, edge};
pub use etag::{IfMatch, IfNoneMatch};
pub use incoming::{Incoming, Nothing, Ticket};
pub use json::Json;
pub(crate) use operations::{Operations, operations};
pub use page::{Page, Paging, PagingParams};
pub use params::{Path, Query};
pub use problem::{FieldError, Problem};
