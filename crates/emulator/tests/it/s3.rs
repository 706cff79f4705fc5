use bytes::Bytes;
use emulator::{BucketSeed, Credentials, Encryption, Tags};
use http::{Request, Response};
use serde_json::json;

use crate::support::*;

const DISTRIBUTION: &str = "arn:aws:cloudfront::111122223333:distribution/E2EXAMPLE";

pub(crate) fn seed_with_buckets() -> emulator::Seed {
    let mut seed = seed();
    seed.buckets.push(BucketSeed {
        name: "web".into(),
        policy: Some(document(&json!({ "Version": "2012-10-17", "Statement": [
            { "Sid": "Distribution", "Effect": "Allow",
              "Principal": { "Service": "cloudfront.amazonaws.com" },
              "Action": "s3:GetObject", "Resource": "arn:aws:s3:::web/*",
              "Condition": { "StringEquals": { "AWS:SourceArn": DISTRIBUTION } } },
        ] }))),
        encryption: Encryption::Kms {
            key: KEY_ARN.into(),
            bucket_key: false,
        },
        tags: Tags::new(),
    });
    seed.buckets.push(BucketSeed {
        name: "access-logs".into(),
        policy: None,
        encryption: Encryption::S3,
        tags: Tags::new(),
    });
    seed.keys[0].policy = document(&json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:root") },
          "Action": "kms:*", "Resource": "*" },
        { "Sid": "Origin", "Effect": "Allow", "Principal": { "Service": "cloudfront.amazonaws.com" },
          "Action": "kms:Decrypt", "Resource": "*",
          "Condition": { "StringEquals": { "AWS:SourceArn": DISTRIBUTION,
              "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::web/index.html" } } },
    ] }));
    seed
}

fn send(
    account: &Account,
    who: Option<&Credentials>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response<Bytes> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", format!("web.s3.{REGION}.amazonaws.com"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::from(body.to_owned())).unwrap();
    let request = match who {
        Some(who) => account.signed(who, "s3", request),
        None => request,
    };
    account.emulator.handle(&request, &direct())
}

fn code(response: &Response<Bytes>) -> (u16, String) {
    let body = String::from_utf8_lossy(response.body()).into_owned();
    let code = body
        .split("<Code>")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    (
        response.status().as_u16(),
        code.unwrap_or_default().to_owned(),
    )
}

#[test]
fn an_object_comes_back_as_it_was_put() {
    let account = Account::with(seed_with_buckets());
    let who = account.operator();
    let put = send(
        &account,
        Some(&who),
        "PUT",
        "/a%20b/%ED%95%9C.txt",
        &[
            ("content-type", "text/plain"),
            ("cache-control", "max-age=60"),
            ("x-amz-meta-colour", "red"),
        ],
        "hello",
    );
    assert_eq!(put.status().as_u16(), 200, "{put:?}");
    let got = send(&account, Some(&who), "GET", "/a%20b/%ED%95%9C.txt", &[], "");
    assert_eq!(got.body(), "hello");
    let header = |name: &str| got.headers()[name].to_str().unwrap();
    assert_eq!(header("content-type"), "text/plain");
    assert_eq!(header("x-amz-meta-colour"), "red");
    assert_eq!(header("x-amz-server-side-encryption"), "aws:kms");
    assert_eq!(header("last-modified"), "Sun, 22 Nov 2026 10:00:00 GMT");
    assert_eq!(got.headers()["etag"], put.headers()["etag"]);
    let head = send(
        &account,
        Some(&who),
        "HEAD",
        "/a%20b/%ED%95%9C.txt",
        &[],
        "",
    );
    assert_eq!(
        (head.body().len(), &head.headers()["content-length"]),
        (0, &"5".parse().unwrap())
    );
    let part = send(
        &account,
        Some(&who),
        "GET",
        "/a%20b/%ED%95%9C.txt",
        &[("range", "bytes=1-2")],
        "",
    );
    assert_eq!(
        (part.status().as_u16(), part.body().as_ref()),
        (206, b"el".as_slice())
    );
    assert_eq!(part.headers()["content-range"], "bytes 1-2/5");
    let etag = header("etag").to_owned();
    let same = send(
        &account,
        Some(&who),
        "GET",
        "/a%20b/%ED%95%9C.txt",
        &[("if-none-match", &etag)],
        "",
    );
    assert_eq!((same.status().as_u16(), same.body().len()), (304, 0));
    assert_eq!(
        send(
            &account,
            Some(&who),
            "DELETE",
            "/a%20b/%ED%95%9C.txt",
            &[],
            ""
        )
        .status()
        .as_u16(),
        204
    );
    let gone = send(&account, Some(&who), "GET", "/a%20b/%ED%95%9C.txt", &[], "");
    assert_eq!(code(&gone), (404, "NoSuchKey".into()));
}

#[test]
fn a_distribution_reads_its_origin_and_nobody_else_does() {
    let account = Account::with(seed_with_buckets());
    account
        .emulator
        .put_object("web", "index.html", "text/html", b"<!doctype html>")
        .unwrap();
    account
        .emulator
        .put_object("web", "other.html", "text/html", b"x")
        .unwrap();
    account
        .emulator
        .put_object("none", "index.html", "text/html", b"")
        .unwrap_err();
    let get = |source: &str, path: &str| {
        let who = account
            .emulator
            .service_session("cloudfront.amazonaws.com", source);
        send(&account, Some(&who), "GET", path, &[], "")
    };
    assert_eq!(get(DISTRIBUTION, "/index.html").body(), "<!doctype html>");
    let denied = (403, "AccessDenied".to_owned());
    assert_eq!(
        code(&get(
            "arn:aws:cloudfront::111122223333:distribution/OTHER",
            "/index.html"
        )),
        denied
    );
    assert_eq!(
        code(&get(DISTRIBUTION, "/other.html")),
        denied,
        "the key policy names one object"
    );
    assert_eq!(
        code(&get(DISTRIBUTION, "/missing")),
        denied,
        "who may not list does not learn what is missing"
    );
    assert_eq!(
        code(&send(&account, None, "GET", "/index.html", &[], "")),
        denied,
        "anonymous"
    );
    assert_eq!(
        code(&send(
            &account,
            Some(&account.task()),
            "GET",
            "/index.html",
            &[],
            ""
        )),
        denied
    );
}

#[test]
fn a_wrong_checksum_or_body_is_refused() {
    let account = Account::with(seed_with_buckets());
    let who = account.operator();
    let put = |name: &'static str, value: &str| {
        code(&send(
            &account,
            Some(&who),
            "PUT",
            "/k",
            &[(name, value)],
            "123456789",
        ))
    };
    assert_eq!(put("x-amz-checksum-crc32", "y/Q5Jg==").0, 200);
    assert_eq!(
        put("x-amz-checksum-crc32", "AAAAAA=="),
        (400, "BadDigest".into())
    );
    assert_eq!(put("x-amz-server-side-encryption", "AES256").0, 501);
    let mut request = Request::put("/k")
        .header("host", format!("web.s3.{REGION}.amazonaws.com"))
        .body(Bytes::from("signed"))
        .unwrap();
    request = account.signed(&who, "s3", request);
    *request.body_mut() = Bytes::from("forged");
    let answer = code(&account.emulator.handle(&request, &direct()));
    assert_eq!(answer, (400, "XAmzContentSHA256Mismatch".into()));
}

#[test]
fn objects_survive_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let before = Account::open(seed_with_buckets(), Some(directory.path())).unwrap();
    let who = before.operator();
    send(&before, Some(&who), "PUT", "/k", &[], "a private page");
    drop(before);
    let after = Account::open(seed_with_buckets(), Some(directory.path())).unwrap();
    assert_eq!(
        send(&after, Some(&who), "GET", "/k", &[], "").body(),
        "a private page"
    );
    let listing = send(&after, Some(&who), "GET", "/?list-type=2", &[], "");
    assert!(
        String::from_utf8_lossy(listing.body()).contains("<Key>k</Key>"),
        "{listing:?}"
    );
    let mut seen = 0;
    for bucket in std::fs::read_dir(directory.path().join("s3")).unwrap() {
        for file in std::fs::read_dir(bucket.unwrap().path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(7).any(|part| part == b"private"));
            seen += 1;
        }
    }
    assert_eq!(seen, 1);
}
