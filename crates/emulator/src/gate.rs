//! The way in: find the service, verify who signed, hand over, and answer in the service's shape.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use iam::sigv4::chunked::{ChunkError, Decoder, Step};
use iam::sigv4::{Dialect, Expected, HttpRequest, Presented, SecretKey, SignatureError, Verified};
use iam::{Named, PolicyDocument, Principal};

use crate::answer::{Answer, Later, Outcome};
use crate::call::Call;
use crate::clock::Timestamp;
use crate::credentials::{self, SessionOf};
use crate::emulator::Emulator;
use crate::error::{ApiError, ApiResult};
use crate::identity::Caller;
use crate::random;
use crate::route::{self, Destination, Protocol, Service};
use crate::service;
use crate::via::Via;
use crate::wire;

/// Largest body taken: a part of a multipart upload may be larger on AWS, but nothing here is.
const BODY_LIMIT: usize = 256 * 1024 * 1024;

/// Answers one request.
pub(crate) fn handle(emulator: &Arc<Emulator>, request: &Request<Bytes>, via: &Via) -> Answer {
    let request_id = random::uuid();
    match outcome(emulator, request, via, &request_id) {
        Outcome::Response(response) => {
            Answer::Now(stamped(response, &request_id, emulator.clock.now()))
        }
        Outcome::Poll(poll) => {
            let emulator = Arc::clone(emulator);
            Answer::Later(Later::new(async move {
                let response = poll.wait(&emulator).await;
                stamped(response, &request_id, emulator.clock.now())
            }))
        }
        Outcome::Open(opening) => {
            let response = stamped(opening.response(), &request_id, emulator.clock.now());
            Answer::Channel(response, Box::new(opening.channel(Arc::clone(emulator))))
        }
    }
}

/// Answers one request at once: a long poll with what there is, a websocket with a refusal.
pub(crate) fn handle_at_once(
    emulator: &Emulator,
    request: &Request<Bytes>,
    via: &Via,
) -> Response<Bytes> {
    let request_id = random::uuid();
    let response = match outcome(emulator, request, via, &request_id) {
        Outcome::Response(response) => response,
        Outcome::Poll(poll) => poll.take(emulator),
        Outcome::Open(_) => {
            let message = "This door does not pass websockets";
            let refused = ApiError::new(StatusCode::UPGRADE_REQUIRED, "UpgradeRequired", message);
            wire::error(Protocol::Messages, &refused, &request_id, "")
        }
    };
    stamped(response, &request_id, emulator.clock.now())
}

fn outcome(emulator: &Emulator, request: &Request<Bytes>, via: &Via, request_id: &str) -> Outcome {
    let destination = route::destination(&emulator.seed, request);
    match destination {
        // what a policy lets through one endpoint must not come by another
        wrong if !leads_to(via, &wrong) => elsewhere(request, via, request_id).into(),
        Destination::HostedDomain(prefix) => {
            service::cognito::hosted(emulator, &prefix, request, via).into()
        }
        Destination::PoolDocuments(pool) => {
            service::cognito::documents(emulator, &pool, request).into()
        }
        Destination::Registry => {
            let refused = ApiError::unsupported("Amazon ECR", "the image registry");
            wire::error(Protocol::Json, &refused, request_id, request.uri().path()).into()
        }
        Destination::Unknown(name) => unknown_service(request, &name, request_id).into(),
        Destination::Bucket(bucket) => api(
            emulator,
            Service::S3,
            Some(&bucket),
            request,
            via,
            request_id,
        ),
        Destination::Api(service) => api(emulator, service, None, request, via, request_id),
    }
}

/// The headers every answer carries.
fn stamped(mut response: Response<Bytes>, request_id: &str, now: Timestamp) -> Response<Bytes> {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(wire::REQUEST_ID, value.clone());
        headers.insert("x-amz-request-id", value);
    }
    if let Ok(date) = HeaderValue::from_str(&now.http_date()) {
        headers.insert(http::header::DATE, date);
    }
    response
}

fn api(
    emulator: &Emulator,
    service: Service,
    bucket: Option<&str>,
    request: &Request<Bytes>,
    via: &Via,
    request_id: &str,
) -> Outcome {
    let answer = (|| {
        if request.body().len() > BODY_LIMIT {
            return Err(too_large());
        }
        let now = emulator.clock.now();
        let operation = service::operation(service, request)?;
        let (caller, decoded) = if service::is_open(service, &operation) {
            (Caller::anonymous(), None)
        } else {
            authenticate(emulator, service, request, now)?
        };
        let body = decoded.as_ref().unwrap_or(request.body());
        let host = route::authority_of(request);
        let call = Call {
            emulator,
            caller: &caller,
            via,
            request_id,
            user_agent: header(request.headers(), "user-agent"),
            now,
            host,
            through: None,
        };
        service::dispatch(&call, service, &operation, bucket, request, body)
    })();
    answer.unwrap_or_else(|error| {
        let error = in_words_of(service, error);
        wire::error(service.protocol(), &error, request_id, request.uri().path()).into()
    })
}

fn too_large() -> ApiError {
    let message = format!("a request body is at most {BODY_LIMIT} bytes");
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestEntityTooLarge",
        message,
    )
}

/// The same refusal has another code and status in each protocol.
fn in_words_of(service: Service, error: ApiError) -> ApiError {
    match (error.code.as_ref(), service.protocol()) {
        ("AccessDeniedException", Protocol::Query | Protocol::RestXml) => {
            ApiError::new(StatusCode::FORBIDDEN, "AccessDenied", error.message)
        }
        ("AccessDeniedException", Protocol::Ec2Query) => ApiError::new(
            StatusCode::FORBIDDEN,
            "UnauthorizedOperation",
            error.message,
        ),
        ("AccessDeniedException", Protocol::Messages) => ApiError {
            status: StatusCode::FORBIDDEN,
            ..error
        },
        _ => error,
    }
}

/// Whether a request came by a door of the service it is for: a VPC endpoint leads to one only,
/// whatever the request calls its host.
fn leads_to(via: &Via, destination: &Destination) -> bool {
    via.endpoint
        .as_ref()
        .is_none_or(|endpoint| destination.endpoint_service() == Some(endpoint.service.as_str()))
}

fn elsewhere(request: &Request<Bytes>, via: &Via, request_id: &str) -> Response<Bytes> {
    let service = via.endpoint.as_ref().map_or("", |e| e.service.as_str());
    let message = format!("This VPC endpoint leads to `{service}`, which has no such operation");
    let refused = ApiError::client("UnknownOperationException", message);
    wire::error(Protocol::Json, &refused, request_id, request.uri().path())
}

fn unknown_service(request: &Request<Bytes>, name: &str, request_id: &str) -> Response<Bytes> {
    let protocol = if request.headers().contains_key("x-amz-target") {
        Protocol::Json
    } else {
        Protocol::Query
    };
    let operation = service::operation_name(request).unwrap_or_else(|| "this request".to_owned());
    let refused = ApiError::unsupported(name, &operation);
    wire::error(protocol, &refused, request_id, request.uri().path())
}

/// Verifies the signature of a request and says whose it is; with a body that came in chunks, the
/// data in them.
pub(crate) fn authenticate(
    emulator: &Emulator,
    service: Service,
    request: &Request<Bytes>,
    now: Timestamp,
) -> ApiResult<(Caller, Option<Bytes>)> {
    let dialect = dialect(service);
    let headers = with_host(request);
    let http = HttpRequest {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: &headers,
    };
    let refused = |error: &SignatureError| signature_refused(dialect, error);
    let presented = match Presented::read(&http) {
        Err(SignatureError::MissingAuthenticationToken)
            if service == Service::S3
                || service::ssmmessages::needs_no_signature(service, request) =>
        {
            return Ok((Caller::anonymous(), None));
        }
        other => other.map_err(|error| refused(&error))?,
    };
    let token = presented
        .session_token
        .as_ref()
        .map(iam::sigv4::SessionToken::as_str);
    let (caller, secret) = who(emulator, dialect, &presented.access_key_id, token, now)?;
    let expected = Expected {
        region: scope_region(emulator, service, request),
        service: service.signing_name(),
        now: now.to_utc(),
    };
    let body = request.body();
    match presented
        .verify(&http, &secret, Some(body.as_ref()), &expected)
        .map_err(|error| refused(&error))?
    {
        Verified::Chunks(decoder) => Ok((caller, Some(join_chunks(decoder, body)?))),
        Verified::Whole | Verified::Unsigned => Ok((caller, None)),
        // only for bodies still to come
        Verified::BodyMustHash(_) => Err(refused(&SignatureError::PayloadHashMismatch)),
    }
}

/// The data of an `aws-chunked` body, each chunk verified on the way.
fn join_chunks(mut decoder: Decoder, body: &[u8]) -> ApiResult<Bytes> {
    let refused = |error: &ChunkError| match error {
        ChunkError::SignatureDoesNotMatch => ApiError::new(
            StatusCode::FORBIDDEN,
            "SignatureDoesNotMatch",
            error.to_string(),
        ),
        _ => ApiError::client("InvalidChunk", error.to_string()),
    };
    let mut data = Vec::with_capacity(body.len());
    let mut rest = body;
    loop {
        match decoder.decode(rest).map_err(|error| refused(&error))? {
            Step::Chunk {
                data: chunk,
                consumed,
            } => {
                data.extend_from_slice(chunk);
                rest = &rest[consumed..];
            }
            Step::End { .. } => return Ok(data.into()),
            Step::Incomplete => {
                let message = "The request body terminated unexpectedly";
                return Err(ApiError::client("IncompleteBody", message));
            }
        }
    }
}

/// Finds the secret of an access key and whose it is.
fn who(
    emulator: &Emulator,
    dialect: Dialect,
    access_key_id: &str,
    token: Option<&str>,
    now: Timestamp,
) -> ApiResult<(Caller, SecretKey)> {
    let Some(token) = token else {
        let (identity, credentials) = emulator
            .directory
            .user_of_key(access_key_id)
            .ok_or_else(|| unknown_key(dialect))?;
        let principal = Principal::user(&identity.arn).ok_or_else(|| unknown_key(dialect))?;
        let tags = identity.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let caller = Caller {
            identity: Some(identity.clone()),
            access_key_id: Some(access_key_id.to_owned()),
            ..Caller::of(principal.with_tags(tags))
        };
        return Ok((
            caller,
            SecretKey::new(credentials.secret_access_key.expose()),
        ));
    };
    let session = credentials::read_token(&emulator.keys, access_key_id, token)
        .ok_or_else(|| unknown_key(dialect))?;
    if now.0 >= session.expires_ms {
        return Err(expired_token(dialect));
    }
    let mut caller = match &session.who {
        SessionOf::Service { name, source_arn } => Caller::service(name, Some(source_arn)),
        SessionOf::Role { arn, name, policy } => {
            let role = emulator
                .directory
                .role(arn)
                .ok_or_else(|| unknown_key(dialect))?;
            let principal =
                Principal::role_session(arn, name).ok_or_else(|| unknown_key(dialect))?;
            let policy = match policy {
                Some(value) => {
                    let document =
                        PolicyDocument::parse(value).map_err(|_| unknown_key(dialect))?;
                    vec![Named::new("session policy", document)]
                }
                None => Vec::new(),
            };
            let tags = role.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            Caller {
                identity: Some(role.clone()),
                session_policies: policy,
                ..Caller::of(principal.with_tags(tags))
            }
        }
    };
    caller.access_key_id = Some(access_key_id.to_owned());
    caller.issued = Some(Timestamp(session.issued_ms));
    Ok((caller, SecretKey::new(session.secret)))
}

fn dialect(service: Service) -> Dialect {
    match service.protocol() {
        Protocol::Json | Protocol::Messages => Dialect::Json,
        Protocol::Query | Protocol::Ec2Query => Dialect::Query,
        Protocol::RestXml => Dialect::S3,
    }
}

/// Global endpoints are signed for the region they live in.
fn scope_region<'a>(emulator: &'a Emulator, service: Service, request: &Request<Bytes>) -> &'a str {
    let global = route::host_of(request) == format!("sts.{}", emulator.seed.dns_suffix());
    if global || service == Service::Iam {
        "us-east-1"
    } else {
        &emulator.seed.region
    }
}

/// HTTP/2 has the host in the URI; the signature has it among the headers.
fn with_host(request: &Request<Bytes>) -> HeaderMap {
    let mut headers = request.headers().clone();
    if !headers.contains_key("host")
        && let Some(authority) = request.uri().authority()
        && let Ok(value) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert("host", value);
    }
    headers
}

fn signature_refused(dialect: Dialect, error: &SignatureError) -> ApiError {
    let status = StatusCode::from_u16(error.status(dialect)).unwrap_or(StatusCode::FORBIDDEN);
    ApiError::new(status, error.code(dialect), error.to_string())
}

fn unknown_key(dialect: Dialect) -> ApiError {
    const INVALID: &str = "The security token included in the request is invalid.";
    match dialect {
        Dialect::Query => ApiError::new(StatusCode::FORBIDDEN, "InvalidClientTokenId", INVALID),
        Dialect::Json => ApiError::client("UnrecognizedClientException", INVALID),
        Dialect::S3 => ApiError::new(
            StatusCode::FORBIDDEN,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
    }
}

fn expired_token(dialect: Dialect) -> ApiError {
    const EXPIRED: &str = "The security token included in the request is expired";
    match dialect {
        Dialect::Query => ApiError::new(StatusCode::FORBIDDEN, "ExpiredToken", EXPIRED),
        Dialect::Json => ApiError::client("ExpiredTokenException", EXPIRED),
        Dialect::S3 => ApiError::client("ExpiredToken", "The provided token has expired."),
    }
}

/// A header as text; empty when absent or not text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
