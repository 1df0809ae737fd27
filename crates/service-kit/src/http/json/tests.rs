//! Every kind of bad body, and what it is answered.

use super::*;
use crate::http::rules::line;
use axum::body::Body;
use common::money::Money;
use common::quantity::Quantity;
use serde::Deserialize;

#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Order {
    #[garde(length(min = 1, max = 3), dive)]
    lines: Vec<Line>,
    #[garde(inner(custom(line(5))))]
    ship_to: Option<String>,
    #[garde(skip)]
    #[expect(dead_code, reason = "only its pointer matters")]
    total: Option<Money>,
}

#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    #[garde(skip)]
    quantity: Quantity,
    #[garde(custom(line(3)))]
    product_name: String,
}

async fn read(content_type: &str, body: impl Into<Body>) -> Result<Order, Problem> {
    let request = Request::post("/orders").header(CONTENT_TYPE, content_type).body(body.into()).unwrap();
    Json::from_request(request, &()).await.map(|Json(order)| order)
}

#[tokio::test]
async fn a_good_body_is_read() {
    let body = r#"{"lines":[{"quantity":2,"productName":"tea"}],"shipTo":"Paris"}"#;
    for content_type in ["application/json", "Application/JSON; charset=UTF-8", "application/merge-patch+json"] {
        let order = read(content_type, body).await.unwrap();
        assert_eq!((order.lines[0].quantity.get(), order.lines[0].product_name.as_str()), (2, "tea"));
        assert_eq!(order.ship_to.as_deref(), Some("Paris"));
    }
}

#[tokio::test]
async fn what_has_another_shape_is_named_by_its_pointer() {
    let good = r#"{"quantity":2,"productName":"tea"}"#;
    let wrong = [
        (r#"{"lines":[{"quantity":0,"productName":"tea"}]}"#.to_owned(), "/lines/0/quantity"),
        (r#"{"lines":[{"quantity":10001,"productName":"tea"}]}"#.to_owned(), "/lines/0/quantity"),
        (r#"{"lines":[{"quantity":-1,"productName":"tea"}]}"#.to_owned(), "/lines/0/quantity"),
        (r#"{"lines":[{"quantity":1.5,"productName":"tea"}]}"#.to_owned(), "/lines/0/quantity"),
        (r#"{"lines":[{"quantity":"1","productName":"tea"}]}"#.to_owned(), "/lines/0/quantity"),
        (r#"{"lines":[{"quantity":1}]}"#.to_owned(), "/lines/0/productName"),
        (format!(r#"{{"lines":[{good},{{"quantity":1,"productName":"te\na"}}]}}"#), "/lines/1/productName"),
        (format!(r#"{{"lines":[{good},{{"quantity":1,"productName":"\u0000"}}]}}"#), "/lines/1/productName"),
        (format!(r#"{{"lines":[{good},{{"quantity":1,"productName":"long"}}]}}"#), "/lines/1/productName"),
        (format!(r#"{{"lines":[{good}],"shipTo":"London"}}"#), "/shipTo"),
        (format!(r#"{{"lines":[{good}],"colour":"red"}}"#), "/colour"),
        (format!(r#"[[{good}],null,null]"#), ""),
        (format!(r#"{{"lines":[{good}],"lines":[]}}"#), "/lines"),
        (format!(r#"{{"lines":[{good}],"total":{{"amount":-1,"currency":"USD"}}}}"#), "/total"),
        (format!(r#"{{"lines":[{good}],"total":{{"amount":"1","currency":"USD"}}}}"#), "/total/amount"),
        (r#"{"lines":[]}"#.to_owned(), "/lines"),
        (format!(r#"{{"lines":[{good},{good},{good},{good}]}}"#), "/lines"),
        ("{}".to_owned(), "/lines"),
        ("[]".to_owned(), ""),
        ("null".to_owned(), ""),
    ];
    for (body, pointer) in wrong {
        let problem = read("application/json", body.clone()).await.unwrap_err();
        assert_eq!((problem.status(), problem.code()), (422, "validation_failed"), "{body}");
        assert_eq!(problem.errors()[0].pointer, pointer, "{body}: {}", problem.errors()[0].detail);
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_malformed() {
    let deep = "[".repeat(200);
    let wrong: [&[u8]; 8] = [
        b"",
        b"{",
        br#"{"lines":[{"quantity":NaN,"productName":"tea"}]}"#,
        br#"{"lines":[{"quantity":1e400,"productName":"tea"}]}"#,
        b"{\"lines\":[{\"quantity\":1,\"productName\":\"\xff\"}]}",
        br#"{"lines":[{"quantity":1,"productName":"tea"}]} {}"#,
        br#"{"lines":[{"quantity":1,"productName":"\ud800"}]}"#,
        deep.as_bytes(),
    ];
    for body in wrong {
        let problem = read("application/json", body.to_vec()).await.unwrap_err();
        let text = String::from_utf8_lossy(body);
        assert!(
            matches!((problem.status(), problem.code()), (400, "malformed")) || body == deep.as_bytes(),
            "{text}: {problem}"
        );
        assert!(problem.status() < 500, "{text}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_named_by_its_pointer_too() {
    for (body, pointer) in [
        (r#"{"lines":[{"quantity":NaN,"productName":"tea"}]}"#, "/lines/0/quantity"),
        (r#"{"lines":[{"quantity":1e400,"productName":"tea"}]}"#, "/lines/0/quantity"),
        (r#"{"lines":[{"quantity":1,"productName":"\ud800"}]}"#, "/lines/0/productName"),
        (r#"{"lines":[],"shipTo":"x"} {}"#, ""),
    ] {
        let problem = read("application/json", body).await.unwrap_err();
        assert_eq!((problem.status(), problem.code()), (400, "malformed"), "{body}");
        assert_eq!(problem.errors()[0].pointer, pointer, "{body}: {}", problem.errors()[0].detail);
    }
    let no_utf8 = b"{\"lines\":[{\"quantity\":1,\"productName\":\"\xff\"}]}";
    let problem = read("application/json", no_utf8.to_vec()).await.unwrap_err();
    assert_eq!(problem.errors()[0].pointer, "/lines/0/productName", "{}", problem.errors()[0].detail);
}

#[tokio::test]
async fn another_media_type_is_refused() {
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"] {
        let problem = read(content_type, "{}").await.unwrap_err();
        assert_eq!((problem.status(), problem.code()), (415, "unsupported_media_type"), "{content_type}");
    }
}

#[tokio::test]
async fn a_body_has_a_largest_size() {
    let body = format!(r#"{{"lines":[],"shipTo":"{}"}}"#, "x".repeat(65 * 1024));
    let problem = read("application/json", body).await.unwrap_err();
    assert_eq!((problem.status(), problem.code()), (413, "body_too_large"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_cut() {
    let drops = futures::stream::unfold((), async |()| {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        Some((Ok::<_, std::io::Error>("x"), ()))
    });
    let problem = read("application/json", Body::from_stream(Box::pin(drops))).await.unwrap_err();
    assert_eq!((problem.status(), problem.code()), (408, "request_timeout"));
}

#[tokio::test]
async fn what_a_client_sent_is_not_repeated_without_end() {
    let body = format!(r#"{{"lines":"{}"}}"#, "x".repeat(10_000));
    let problem = read("application/json", body).await.unwrap_err();
    assert!(problem.errors()[0].detail.len() <= MAX_DETAIL);
}
