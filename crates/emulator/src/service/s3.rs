//! Amazon S3: what web assets, image layers and `aws s3 cp`, `ls`, `sync` and `rm` need.
//!
//! A request is read into a bucket, a key and an operation; each operation asks the gate before it
//! touches anything. Objects lie sealed on disk under the bucket's key.

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, Request, Response, StatusCode};
use iam::{Named, ResourcePolicy};

use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::service::kms;
use crate::wire;

mod condition;
mod list;
mod object;
mod state;

use state::Bucket;
pub(crate) use state::{PutError, S3};

const TITLE: &str = "Amazon S3";

/// A request to S3, taken apart.
struct Visit<'a> {
    call: &'a Call<'a>,
    request: &'a Request<Bytes>,
    body: &'a Bytes,
    query: Vec<(String, String)>,
    bucket: &'a Bucket,
    key: String,
}

/// Answers a request; `bucket` is the one the host names, if it names one.
pub(crate) fn handle(
    call: &Call<'_>,
    bucket: Option<&str>,
    request: &Request<Bytes>,
    body: &Bytes,
) -> ApiResult<Response<Bytes>> {
    let path = request.uri().path().trim_start_matches('/');
    let (name, key) = match bucket {
        Some(name) => (name.to_owned(), wire::percent_decode(path)),
        None => {
            let (name, key) = path.split_once('/').unwrap_or((path, ""));
            (wire::percent_decode(name), wire::percent_decode(key))
        }
    };
    if name.is_empty() {
        return match *request.method() {
            Method::GET => list::buckets(call),
            _ => Err(ApiError::unsupported(TITLE, request.method().as_str())),
        };
    }
    let found = call.emulator.s3.bucket(&name).ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "NoSuchBucket",
            "The specified bucket does not exist",
        )
    })?;
    let query = wire::form(request.uri().query().unwrap_or_default());
    dispatch(&Visit {
        call,
        request,
        body,
        query,
        bucket: found,
        key,
    })
}

fn dispatch(ask: &Visit<'_>) -> ApiResult<Response<Bytes>> {
    let method = ask.request.method();
    if let Some(operation) = ask.sub_resource() {
        return match (method, operation) {
            (&Method::GET, "location") => list::location(ask),
            _ => Err(ApiError::unsupported(
                TITLE,
                &format!("{method} ?{operation}"),
            )),
        };
    }
    match (method, ask.key.is_empty()) {
        (&Method::GET, true) if ask.query("list-type") == Some("2") => list::objects(ask),
        (&Method::GET, true) => Err(ApiError::unsupported(TITLE, "ListObjects")),
        (&Method::HEAD, true) => list::head_bucket(ask),
        (&Method::GET, false) => object::get(ask, true),
        (&Method::HEAD, false) => object::get(ask, false),
        (&Method::PUT, false) if ask.header("x-amz-copy-source").is_empty() => object::put(ask),
        (&Method::PUT, false) => Err(ApiError::unsupported(TITLE, "CopyObject")),
        (&Method::DELETE, false) => object::delete(ask),
        _ => Err(ApiError::unsupported(TITLE, method.as_str())),
    }
}

/// Query parameters that make a request another operation.
const SUB_RESOURCES: [&str; 14] = [
    "acl",
    "cors",
    "delete",
    "encryption",
    "lifecycle",
    "location",
    "notification",
    "policy",
    "restore",
    "tagging",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
];

impl Visit<'_> {
    fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn header(&self, name: &str) -> &str {
        crate::gate::header(self.request.headers(), name)
    }

    fn sub_resource(&self) -> Option<&'static str> {
        SUB_RESOURCES
            .into_iter()
            .find(|name| self.query(name).is_some())
    }

    fn bucket_arn(&self) -> String {
        format!(
            "arn:{}:s3:::{}",
            self.call.emulator.seed.partition, self.bucket.name
        )
    }

    fn object_arn(&self) -> String {
        format!("{}/{}", self.bucket_arn(), self.key)
    }

    /// May the caller do this to the object?
    fn authorize_object(&self, action: &str) -> ApiResult<()> {
        self.authorize(Ask::new(action, &self.object_arn()))
    }

    /// May the caller do this to the bucket?
    fn authorize_bucket(&self, action: &str) -> ApiResult<()> {
        let mut keys = Vec::new();
        for (name, parameter) in [
            ("s3:prefix", "prefix"),
            ("s3:delimiter", "delimiter"),
            ("s3:max-keys", "max-keys"),
        ] {
            if let Some(value) = self.query(parameter).filter(|_| action == "s3:ListBucket") {
                keys.push((name.to_owned(), vec![value.to_owned()]));
            }
        }
        let arn = self.bucket_arn();
        self.authorize(Ask {
            keys,
            ..Ask::new(action, &arn)
        })
    }

    fn authorize(&self, ask: Ask<'_>) -> ApiResult<()> {
        let policy = self
            .bucket
            .policy
            .clone()
            .map(|policy| Named::new(self.bucket.name.clone(), policy));
        let policy = policy.as_ref().map(ResourcePolicy::of_resource);
        // Bucket tags are no condition keys of S3 unless a bucket is set up so; ours are not.
        self.call.authorize(&Ask {
            action: ask.action,
            resource: ask.resource,
            tags: None,
            policy,
            keys: ask.keys,
        })
    }

    /// May the caller use the bucket's key through S3?
    fn authorize_key(&self, action: &str) -> ApiResult<()> {
        let arn = if self.bucket.bucket_key {
            self.bucket_arn()
        } else {
            self.object_arn()
        };
        let context = [("aws:s3:arn".to_owned(), arn)].into();
        let inner = self.call.through("s3");
        kms::authorize_for_service(&inner, self.bucket.kms_key.as_deref(), &[action], &context)
    }
}

/// An XML answer.
fn xml(document: &str) -> Response<Bytes> {
    let kind = HeaderValue::from_static("application/xml");
    let document = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{document}");
    wire::with_type(StatusCode::OK, kind, document.into())
}
