//! AWS's published vectors: the signature test suite, and the worked examples of
//! the IAM User Guide and the S3 API Reference.

use super::*;

/// Signs, compares with the published signature, and verifies what was signed.
fn check(
    name: &str,
    request: HttpRequest<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    body: &[u8],
    published: &str,
) {
    let added = sign(&request, credentials, &scope, Payload::Bytes(body));
    let authorization = added["authorization"].to_str().unwrap();
    let (_, signature) = authorization.rsplit_once("Signature=").unwrap();
    assert_eq!(signature, published, "{name}");

    let mut headers = request.headers.clone();
    headers.extend(added);
    let request = HttpRequest {
        headers: &headers,
        ..request
    };
    let presented = Presented::read(&request).unwrap();
    let expected = Expected {
        region: scope.region,
        service: scope.service,
        now: scope.at,
    };
    let verified = presented.verify(
        &request,
        &credentials.secret_access_key,
        Some(body),
        &expected,
    );
    assert!(
        matches!(verified, Ok(Verified::Whole)),
        "{name}: {verified:?}"
    );
}

/// The cases of AWS's "Signature Version 4 test suite" that need no folded headers.
#[test]
fn published_test_suite() {
    let unreserved = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let unreserved_query = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    type Case<'a> = (
        &'a str,
        &'a str,
        &'a str,
        &'a str,
        &'a [(&'a str, &'a str)],
        &'a str,
        &'a str,
    );
    let cases: &[Case<'_>] = &[
        ("get-vanilla", "GET", "/", "", &[], "", vanilla),
        ("get-vanilla-query", "GET", "/", "", &[], "", vanilla),
        (
            "normalize-path/get-slash",
            "GET",
            "//",
            "",
            &[],
            "",
            vanilla,
        ),
        (
            "normalize-path/get-slash-dot-slash",
            "GET",
            "/./",
            "",
            &[],
            "",
            vanilla,
        ),
        (
            "normalize-path/get-relative",
            "GET",
            "/example/..",
            "",
            &[],
            "",
            vanilla,
        ),
        (
            "normalize-path/get-relative-relative",
            "GET",
            "/example1/example2/../..",
            "",
            &[],
            "",
            vanilla,
        ),
        (
            "get-vanilla-empty-query-key",
            "GET",
            "/",
            "Param1=value1",
            &[],
            "",
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            "/",
            "Param2=value2&Param1=value1",
            &[],
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-vanilla-query-unreserved",
            "GET",
            "/",
            unreserved_query,
            &[],
            "",
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
        (
            "get-vanilla-query-order-value",
            "GET",
            "/",
            "Param1=value2&Param1=value1",
            &[],
            "",
            "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
        ),
        (
            "get-vanilla-query-order-encoded",
            "GET",
            "/",
            "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            &[],
            "",
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            "get-unreserved",
            "GET",
            unreserved,
            "",
            &[],
            "",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        (
            "get-utf8",
            "GET",
            "/ሴ",
            "",
            &[],
            "",
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        ),
        (
            "get-vanilla-utf8-query",
            "GET",
            "/",
            "ሴ=bar",
            &[],
            "",
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
        (
            "get-header-key-duplicate",
            "GET",
            "/",
            "",
            &[
                ("my-header1", "value2"),
                ("my-header1", "value2"),
                ("my-header1", "value1"),
            ],
            "",
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "get-header-value-order",
            "GET",
            "/",
            "",
            &[
                ("my-header1", "value4"),
                ("my-header1", "value1"),
                ("my-header1", "value3"),
                ("my-header1", "value2"),
            ],
            "",
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        (
            "get-header-value-trim",
            "GET",
            "/",
            "",
            &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            "",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "post-vanilla",
            "POST",
            "/",
            "",
            &[],
            "",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-header-key-sort",
            "POST",
            "/",
            "",
            &[("my-header1", "value1")],
            "",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        (
            "post-x-www-form-urlencoded",
            "POST",
            "/",
            "",
            &form,
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ];
    let scope = Scope {
        region: "us-east-1",
        service: "service",
        at: SUITE_TIME,
    };
    for (name, method, path, query, extra, body, published) in cases {
        let mut headers = headers(extra);
        headers.insert("host", HeaderValue::from_static("example.amazonaws.com"));
        let request = HttpRequest {
            method,
            path,
            query,
            headers: &headers,
        };
        check(
            name,
            request,
            &suite_credentials(None),
            scope,
            body.as_bytes(),
            published,
        );
    }
}

#[test]
fn published_session_token_case() {
    let headers = headers(&[("host", "example.amazonaws.com")]);
    let request = HttpRequest {
        method: "POST",
        path: "/",
        query: "",
        headers: &headers,
    };
    check(
        "post-sts-header-before",
        request,
        &suite_credentials(Some(SUITE_TOKEN)),
        Scope {
            region: "us-east-1",
            service: "service",
            at: SUITE_TIME,
        },
        b"",
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    );
}

/// The worked example of "Create a signed AWS API request".
#[test]
fn published_iam_example() {
    let headers = headers(&[
        (
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        ),
        ("host", "iam.amazonaws.com"),
    ]);
    let query = "Action=ListUsers&Version=2010-05-08";
    let request = HttpRequest {
        method: "GET",
        path: "/",
        query,
        headers: &headers,
    };
    check(
        "ListUsers",
        request,
        &suite_credentials(None),
        Scope {
            region: "us-east-1",
            service: "iam",
            at: SUITE_TIME,
        },
        b"",
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    );
}

/// The worked examples of the S3 API Reference, "Authenticating requests: using the Authorization header".
#[test]
fn published_s3_examples() {
    type Case<'a> = (
        &'a str,
        &'a str,
        &'a str,
        &'a [(&'a str, &'a str)],
        &'a [u8],
        &'a str,
    );
    let cases: [Case<'_>; 4] = [
        (
            "GET",
            "/test.txt",
            "",
            &[("range", "bytes=0-9")],
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test%24file.text",
            "",
            &[
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/",
            "lifecycle",
            &[],
            b"",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "/",
            "max-keys=2&prefix=J",
            &[],
            b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ];
    for (method, path, query, extra, body, published) in cases {
        let mut headers = headers(extra);
        headers.insert(
            "host",
            HeaderValue::from_static("examplebucket.s3.amazonaws.com"),
        );
        let request = HttpRequest {
            method,
            path,
            query,
            headers: &headers,
        };
        let scope = Scope {
            region: "us-east-1",
            service: "s3",
            at: S3_TIME,
        };
        check(path, request, &s3_credentials(), scope, body, published);
    }
}

/// "Authenticating requests: using query parameters".
#[test]
fn published_presigned_url() {
    let headers = headers(&[("host", "examplebucket.s3.amazonaws.com")]);
    let request = HttpRequest {
        method: "GET",
        path: "/test.txt",
        query: "",
        headers: &headers,
    };
    let scope = Scope {
        region: "us-east-1",
        service: "s3",
        at: S3_TIME,
    };
    let query = presign(&request, &s3_credentials(), &scope, 86_400);
    assert!(
        query.ends_with(
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        ),
        "{query}"
    );
    let request = HttpRequest {
        query: &query,
        ..request
    };
    let at = |now| {
        let expected = Expected {
            region: "us-east-1",
            service: "s3",
            now,
        };
        let presented = Presented::read(&request).unwrap();
        presented.verify(
            &request,
            &s3_credentials().secret_access_key,
            Some(b""),
            &expected,
        )
    };
    assert!(matches!(
        at(S3_TIME + Duration::hours(24)),
        Ok(Verified::Unsigned)
    ));
    let late = at(S3_TIME + Duration::hours(24) + Duration::SECOND).unwrap_err();
    assert_eq!(
        (late.code(Dialect::S3), late.to_string().as_str()),
        ("AccessDenied", "Request has expired")
    );
}

/// Signs a chunked upload of S3's documentation and verifies it, up to the body.
fn chunked_upload(
    extra: &[(&str, &str)],
    payload: Payload<'_>,
    published: &str,
) -> chunked::Decoder {
    let mut headers = headers(&[
        ("host", "s3.amazonaws.com"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
    ]);
    headers.extend(self::headers(extra));
    let unsigned = headers.clone();
    let path = "/examplebucket/chunkObject.txt";
    let request = HttpRequest {
        method: "PUT",
        path,
        query: "",
        headers: &unsigned,
    };
    let scope = Scope {
        region: "us-east-1",
        service: "s3",
        at: S3_TIME,
    };
    let added = sign(&request, &s3_credentials(), &scope, payload);
    assert!(
        added["authorization"]
            .to_str()
            .unwrap()
            .ends_with(published),
        "{added:?}"
    );
    headers.extend(added);
    let request = HttpRequest {
        headers: &headers,
        ..request
    };
    let expected = Expected {
        region: "us-east-1",
        service: "s3",
        now: S3_TIME,
    };
    let presented = Presented::read(&request).unwrap();
    match presented.verify(
        &request,
        &s3_credentials().secret_access_key,
        None,
        &expected,
    ) {
        Ok(Verified::Chunks(decoder)) => decoder,
        other => panic!("{other:?}"),
    }
}

/// 66,560 times `a` in chunks of at most 64 KiB, with these signatures.
fn chunks(signatures: [&str; 3]) -> Vec<u8> {
    let mut body = Vec::new();
    for (size, signature) in [65536, 1024, 0].into_iter().zip(signatures) {
        let separator = if signature.is_empty() {
            ""
        } else {
            ";chunk-signature="
        };
        body.extend(format!("{size:x}{separator}{signature}\r\n").into_bytes());
        if size > 0 {
            body.extend(std::iter::repeat_n(b'a', size));
            body.extend(b"\r\n");
        }
    }
    body
}

/// Sizes of the chunks and the trailer of a whole body.
fn decode_all(
    mut decoder: chunked::Decoder,
    body: &[u8],
) -> Result<(Vec<usize>, Vec<(String, String)>), chunked::ChunkError> {
    let (mut sizes, mut rest) = (Vec::new(), body);
    loop {
        match decoder.decode(rest)? {
            chunked::Step::Incomplete => panic!("the body is complete"),
            chunked::Step::Chunk { data, consumed } => {
                sizes.push(data.len());
                rest = &rest[consumed..];
            }
            chunked::Step::End { trailers, consumed } => {
                assert_eq!(consumed, rest.len());
                return Ok((sizes, trailers));
            }
        }
    }
}

/// "Signature calculations for the Authorization header: transferring payload in multiple chunks".
#[test]
fn published_chunked_upload() {
    let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    let decoder = chunked_upload(&[("content-length", "66824")], Payload::Streaming, seed);
    let mut body = chunks([
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]);
    body.extend(b"\r\n");
    assert_eq!(
        decoder.clone().decode(&body[..1000]),
        Ok(chunked::Step::Incomplete)
    );
    assert_eq!(
        decode_all(decoder.clone(), &body),
        Ok((vec![65536, 1024], vec![]))
    );
    body[100] = b'b';
    assert_eq!(
        decode_all(decoder, &body),
        Err(chunked::ChunkError::SignatureDoesNotMatch)
    );
}

/// "… including trailing headers".
#[test]
fn published_chunked_upload_with_trailer() {
    let decoder = chunked_upload(
        &[("x-amz-trailer", "x-amz-checksum-crc32c")],
        Payload::StreamingTrailer,
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    );
    let mut body = chunks([
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ]);
    body.extend(b"x-amz-checksum-crc32c:sOO8/Q==\r\n");
    let signature = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
    let signed = [
        body.clone(),
        format!("x-amz-trailer-signature:{signature}\r\n\r\n").into_bytes(),
    ]
    .concat();
    let trailers = vec![("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned())];
    assert_eq!(
        decode_all(decoder.clone(), &signed),
        Ok((vec![65536, 1024], trailers))
    );
    let unsigned = [body, b"\r\n".to_vec()].concat();
    assert_eq!(
        decode_all(decoder, &unsigned),
        Err(chunked::ChunkError::SignatureDoesNotMatch)
    );
}

#[test]
fn unsigned_chunks_with_trailer() {
    let decoder = chunked_upload(&[], Payload::UnsignedTrailer, "");
    let body = [
        chunks(["", "", ""]),
        b"x-amz-checksum-crc32:AAAA\r\n\r\n".to_vec(),
    ]
    .concat();
    let trailers = vec![("x-amz-checksum-crc32".to_owned(), "AAAA".to_owned())];
    assert_eq!(
        decode_all(decoder.clone(), &body),
        Ok((vec![65536, 1024], trailers))
    );
    let signed = b"5;chunk-signature=00\r\n";
    assert_eq!(
        decode_all(decoder.clone(), signed),
        Err(chunked::ChunkError::MalformedHeader)
    );
    assert_eq!(
        decode_all(decoder.clone(), b"fffffffffff\r\n"),
        Err(chunked::ChunkError::TooLarge {
            limit: chunked::CHUNK_LIMIT
        })
    );
    assert_eq!(
        decode_all(decoder, b"1\r\nab\r\n"),
        Err(chunked::ChunkError::MalformedEnd)
    );
}
