//! The specification of a service, and Swagger UI that shows all five.

use super::dead_letters;
use super::problem::Problem;
use http::StatusCode;
use std::str::FromStr;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Flow, HttpAuthScheme, HttpBuilder, OAuth2, Password, Scopes, SecurityScheme};
use utoipa::openapi::{
    Components, Content, InfoBuilder, LicenseBuilder, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder,
    ServerBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_swagger_ui::{Config, SwaggerUi, Url, oauth};

/// The services and their ports in a local run.
pub const SERVICES: [(&str, u16); 5] =
    [("product", 8181), ("payment", 8182), ("order", 8183), ("notification", 8184), ("inventory", 8185)];

/// The names under which operations require a token: `security(("bearer" = []), ("password" = []))`.
pub const BEARER: &str = "bearer";
pub const PASSWORD: &str = "password";

/// Where the local built-in issuer gives tokens; a running service names its own configuration's.
const DEFAULT_TOKEN_URL: &str = "http://localhost:8183/auth/token";

/// A specification that Swagger UI offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecUrl {
    name: String,
    url: String,
}

impl FromStr for SpecUrl {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.split_once('=') {
            Some((name, url)) if !name.is_empty() && !url.is_empty() => {
                Ok(Self { name: name.to_owned(), url: url.to_owned() })
            }
            _ => Err("a specification is name=url"),
        }
    }
}

/// Completes what the routes say: the service's title, the calls that every service has for admins, the security
/// schemes, and what every call may answer.
#[must_use]
pub fn document(title: &str, description: &str, mut openapi: OpenApi) -> OpenApi {
    openapi.info = InfoBuilder::new()
        .title(title)
        .description(Some(description))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    openapi.merge(dead_letters::routes().into_openapi());
    // Relative to the specification, so that a page of another service calls the right one.
    openapi.servers = Some(vec![ServerBuilder::new().url("/").build()]);
    let components = openapi.components.get_or_insert_with(Components::new);
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    let mut children = Vec::new();
    Problem::schemas(&mut children);
    components.schemas.extend(children);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    set_token_url(&mut openapi, DEFAULT_TOKEN_URL);
    for operation in openapi.paths.paths.values_mut().flat_map(operations) {
        let responses = &mut operation.responses.responses;
        for (status, response) in responses.iter_mut() {
            describe(status, response);
        }
        for (status, description) in [("4XX", "The request was refused"), ("5XX", "The request could not be served")] {
            responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem_response(description)));
        }
    }
    openapi
}

/// "Authorize" of Swagger UI asks there for a token.
pub(crate) fn set_token_url(openapi: &mut OpenApi, url: &str) {
    let password = Flow::Password(Password::new(url, Scopes::new()));
    let components = openapi.components.get_or_insert_with(Components::new);
    components.add_security_scheme(PASSWORD, SecurityScheme::OAuth2(OAuth2::new([password])));
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// OpenAPI asks for a description of every response; the name of the status is one.
fn describe(status: &str, response: &mut RefOr<Response>) {
    if let RefOr::T(response) = response
        && response.description.is_empty()
    {
        let name = StatusCode::from_bytes(status.as_bytes()).ok().and_then(|status| status.canonical_reason());
        name.unwrap_or("Response").clone_into(&mut response.description);
    }
}

fn problem_response(description: &str) -> Response {
    let schema = Ref::from_schema_name(Problem::name());
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", Content::new(Some(schema)))
        .build()
}

/// The page at `/swagger-ui/`: the service's own specification first, then the others.
pub(super) fn swagger_ui(name: &'static str, others: Vec<SpecUrl>) -> SwaggerUi {
    let own = SpecUrl { name: name.to_owned(), url: "/openapi.json".to_owned() };
    let others = if others.is_empty() { local_specs(name) } else { others };
    let urls = std::iter::once(own).chain(others).map(|spec| {
        // The page lives as long as the process.
        let (name, url): (&'static str, &'static str) = (spec.name.leak(), spec.url.leak());
        Url::new(name, url)
    });
    let config = Config::new(urls).persist_authorization(true).display_request_duration(true).try_it_out_enabled(true);
    SwaggerUi::new("/swagger-ui").config(config).oauth(oauth::Config::new().client_id("rtoms"))
}

fn local_specs(own: &str) -> Vec<SpecUrl> {
    let others = SERVICES.into_iter().filter(|(name, _)| *name != own);
    others
        .map(|(name, port)| SpecUrl { name: name.to_owned(), url: format!("http://localhost:{port}/openapi.json") })
        .collect()
}

#[cfg(test)]
mod tests;
