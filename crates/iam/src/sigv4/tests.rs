use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::*;

mod published;

const SUITE_TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

fn suite_credentials(token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: SecretKey::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: token.map(SessionToken::new),
    }
}

fn s3_credentials() -> Credentials {
    Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_access_key: SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        session_token: None,
    }
}

const SUITE_TIME: OffsetDateTime = datetime!(2015-08-30 12:36 UTC);
const S3_TIME: OffsetDateTime = datetime!(2013-05-24 0:00 UTC);

/// A signed GetSecretValue, spoiled by `spoil`; what the service answers.
fn spoiled(spoil: impl FnOnce(&mut HeaderMap, &mut Vec<u8>)) -> String {
    let mut body = br#"{"SecretId":"kickytime/db"}"#.to_vec();
    let mut headers = headers(&[
        ("host", "secretsmanager.ap-northeast-2.amazonaws.com"),
        ("x-amz-target", "secretsmanager.GetSecretValue"),
    ]);
    let request = HttpRequest {
        method: "POST",
        path: "/",
        query: "",
        headers: &headers,
    };
    let scope = Scope {
        region: "ap-northeast-2",
        service: "secretsmanager",
        at: SUITE_TIME,
    };
    let added = sign(
        &request,
        &suite_credentials(None),
        &scope,
        Payload::Bytes(&body),
    );
    headers.extend(added);
    spoil(&mut headers, &mut body);
    let request = HttpRequest {
        method: "POST",
        path: "/",
        query: "",
        headers: &headers,
    };
    let expected = Expected {
        region: "ap-northeast-2",
        service: "secretsmanager",
        now: SUITE_TIME,
    };
    let secret = suite_credentials(None).secret_access_key;
    let outcome = Presented::read(&request)
        .and_then(|presented| presented.verify(&request, &secret, Some(&body), &expected));
    match outcome {
        Ok(verified) => format!("{verified:?}"),
        Err(error) => format!("{}: {error}", error.code(Dialect::Json)),
    }
}

fn replace(headers: &mut HeaderMap, name: &'static str, from: &str, to: &str) {
    let value = headers[name].to_str().unwrap().replace(from, to);
    headers.insert(name, HeaderValue::from_str(&value).unwrap());
}

#[test]
fn faults_have_the_names_aws_gives_them() {
    insta::assert_snapshot!(spoiled(|_, _| {}), @"Whole");
    insta::assert_snapshot!(spoiled(|_, body| body[0] = b' '), @"InvalidSignatureException: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method");
    insta::assert_snapshot!(spoiled(|headers, _| { headers.remove("authorization"); }), @"MissingAuthenticationTokenException: Request is missing Authentication Token");
    insta::assert_snapshot!(spoiled(|headers, _| replace(headers, "authorization", "Signature=", "Signatur=")), @"IncompleteSignatureException: Authorization header requires `Signature` parameter");
    insta::assert_snapshot!(spoiled(|headers, _| replace(headers, "authorization", "AWS4-HMAC-SHA256", "Bearer")), @"IncompleteSignatureException: Authorization header requires the `AWS4-HMAC-SHA256` algorithm");
    insta::assert_snapshot!(spoiled(|headers, _| replace(headers, "authorization", "ap-northeast-2", "us-east-1")), @"InvalidSignatureException: Credential should be scoped to a valid region `ap-northeast-2`, not `us-east-1`");
    insta::assert_snapshot!(spoiled(|headers, _| replace(headers, "authorization", "host;", "")), @"IncompleteSignatureException: Authorization header requires `host` among the `SignedHeaders`");
    insta::assert_snapshot!(spoiled(|headers, _| replace(headers, "authorization", ";x-amz-target", "")), @"InvalidSignatureException: there were headers present in the request which were not signed: x-amz-target");
    insta::assert_snapshot!(spoiled(|headers, _| replace(headers, "x-amz-target", "Get", "Put")), @"InvalidSignatureException: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method");
    insta::assert_snapshot!(spoiled(|headers, _| replace(headers, "x-amz-date", "T123600Z", "T124200Z")), @"InvalidSignatureException: Signature not yet current: 20150830T124200Z is still later than 20150830T124100Z");
    insta::assert_snapshot!(spoiled(|headers, _| replace(headers, "x-amz-date", "T123600Z", "T123059Z")), @"InvalidSignatureException: Signature expired: 20150830T123059Z is now earlier than 20150830T123100Z");
    insta::assert_snapshot!(spoiled(|headers, _| replace(headers, "x-amz-date", "20150830T", "20150831T")), @"InvalidSignatureException: Credential should be scoped to the day of the request `20150831`, not `20150830`");
}

#[test]
fn an_http_date_serves_where_there_is_no_other() {
    let credential = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
    let mut headers = headers(&[("date", "Sun, 30 Aug 2015 12:36:00 GMT")]);
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={credential},SignedHeaders=date;host,Signature=00");
    headers.insert(
        "authorization",
        HeaderValue::from_str(&authorization).unwrap(),
    );
    let request = HttpRequest {
        method: "GET",
        path: "/",
        query: "",
        headers: &headers,
    };
    let presented = Presented::read(&request).unwrap();
    assert_eq!(presented.signed_at, SUITE_TIME);
    assert_eq!(
        (presented.region.as_str(), presented.service.as_str()),
        ("us-east-1", "service")
    );
}

#[test]
fn secrets_do_not_show() {
    let shown = format!("{:?}", suite_credentials(Some("token-of-gold")));
    assert!(
        !shown.contains("wJalr") && !shown.contains("gold"),
        "{shown}"
    );
}

proptest! {
    /// Whatever is signed verifies, and no longer does when path, query or a header changes.
    #[test]
    fn what_is_signed_verifies_and_nothing_else(
        path in "/[ -~]{0,12}",
        query in "[a-zA-Z0-9%&=+ ./]{0,16}",
        value in "[ -~]{0,12}",
        body in proptest::collection::vec(any::<u8>(), 0..40),
        s3 in any::<bool>(),
    ) {
        let service = if s3 { "s3" } else { "kms" };
        let mut all = headers(&[("host", "h"), ("x-value", &value)]);
        let request = HttpRequest { method: "PUT", path: &path, query: &query, headers: &all };
        let scope = Scope { region: "r", service, at: SUITE_TIME };
        let credentials = suite_credentials(None);
        let added = sign(&request, &credentials, &scope, Payload::Bytes(&body));
        all.extend(added);
        let expected = Expected { region: "r", service, now: SUITE_TIME };
        let verify = |path: &str, query: &str, headers: &HeaderMap, body: &[u8]| {
            let request = HttpRequest { method: "PUT", path, query, headers };
            let presented = Presented::read(&request)?;
            presented.verify(&request, &credentials.secret_access_key, Some(body), &expected)
        };
        prop_assert!(verify(&path, &query, &all, &body).is_ok());
        prop_assert!(verify(&[path.as_str(), "x"].concat(), &query, &all, &body).is_err());
        prop_assert!(verify(&path, &[query.as_str(), "&x=1"].concat(), &all, &body).is_err());
        let other_body = [body.as_slice(), b"!"].concat();
        prop_assert!(verify(&path, &query, &all, &other_body).is_err());
        all.insert("x-value", HeaderValue::from_static("another value altogether"));
        prop_assert!(verify(&path, &query, &all, &body).is_err());
    }

    #[test]
    fn reading_a_signature_never_panics(header in ".{0,80}", query in "\\PC{0,80}") {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&format!("AWS4-HMAC-SHA256 {header}")) {
            headers.insert("authorization", value);
        }
        headers.insert("x-amz-date", HeaderValue::from_static("20150830T123600Z"));
        let request = HttpRequest { method: "GET", path: "/", query: &query, headers: &headers };
        drop(Presented::read(&request));
        headers.remove("authorization");
        let request = HttpRequest { method: "GET", path: "/", query: &query, headers: &headers };
        drop(Presented::read(&request));
    }
}
