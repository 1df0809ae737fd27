use super::*;
use crate::http::{Json, Nothing, Page, Paging, PagingParams, Path, Query};
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

#[derive(Serialize, ToSchema)]
struct Thing {
    id: Uuid,
}

#[derive(Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "only the specification is looked at")]
struct Filter {
    #[garde(skip)]
    in_stock: Option<bool>,
}

#[utoipa::path(get, path = "/v1/things", params(PagingParams, Filter), responses((status = 200, body = Page<Thing>)),
    security(()))]
async fn list(_: Paging<Uuid>, _: Query<Filter>) -> Page<Thing> {
    Page::whole(Vec::new())
}

#[utoipa::path(get, path = "/v1/things/{id}", params(("id" = Uuid, Path)), responses((status = 200, body = Thing)),
    security(("bearer" = []), ("password" = [])))]
async fn read(Path(id): Path<Uuid>, _: Json<Nothing>) -> Json<Thing> {
    Json(Thing { id })
}

#[test]
fn a_specification_is_complete() {
    let router: OpenApiRouter = OpenApiRouter::new().routes(routes!(list)).routes(routes!(read));
    let mut openapi = document("RTOMS things", "Things", router.into_openapi());
    set_token_url(&mut openapi, "https://issuer.example/token");
    let spec: Value = serde_json::to_value(&openapi).unwrap();
    assert_eq!(spec["openapi"], "3.1.0");
    assert_eq!(spec["info"]["license"]["identifier"], "Apache-2.0");
    let list = &spec["paths"]["/v1/things"]["get"];
    let names: Vec<&str> =
        list["parameters"].as_array().unwrap().iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["limit", "cursor", "inStock"]);
    assert_eq!(
        list["responses"]["4XX"]["content"]["application/problem+json"]["schema"]["$ref"],
        "#/components/schemas/Problem"
    );
    assert_eq!(list["responses"]["200"]["description"], "OK");
    let problem = &spec["components"]["schemas"]["Problem"];
    assert_eq!(problem["required"], serde_json::json!(["type", "title", "status", "code", "detail"]));
    assert!(problem["properties"].get("header").is_none());
    assert_eq!(problem["properties"]["errors"]["items"]["$ref"], "#/components/schemas/FieldError");
    assert!(spec["components"]["schemas"]["FieldError"].is_object());
    let schemes = &spec["components"]["securitySchemes"];
    assert_eq!(schemes[BEARER]["scheme"], "bearer");
    assert_eq!(schemes[PASSWORD]["flows"]["password"]["tokenUrl"], "https://issuer.example/token");
}
