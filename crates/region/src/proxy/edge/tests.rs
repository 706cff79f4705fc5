//! An edge on real sockets, with real origins behind it.

mod bed;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bed::{Bed, distribution, origin, s3_origin};
use http::HeaderValue;

use super::*;
use crate::blueprint::distribution::{
    ErrorResponse, OriginRequest, ResponseHeader, ViewerRequestFunction,
};
use crate::serve::full;

/// Answers with what arrived, sorted, without what changes from run to run.
async fn echo(request: Request<Incoming>) -> Response<Body> {
    let mut lines: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .filter(|line| !line.starts_with("x-amz-cf-id") && !line.starts_with("via"))
        .collect();
    lines.sort();
    Response::new(full(format!(
        "{} {}\n{}",
        request.method(),
        request.uri(),
        lines.join("\n")
    )))
}

#[tokio::test]
async fn an_api_origin_gets_the_viewers_request_and_the_secret() {
    let bed = Bed::start(distribution(), origin(echo).await, None).await;
    let sent = [
        ("cookie", "a=b"),
        ("x-origin-secret", "guessed"),
        ("x-forwarded-for", "192.0.2.1"),
    ];
    let response = bed.get_with("/api/matches?a=b", &sent).await;
    insta::assert_snapshot!(response.text(), @r"
    GET /api/matches?a=b
    cookie: a=b
    host: origin.kickytime.example
    x-forwarded-for: 192.0.2.1, 127.0.0.1
    x-origin-secret: s3cret
    ");
    assert_eq!(response.field("x-cache"), "Miss from cloudfront");
    assert_eq!(response.field("x-amz-cf-pop"), "ICN57-P1");
    assert!(
        response.field("via").starts_with("1.1 ")
            && response
                .field("via")
                .ends_with(".cloudfront.net (CloudFront)")
    );
}

#[tokio::test]
async fn the_host_field_follows_the_policy() {
    let mut with_host = distribution();
    with_host.behaviors[0].origin_request = OriginRequest::AllViewer;
    let bed = Bed::start(with_host, origin(echo).await, None).await;
    assert!(
        bed.get("/api/x")
            .await
            .text()
            .contains("host: kickytime.example\n")
    );
    let mut key_only = distribution();
    key_only.behaviors[0].origin_request = OriginRequest::KeyOnly;
    let bed = Bed::start(key_only, origin(echo).await, None).await;
    let arrived = bed
        .get_with("/api/x?q=1", &[("cookie", "a=b")])
        .await
        .text();
    assert!(
        arrived.starts_with("GET /api/x\n") && !arrived.contains("cookie"),
        "{arrived}"
    );
    assert!(
        arrived.contains("user-agent: Amazon CloudFront"),
        "{arrived}"
    );
}

#[tokio::test]
async fn what_the_distribution_does_not_serve_is_refused() {
    let bed = Bed::start(distribution(), origin(echo).await, None).await;
    assert_eq!(bed.request("DELETE", "/index.html", &[]).await.status, 403);
    assert_eq!(bed.request("DELETE", "/api/x", &[]).await.status, 200);
    // an empty segment before `api` makes it another path
    assert_eq!(bed.request("DELETE", "//api/x", &[]).await.status, 403);
    assert_eq!(
        bed.get_with("/", &[("host", "other.example")]).await.status,
        403
    );
    let plain = bed
        .plain("GET /a?b=c HTTP/1.1\r\nhost: kickytime.example\r\nconnection: close\r\n\r\n")
        .await;
    assert!(
        plain.starts_with("HTTP/1.1 301 Moved Permanently\r\n"),
        "{plain}"
    );
    assert!(
        plain.contains("location: https://kickytime.example/a?b=c\r\n"),
        "{plain}"
    );
    assert!(
        plain.contains("x-cache: Redirect from cloudfront\r\n"),
        "{plain}"
    );
    let refused = bed
        .plain("GET /api/a HTTP/1.1\r\nhost: kickytime.example\r\nconnection: close\r\n\r\n")
        .await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
}

/// An S3-like origin that counts requests and knows two objects.
async fn counted() -> (bed::Origin, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let there = Arc::clone(&count);
    let origin = s3_origin(move |request: Request<Incoming>| {
        there.fetch_add(1, Ordering::Relaxed);
        async move {
            let mut response = match request.uri().path() {
                "/web/index.html" => Response::new(full("<html>")),
                "/web/app.js" => Response::new(full("js")),
                _ => {
                    let mut missing = Response::new(full("<Error>AccessDenied</Error>"));
                    *missing.status_mut() = StatusCode::FORBIDDEN;
                    return missing;
                }
            };
            let tag = HeaderValue::from_static("\"v1\"");
            if request.headers().get(header::IF_NONE_MATCH) == Some(&tag) {
                response = Response::new(empty());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
            }
            response.headers_mut().insert(header::ETAG, tag);
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
            response
        }
    })
    .await;
    (origin, count)
}

#[tokio::test]
async fn objects_are_kept_and_asked_for_again_only_when_old() {
    let (web, count) = counted().await;
    let bed = Bed::start(distribution(), origin(echo).await, Some(web)).await;
    let first = bed.get("/app.js").await;
    assert_eq!(
        (first.text(), first.field("x-cache")),
        ("js".to_owned(), "Miss from cloudfront".to_owned())
    );
    let second = bed.get("/app.js?version=2").await;
    assert_eq!(
        (second.text(), second.field("x-cache")),
        ("js".to_owned(), "Hit from cloudfront".to_owned())
    );
    assert_eq!(
        count.load(Ordering::Relaxed),
        1,
        "the query is not in the key"
    );
    let has_it = bed
        .get_with("/app.js", &[("if-none-match", "\"v1\"")])
        .await;
    assert_eq!((has_it.status, has_it.text().as_str()), (304, ""));
    let head = bed.request("HEAD", "/app.js", &[]).await;
    assert_eq!(
        (head.status, head.field("x-cache").as_str()),
        (200, "Hit from cloudfront")
    );
    // until the object is old; a condition, with a deadline
    let refreshed = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let again = bed.get("/app.js").await;
            if again.field("x-cache") != "Hit from cloudfront" {
                return again;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let refreshed = refreshed.await.unwrap();
    assert_eq!(
        (refreshed.text(), refreshed.field("x-cache")),
        ("js".to_owned(), "RefreshHit from cloudfront".to_owned())
    );
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn pages_of_the_application_come_from_its_index() {
    let (web, _) = counted().await;
    let mut with_function = distribution();
    with_function.default_behavior.viewer_request = Some(ViewerRequestFunction::PageToIndex);
    let bed = Bed::start(with_function, origin(echo).await, Some(web)).await;
    for page in ["/", "/matches/7", "/me?lang=ko"] {
        assert_eq!(bed.get(page).await.text(), "<html>", "{page}");
    }
    let missing = bed.get("/missing.js").await;
    assert_eq!(
        (missing.status, missing.field("x-cache").as_str()),
        (403, "Error from cloudfront")
    );
}

#[tokio::test]
async fn errors_have_pages_if_wanted() {
    let (web, _) = counted().await;
    let mut with_pages = distribution();
    with_pages.default_root_object = Some("index.html".into());
    with_pages.error_responses = [(
        403,
        ErrorResponse {
            page_path: "/index.html".into(),
            status: 200,
        },
    )]
    .into();
    let bed = Bed::start(with_pages, origin(echo).await, Some(web)).await;
    let page = bed.get("/matches/7").await;
    assert_eq!((page.status, page.text().as_str()), (200, "<html>"));
    assert_eq!(page.field("x-cache"), "Error from cloudfront");
}

#[tokio::test]
async fn response_fields_are_added_or_replaced() {
    let (web, _) = counted().await;
    let field = |name: &str, overrides| ResponseHeader {
        name: name.into(),
        value: "policy".into(),
        overrides,
    };
    let mut with_fields = distribution();
    with_fields.default_behavior.response_headers = vec![
        field("Content-Security-Policy", true),
        field("Cache-Control", false),
        field("ETag", true),
    ];
    let bed = Bed::start(with_fields, origin(echo).await, Some(web)).await;
    let response = bed.get("/app.js").await;
    assert_eq!(response.field("content-security-policy"), "policy");
    assert_eq!(response.field("cache-control"), "max-age=1");
    assert_eq!(response.field("etag"), "policy");
}

#[tokio::test]
async fn a_bucket_sees_a_good_signature_of_ours_and_none_of_the_viewers() {
    let web = s3_origin(echo).await;
    let bed = Bed::start(distribution(), origin(echo).await, Some(web)).await;
    let response = bed
        .get_with(
            "/app.js?x=y",
            &[("authorization", "Bearer mine"), ("x-amz-date", "1")],
        )
        .await;
    let arrived = response.text();
    assert!(arrived.starts_with("GET /web/app.js\n"), "{arrived}");
    assert!(
        arrived.contains("authorization: AWS4-HMAC-SHA256 Credential=AKIAEDGE/"),
        "{arrived}"
    );
    assert!(
        arrived.contains("/ap-northeast-2/s3/aws4_request"),
        "{arrived}"
    );
    assert!(
        arrived.contains("host: web.s3.ap-northeast-2.amazonaws.com"),
        "{arrived}"
    );
    assert!(
        !arrived.contains("Bearer") && !arrived.contains("x-amz-date: 1\n"),
        "{arrived}"
    );
}

#[tokio::test]
async fn an_origin_that_fails_gets_a_page_of_its_kind() {
    // refused
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = bed::Origin::at(closed.local_addr().unwrap());
    drop(closed);
    let bed = Bed::start(distribution(), refused, None).await;
    let page = bed.get("/api/x").await;
    assert_eq!(
        (page.status, page.field("x-cache").as_str()),
        (502, "Error from cloudfront")
    );
    assert_eq!(page.field("server"), "CloudFront");

    // a certificate for another name
    let mut other_name = distribution();
    other_name.origins.get_mut(&bed::api()).unwrap().domain_name = "other.example".into();
    let bed = Bed::start(other_name, origin(echo).await, None).await;
    assert_eq!(bed.get("/api/x").await.status, 502);

    // a name nobody knows
    let mut no_name = distribution();
    no_name.origins.get_mut(&bed::api()).unwrap().domain_name = "nobody.example".into();
    let bed = Bed::start(no_name, origin(echo).await, None).await;
    assert!(
        bed.get("/api/x")
            .await
            .text()
            .contains("resolve the origin domain name")
    );

    // silence
    let mut hasty = distribution();
    hasty.origins.get_mut(&bed::api()).unwrap().read_timeout = Duration::from_millis(100);
    let silent = origin(|_| std::future::pending::<Response<Body>>()).await;
    let bed = Bed::start(hasty, silent, None).await;
    assert_eq!(bed.get("/api/x").await.status, 504);
}
