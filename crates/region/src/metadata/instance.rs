//! The instance metadata service, version 2 (and 1 where an instance allows it).
//!
//! Amazon EC2 user guide, "Use the Instance Metadata Service" and "Instance
//! metadata categories".

mod facts;
mod token;

pub use facts::{InstanceFacts, InstanceProfile};

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::header::HeaderName;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use time::OffsetDateTime;
use tokio::net::TcpListener;

use super::{Issue, RoleSession, Vault, respond, timestamp};
use crate::serve::{self, Peer, ServeOptions, Stop};
use facts::Leaf;
use token::Tokens;

const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const TOKEN_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const MAX_BODY_BYTES: usize = 1024;

/// The service of one VPC: every instance by its address.
pub struct InstanceMetadata {
    instances: RwLock<BTreeMap<IpAddr, Arc<InstanceFacts>>>,
    tokens: Tokens,
    vault: Vault,
}

impl std::fmt::Debug for InstanceMetadata {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("InstanceMetadata")
            .finish_non_exhaustive()
    }
}

impl InstanceMetadata {
    /// A service without instances; tokens of an earlier one are not good for it.
    pub fn new(issue: Issue) -> Arc<Self> {
        Arc::new(Self {
            instances: RwLock::default(),
            tokens: Tokens::new(),
            vault: Vault::new(issue),
        })
    }

    /// From now on `facts` are told to their address.
    pub fn insert(&self, facts: InstanceFacts) {
        let mut instances = self
            .instances
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        instances.insert(IpAddr::V4(facts.local_ipv4), Arc::new(facts));
    }

    /// The instance is gone.
    pub fn remove(&self, address: IpAddr) {
        self.instances
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&address);
    }

    /// Serves until `stop` on a listener for 169.254.169.254:80.
    ///
    /// Packets to an instance carry its hop limit as their time to live, so that
    /// what stands behind the instance at more hops never gets an answer.
    pub async fn run(self: Arc<Self>, listener: TcpListener, stop: Stop) {
        let service = Arc::clone(&self);
        let options = ServeOptions {
            on_accept: Some(Arc::new(move |stream, peer| {
                if let Some(facts) = service.facts(peer.ip()) {
                    // an old kernel's refusal only makes the answer travel further
                    let _unchanged = stream.set_ttl(u32::from(facts.hop_limit));
                }
            })),
            ..ServeOptions::default()
        };
        let handler = serve::whole_body(MAX_BODY_BYTES, move |request: Request<Bytes>| {
            let service = Arc::clone(&self);
            async move {
                let peer = request
                    .extensions()
                    .get::<Arc<Peer>>()
                    .map(|peer| peer.address);
                let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
                service.answer(
                    &request,
                    peer.unwrap_or(unknown).ip(),
                    OffsetDateTime::now_utc(),
                )
            }
        });
        serve::serve(listener, None, options, handler, stop).await;
    }

    /// The answer to one request from `source` at `now`.
    pub fn answer(
        &self,
        request: &Request<Bytes>,
        source: IpAddr,
        now: OffsetDateTime,
    ) -> Response<Bytes> {
        let Some(facts) = self.facts(source).filter(|facts| facts.endpoint_enabled) else {
            return failed(StatusCode::FORBIDDEN);
        };
        let path = request.uri().path().trim_start_matches('/');
        if request.method() == Method::PUT && path == "latest/api/token" {
            return self.issue_token(request, &facts, now);
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return failed(StatusCode::METHOD_NOT_ALLOWED);
        }
        match request.headers().get(TOKEN) {
            Some(token)
                if !self
                    .tokens
                    .is_good(token.as_bytes(), &facts.instance_id, now) =>
            {
                return failed(StatusCode::UNAUTHORIZED);
            }
            None if facts.token_required => return failed(StatusCode::UNAUTHORIZED),
            _ => {}
        }
        self.look_up(&facts, path, now)
    }

    fn issue_token(
        &self,
        request: &Request<Bytes>,
        facts: &InstanceFacts,
        now: OffsetDateTime,
    ) -> Response<Bytes> {
        if request.headers().contains_key(FORWARDED_FOR) {
            // a request that came through a proxy never gets a token
            return failed(StatusCode::FORBIDDEN);
        }
        let ttl = request
            .headers()
            .get(TOKEN_TTL)
            .and_then(|ttl| ttl.to_str().ok()?.parse().ok());
        let Some(ttl_s) = ttl.filter(|ttl| (1..=token::MAX_TTL_S).contains(ttl)) else {
            return failed(StatusCode::BAD_REQUEST);
        };
        let token = self.tokens.issue(&facts.instance_id, ttl_s, now);
        let mut response = respond(StatusCode::OK, "text/plain", token);
        response.headers_mut().insert(TOKEN_TTL, ttl_s.into());
        response
    }

    fn look_up(&self, facts: &InstanceFacts, path: &str, now: OffsetDateTime) -> Response<Bytes> {
        let (version, rest) = path.split_once('/').unwrap_or((path, ""));
        if path.is_empty() {
            return respond(StatusCode::OK, "text/plain", facts::VERSIONS.join("\n"));
        }
        if !facts::VERSIONS.contains(&version) {
            return failed(StatusCode::NOT_FOUND);
        }
        let leaves = facts.leaves();
        match leaves.get(rest.trim_end_matches('/')) {
            Some(Leaf::Text(text)) => respond(StatusCode::OK, "text/plain", text.clone()),
            Some(Leaf::Json(value)) => respond(StatusCode::OK, "application/json", pretty(value)),
            Some(Leaf::Credentials { role_arn }) => {
                let value = self.credentials(facts, role_arn, now);
                respond(StatusCode::OK, "text/plain", pretty(&value))
            }
            None => match listing(&leaves, rest) {
                Some(listing) => respond(StatusCode::OK, "text/plain", listing),
                None => failed(StatusCode::NOT_FOUND),
            },
        }
    }

    fn credentials(
        &self,
        facts: &InstanceFacts,
        role_arn: &str,
        now: OffsetDateTime,
    ) -> serde_json::Value {
        let session = RoleSession {
            role_arn: role_arn.to_owned(),
            session_name: facts.instance_id.clone(),
            source_arn: None,
        };
        let Some(credentials) = self.vault.credentials(&session, now) else {
            return json!({
                "Code": "AssumeRoleUnauthorizedAccess",
                "Message": format!("EC2 cannot assume the role {role_arn}"),
                "LastUpdated": timestamp(now),
            });
        };
        json!({
            "Code": "Success",
            "LastUpdated": timestamp(credentials.issued_at),
            "Type": "AWS-HMAC",
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "Token": credentials.session_token,
            "Expiration": timestamp(credentials.expires_at),
        })
    }

    fn facts(&self, source: IpAddr) -> Option<Arc<InstanceFacts>> {
        self.instances
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&source)
            .cloned()
    }
}

/// What is directly under `path`; folders end in `/`.
fn listing(leaves: &BTreeMap<String, Leaf>, path: &str) -> Option<String> {
    let folder = path.trim_end_matches('/');
    let prefix = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    let mut names: Vec<String> = leaves
        .keys()
        .filter_map(|leaf| leaf.strip_prefix(&prefix))
        .map(|rest| match rest.split_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None => rest.to_owned(),
        })
        .collect();
    names.dedup();
    (!names.is_empty()).then(|| names.join("\n"))
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value can be written")
}

fn failed(status: StatusCode) -> Response<Bytes> {
    let page = format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n <head>\n  <title>{code} - {reason}</title>\n </head>\n <body>\n  <h1>{code} - {reason}</h1>\n </body>\n</html>\n",
        code = status.as_u16(),
        reason = status.canonical_reason().unwrap_or_default(),
    );
    respond(status, "text/html", page)
}
