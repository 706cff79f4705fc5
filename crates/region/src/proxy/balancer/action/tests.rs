use http::Request;
use http_body_util::BodyExt;

use super::*;

fn to_location(redirect: &Redirect, uri: &str, authority: &str) -> String {
    let (parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
    let asked = Asked {
        parts: &parts,
        authority,
        source: "::1".parse().unwrap(),
    };
    location(
        redirect,
        &asked,
        Own {
            secure: false,
            port: 80,
        },
    )
}

#[test]
fn a_redirect_fills_its_placeholders_once() {
    let to_https = Redirect {
        protocol: "HTTPS".into(),
        host: "#{host}".into(),
        port: "443".into(),
        path: "/#{path}".into(),
        query: "#{query}".into(),
        status: StatusCode::MOVED_PERMANENTLY,
    };
    insta::assert_snapshot!(to_location(&to_https, "/api/matches?a=b", "kickytime.example:80"),
        @"https://kickytime.example:443/api/matches?a=b");
    insta::assert_snapshot!(to_location(&to_https, "/", "kickytime.example"), @"https://kickytime.example:443/");
    insta::assert_snapshot!(to_location(&to_https, "/?x=", "[::1]:80"), @"https://[::1]:443/?x=");
    let elsewhere = Redirect {
        protocol: "#{protocol}".into(),
        host: "www.#{host}".into(),
        port: "#{port}".into(),
        path: "/new/#{path}/#{unknown}".into(),
        query: "from=#{path}".into(),
        status: StatusCode::FOUND,
    };
    insta::assert_snapshot!(to_location(&elsewhere, "/old", "a.example"),
        @"http://www.a.example:80/new/old/#{unknown}?from=old");
}

#[tokio::test]
async fn error_pages_are_the_load_balancers_own() {
    let response = page(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[SERVER], "awselb/2.0");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len(), 162);
    assert_eq!(
        page(StatusCode::BAD_GATEWAY)
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .len(),
        122
    );
    assert_eq!(
        page(StatusCode::GATEWAY_TIMEOUT)
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .len(),
        132
    );
}
