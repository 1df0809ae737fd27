//! Parameters of the path and of the query, refused as problems.

use super::json::validated;
use super::page::PAGING;
use super::pointer::{cut, from_serde};
use super::problem::Problem;
use axum::extract::FromRequestParts;
use garde::Validate;
use http::request::Parts;
use serde::de::DeserializeOwned;

/// Parameters of the path. What does not fit, such as an id that is no UUID, is nowhere to be found: 404.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::not_found("not_found")),
        }
    }
}

/// Parameters of the query but `limit` and `cursor`, which are [`Paging`](super::Paging)'s. Give the DTO
/// `#[serde(deny_unknown_fields)]`, so that a misspelt filter is no filter that was forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned + Validate<Context = ()>,
    S: Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        pairs(parts)?;
        let own = |pair: &&str| !PAGING.contains(&pair.split('=').next().unwrap_or_default());
        let query = parts.uri.query().unwrap_or_default().split('&').filter(own).collect::<Vec<_>>().join("&");
        let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        let dto = serde_path_to_error::deserialize(reader).map_err(|error| {
            let detail = error.inner().to_string();
            Problem::validation_failed().with_error(from_serde(error.path(), &detail), cut(detail, 200))
        })?;
        validated(dto).map(Self)
    }
}

/// Names and values, decoded.
pub(super) fn pairs(parts: &Parts) -> Result<Vec<(String, String)>, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    match pairs.iter().find(|(name, value)| name.contains('\0') || value.contains('\0')) {
        None => Ok(pairs),
        // PostgreSQL stores no U+0000 in text, so nothing is there to be found by it.
        Some((name, _)) => {
            let pointer = format!("/{}", cut(name.replace('\0', ""), 64));
            Err(Problem::validation_failed().with_error(pointer, "must not contain the character U+0000"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use uuid::Uuid;

    #[derive(Debug, PartialEq, Deserialize, Validate)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Filter {
        #[garde(skip)]
        in_stock: Option<bool>,
        #[garde(skip)]
        below_available: Option<i64>,
        #[garde(inner(length(chars, max = 3)))]
        q: Option<String>,
    }

    async fn filter(query: &str) -> Result<Filter, Problem> {
        let (mut parts, ()) = http::Request::get(format!("/things?{query}")).body(()).unwrap().into_parts();
        Query::from_request_parts(&mut parts, &()).await.map(|Query(filter)| filter)
    }

    #[tokio::test]
    async fn filters_are_typed_and_leave_paging_alone() {
        let found = filter("limit=5&inStock=true&belowAvailable=-3&q=%C3%A4+b&cursor=x").await.unwrap();
        let wanted = Filter { in_stock: Some(true), below_available: Some(-3), q: Some("ä b".to_owned()) };
        assert_eq!(found, wanted);
        assert_eq!(filter("").await.unwrap(), Filter { in_stock: None, below_available: None, q: None });
    }

    #[tokio::test]
    async fn a_wrong_filter_is_named() {
        let wrong = [
            ("inStock=maybe", "/inStock"),
            ("instock=true", "/instock"),
            ("belowAvailable=1e400", "/belowAvailable"),
            ("q=long", "/q"),
            ("q=%00", "/q"),
            ("q=a&q=b", "/q"),
        ];
        for (query, pointer) in wrong {
            let problem = filter(query).await.unwrap_err();
            assert_eq!((problem.status(), problem.errors()[0].pointer.as_str()), (422, pointer), "{query}");
        }
    }

    #[tokio::test]
    async fn an_id_that_is_none_is_nowhere() {
        use axum::{Router, routing::get};
        use tower::ServiceExt;
        let router: Router = Router::new().route("/things/{id}", get(async |Path(id): Path<Uuid>| id.to_string()));
        for (path, status) in [("/things/7", 404), ("/things/018f2f6e-0000-7000-8000-000000000000", 200)] {
            let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
            assert_eq!(router.clone().oneshot(request).await.unwrap().status(), status, "{path}");
        }
    }
}
