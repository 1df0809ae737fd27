//! Lists in pages: `?limit=&cursor=` in, `{ "data": […], "nextCursor": … }` out. Never OFFSET, never a count.

use super::cursor::{decode, encode};
use super::params::pairs;
use super::problem::Problem;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The parameters that belong to [`Paging`].
pub(super) const PAGING: [&str; 2] = ["limit", "cursor"];

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// Which page is asked for. `C` is the key of the last row of the page before, such as `(OffsetDateTime, Uuid)`.
#[derive(Debug, Clone)]
pub struct Paging<C> {
    limit: u32,
    /// Where the page before ended.
    pub after: Option<C>,
}

/// How [`Paging`] looks in OpenAPI: name it under `params(…)`.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the macro alone")]
pub struct PagingParams {
    /// How many entries a page has at most.
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    limit: u32,
    /// `nextCursor` of the page before.
    #[param(required = false)]
    cursor: String,
}

impl<C> Paging<C> {
    /// What `LIMIT` has to be: one row more than the page holds tells whether there is another.
    #[must_use]
    pub fn sql_limit(&self) -> i64 {
        i64::from(self.limit) + 1
    }
}

impl<C, S> FromRequestParts<S> for Paging<C>
where
    C: DeserializeOwned,
    S: Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut paging = Self { limit: DEFAULT_LIMIT, after: None };
        for (name, value) in pairs(parts)? {
            match name.as_str() {
                "limit" => {
                    paging.limit = value.parse().ok().filter(|n| (1..=MAX_LIMIT).contains(n)).ok_or_else(|| {
                        Problem::validation_failed().with_error("/limit", format!("must be 1 to {MAX_LIMIT}"))
                    })?;
                }
                "cursor" => paging.after = Some(decode(&value)?),
                _ => {}
            }
        }
        Ok(paging)
    }
}

/// One page of a list.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Where the next page starts; null on the last one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Of the rows that a statement with [`Paging::sql_limit`] found; `key` is what the order of the rows is by.
    #[must_use]
    pub fn new<C: Serialize, R: Into<T>>(paging: &Paging<C>, mut rows: Vec<R>, key: impl Fn(&R) -> C) -> Self {
        let limit = usize::try_from(paging.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|last| encode(&key(last)));
        Self { data: rows.into_iter().map(Into::into).collect(), next_cursor }
    }

    /// A list that is always whole.
    #[must_use]
    pub fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None }
    }
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        axum::Json(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn paging(query: &str) -> Result<Paging<u32>, Problem> {
        let (mut parts, ()) = http::Request::get(format!("/things?{query}")).body(()).unwrap().into_parts();
        Paging::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn pages_follow_each_other_to_the_end() {
        let things: Vec<u32> = (1..=7).collect();
        let mut seen = Vec::new();
        let mut query = "limit=3".to_owned();
        loop {
            let paging = paging(&query).await.unwrap();
            let rows = things.iter().copied().filter(|n| paging.after.is_none_or(|after| *n > after));
            let rows: Vec<u32> = rows.take(usize::try_from(paging.sql_limit()).unwrap()).collect();
            let page: Page<u32> = Page::new(&paging, rows, |n| *n);
            seen.push(page.data);
            let Some(next) = page.next_cursor else { break };
            query = format!("limit=3&cursor={next}");
        }
        assert_eq!(seen, [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
    }

    #[tokio::test]
    async fn a_limit_has_bounds() {
        assert_eq!(paging("").await.unwrap().sql_limit(), 21);
        assert_eq!(paging("other=1&limit=100").await.unwrap().sql_limit(), 101);
        for wrong in ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1e2"] {
            let problem = paging(wrong).await.unwrap_err();
            assert_eq!((problem.status(), problem.errors()[0].pointer.as_str()), (422, "/limit"), "{wrong}");
        }
        assert_eq!(paging("cursor=x").await.unwrap_err().status(), 400);
    }
}
