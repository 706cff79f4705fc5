//! One request from its head to the last byte of its response, for the access log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use http::header::{CONNECTION, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode, Version};
use hyper::body::Incoming;

use super::action::Own;
use super::{AccessLog, AccessLogEntry, Chosen, Shared};
use crate::blueprint::balancer::TargetId;
use crate::serve::{Body, Peer, measured};

/// Writes its entry when it is over. Dropped without an answer, the client has
/// gone: status 460.
pub(super) struct Exchange {
    pub(super) entry: AccessLogEntry,
    log: AccessLog,
    received: Arc<AtomicU64>,
    begun: Instant,
    sent_on: Option<Instant>,
    answered: bool,
    /// The client's connection is not to be used again.
    pub(super) closes: bool,
}

const CLIENT_GONE: u16 = 460;

impl Exchange {
    pub(super) fn begin(
        shared: &Shared,
        parts: &Parts,
        authority: &str,
        peer: &Peer,
        own: Own,
        upgrading: bool,
        created: SystemTime,
    ) -> Self {
        let scheme = if own.secure { "https" } else { "http" };
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host);
        let entry = AccessLogEntry {
            kind: match (upgrading, own.secure, parts.version) {
                (true, false, _) => "ws",
                (true, true, _) => "wss",
                (_, true, Version::HTTP_2) => "h2",
                (_, true, _) => "https",
                (_, false, _) => "http",
            },
            time: created,
            balancer: shared.balancer.arn_suffix.clone(),
            client: peer.address,
            target: None,
            request_processing: None,
            target_processing: None,
            response_processing: None,
            status: CLIENT_GONE,
            target_status: None,
            received_bytes: 0,
            sent_bytes: 0,
            request: format!(
                "{} {scheme}://{host}:{}{path} {:?}",
                parts.method, own.port, parts.version
            ),
            user_agent: parts
                .headers
                .get(http::header::USER_AGENT)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            tls_cipher: peer.tls.as_ref().map(|tls| tls.cipher.clone()),
            tls_protocol: peer.tls.as_ref().map(|tls| tls.protocol),
            target_group_arn: None,
            trace_id: "-".to_owned(),
            domain_name: peer.tls.as_ref().and_then(|tls| tls.server_name.clone()),
            rule_priority: None,
            created,
            action: None,
            redirect_url: None,
            classification: None,
        };
        Self {
            entry,
            log: Arc::clone(&shared.log),
            received: Arc::default(),
            begun: Instant::now(),
            sent_on: None,
            answered: false,
            closes: false,
        }
    }

    /// The request body, counted on its way.
    pub(super) fn count_received(&self, body: Incoming) -> Body {
        let received = Arc::clone(&self.received);
        measured(body, move |bytes, _| {
            received.store(bytes, Ordering::Relaxed);
        })
    }

    pub(super) fn sending_to(&mut self, target: &TargetId) {
        self.entry.target = Some(target.clone());
        self.entry.request_processing = Some(self.begun.elapsed());
        self.sent_on = Some(Instant::now());
    }

    /// The load balancer answers by itself.
    pub(super) fn answer(self, response: Response<Body>) -> Response<Body> {
        self.finish(response, None)
    }

    /// The target's answer goes to the client; the target counts as busy until its end.
    pub(super) fn pass_on(mut self, response: Response<Body>, chosen: Chosen) -> Response<Body> {
        self.entry.target_status = Some(response.status().as_u16());
        self.entry.target_processing = self.sent_on.map(|sent| sent.elapsed());
        self.entry.response_processing = Some(std::time::Duration::ZERO);
        self.finish(response, Some(chosen))
    }

    fn finish(mut self, mut response: Response<Body>, chosen: Option<Chosen>) -> Response<Body> {
        self.answered = true;
        self.entry.status = response.status().as_u16();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return response;
        }
        if self.closes && self.entry.kind != "h2" {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|body| {
            measured(body, move |bytes, _| {
                let mut exchange = self;
                exchange.entry.sent_bytes = bytes;
                drop(chosen);
            })
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.entry.time = SystemTime::now();
        self.entry.received_bytes = self.received.load(Ordering::Relaxed);
        if !self.answered {
            self.entry.status = CLIENT_GONE;
        }
        (self.log)(&self.entry);
    }
}
