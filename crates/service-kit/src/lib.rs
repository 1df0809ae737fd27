//! What a service's process needs besides its engine, so that the service's own files hold only its nouns.
//!
//! - [`config`]: groups of arguments, by environment and flag
//! - [`process`], [`telemetry`]: logs, metrics, the runtime, signals
//! - [`db`]: the pool for reads, a bound for every read, migrations
//! - [`http`]: problems, extractors, answers, pages, OpenAPI, and the server
//! - [`auth`]: who calls
//! - [`cache`]: a read cache in process, over Redis
//! - [`audit`]: the books, compared with each other
//! - [`run`]: all of it together, served until the end
//!
//! One resource file of a service:
//!
//! ```ignore
//! #[utoipa::path(post, path = "/v1/products", tag = "products", request_body = NewProduct,
//!     responses((status = 201, body = Product)), security(("bearer" = []), ("password" = [])))]
//! async fn create(State(app): State<App>, admin: Admin, new: Incoming<NewProduct>) -> Result<Answered, Problem> {
//!     let (new, ticket) = new.by(admin.subject());
//!     let id = common::ids::new();
//!     submit(&app.writer, ticket.making(id), Command::Create(new.into_product(id))).await
//! }
//!
//! #[utoipa::path(get, path = "/v1/products", tag = "products", params(PagingParams, Filter),
//!     responses((status = 200, body = Page<Product>)), security(()))]
//! async fn list(
//!     State(app): State<App>,
//!     paging: Paging<(String, Uuid)>,
//!     Query(filter): Query<Filter>,
//! ) -> Result<Page<Product>, Problem> {
//!     let rows = db::bounded(store::list(&app.pool, &filter, paging.after.as_ref(), paging.sql_limit())).await?;
//!     Ok(Page::new(&paging, rows, |row| (row.name.clone(), row.id)))
//! }
//!
//! pub(super) fn routes() -> OpenApiRouter<App> {
//!     OpenApiRouter::new().routes(routes!(list, create))
//! }
//! ```

pub mod audit;
pub mod auth;
pub mod cache;
pub mod config;
pub mod db;
pub mod http;
pub mod process;
pub mod run;
pub mod telemetry;

pub use http::{
    Answered, IfMatch, IfNoneMatch, Incoming, Json, Meta, Nothing, Page, Paging, PagingParams, Path, Problem, Query,
    Ticket, submit,
};
pub use process::start;
pub use run::Service;
