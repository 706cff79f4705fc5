//! The application load balancer.
//!
//! A load balancer is as many [`Node`]s as it has subnets, each on its own
//! thread in its own namespace: it listens at its own address, checks the
//! health of the targets by its own way and sends requests from its own
//! interface. The nodes share one [`Targets`] registry.
//!
//! HTTP/1.1 and HTTP/2 in front, HTTP/1.1 to targets; bodies stream both ways.
//! Elastic Load Balancing user guide for Application Load Balancers.

mod access_log;
mod action;
mod cut;
mod desync;
mod exchange;
mod forward;
mod health;
mod rule;
mod targets;
mod trace;

pub use access_log::{AccessLog, AccessLogEntry};
pub use targets::{Chosen, Health, NodeIndex, Reason, Targets};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::blueprint::balancer::{
    Action, DesyncMitigation, ListenerProtocol, LoadBalancer, TargetGroupName, WeightedTargetGroup,
};
use crate::proxy::headers::split_host;
use crate::proxy::pool::{Pool, PoolOptions, UpstreamError};
use crate::serve::{self, Body, Peer, ServeOptions, Stop};
use crate::tls::{Authority, AuthorityError, server_config};
use action::{Own, fixed, page, redirect};
use desync::Classification;
use exchange::Exchange;
use rule::Asked;

/// Longest wait for a connection to a target; not configurable in AWS either.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One node of a load balancer.
#[derive(Clone)]
pub struct Node(Arc<Shared>);

struct Shared {
    balancer: Arc<LoadBalancer>,
    targets: Arc<Targets>,
    index: NodeIndex,
    pool: Pool,
    log: AccessLog,
    /// One for each listener; `None` where it is plain.
    tls: Vec<Option<Arc<ServerConfig>>>,
    weighing: AtomicU64,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Node")
            .field("index", &self.0.index)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// A node of `balancer`. Nothing runs before [`Node::run`].
    pub fn new(
        balancer: Arc<LoadBalancer>,
        targets: Arc<Targets>,
        authority: &Arc<Authority>,
        log: AccessLog,
    ) -> Result<Self, AuthorityError> {
        let http2 = balancer.attributes.http2;
        let tls = balancer
            .listeners
            .iter()
            .map(|listener| match &listener.protocol {
                ListenerProtocol::Http => Ok(None),
                ListenerProtocol::Https {
                    versions,
                    certificate_names,
                } => server_config(authority, certificate_names, *versions, http2).map(Some),
            })
            .collect::<Result<_, _>>()?;
        let idle_timeout = balancer.attributes.idle_timeout;
        let pool = Pool::new(
            PoolOptions {
                connect_timeout: CONNECT_TIMEOUT,
                silence_timeout: idle_timeout,
                keep_alive: idle_timeout,
                ..PoolOptions::default()
            },
            None,
        );
        let index = targets.join();
        let weighing = AtomicU64::new(0);
        Ok(Self(Arc::new(Shared {
            balancer,
            targets,
            index,
            pool,
            log,
            tls,
            weighing,
        })))
    }

    /// Serves until `stop`: `sockets[i]` is bound for `balancer.listeners[i]`.
    ///
    /// Must be called on the runtime of the node's own thread, where its
    /// sockets to targets are to be made.
    pub async fn run(&self, sockets: Vec<TcpListener>, stop: Stop) {
        let mut tasks = JoinSet::new();
        for (name, group) in &self.0.balancer.target_groups {
            tasks.spawn(health::check_group(
                Arc::clone(&self.0.targets),
                self.0.index,
                name.clone(),
                group.health_check.clone(),
                stop.clone(),
            ));
        }
        for (index, socket) in sockets.into_iter().enumerate().take(self.0.tls.len()) {
            let options = ServeOptions {
                idle_timeout: self.0.balancer.attributes.idle_timeout,
                max_age: self.0.balancer.attributes.client_keep_alive,
                ..ServeOptions::default()
            };
            let node = self.clone();
            let handler = move |request| {
                let node = node.clone();
                async move { node.handle(index, request).await }
            };
            tasks.spawn(serve::serve(
                socket,
                self.0.tls[index].clone(),
                options,
                handler,
                stop.clone(),
            ));
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn handle(&self, index: usize, mut request: Request<Incoming>) -> Response<Body> {
        let created = SystemTime::now();
        let listener = &self.0.balancer.listeners[index];
        let own = Own {
            secure: listener.protocol != ListenerProtocol::Http,
            port: listener.port,
        };
        let peer = request
            .extensions()
            .get::<Arc<Peer>>()
            .map(Arc::clone)
            .expect("`serve` puts the peer into every request");
        let upgrading = forward::upgrading(&mut request);
        let authority = authority(&request);
        let (mut parts, body) = request.into_parts();
        let named = authority.as_deref().unwrap_or("-");
        let mut exchange = Exchange::begin(
            &self.0,
            &parts,
            named,
            &peer,
            own,
            upgrading.is_some(),
            created,
        );
        let Some(authority) = authority else {
            return exchange.answer(page(StatusCode::BAD_REQUEST));
        };
        if parts.method == Method::TRACE {
            return exchange.answer(page(StatusCode::METHOD_NOT_ALLOWED));
        }
        let class = desync::classify(&parts);
        exchange.entry.classification = class.logged();
        let mode = self.0.balancer.attributes.desync_mitigation;
        if mode == DesyncMitigation::Strictest && class != Classification::Compliant {
            return exchange.answer(page(StatusCode::BAD_REQUEST));
        }
        exchange.closes =
            mode == DesyncMitigation::Defensive && matches!(class, Classification::Ambiguous(_));
        let asked = Asked {
            parts: &parts,
            authority: &authority,
            source: peer.address.ip(),
        };
        let rule = rule::matching(listener, &asked);
        exchange.entry.rule_priority = rule.map(|rule| rule.priority);
        let group = match rule.map_or(&listener.default_action, |rule| &rule.action) {
            Action::FixedResponse(response) => {
                exchange.entry.action = Some("fixed-response");
                return exchange.answer(fixed(response));
            }
            Action::Redirect(to) => {
                exchange.entry.action = Some("redirect");
                let (response, target) = redirect(to, &asked, own);
                exchange.entry.redirect_url = Some(target);
                return exchange.answer(response);
            }
            Action::Forward(groups) => self.weigh(groups),
        };
        exchange.entry.action = Some("forward");
        let attributes = &self.0.balancer.attributes;
        match forward::prepare(&mut parts.headers, &authority, &peer, own, attributes) {
            Ok(trace_id) => exchange.entry.trace_id = trace_id,
            Err(status) => return exchange.answer(page(status)),
        }
        let body = exchange.count_received(body);
        self.forward(group, Request::from_parts(parts, body), upgrading, exchange)
            .await
    }

    async fn forward(
        &self,
        group: Option<&TargetGroupName>,
        request: Request<Body>,
        upgrading: Option<(http::HeaderValue, hyper::upgrade::OnUpgrade)>,
        mut exchange: Exchange,
    ) -> Response<Body> {
        let chosen = group.and_then(|group| {
            exchange.entry.target_group_arn = self
                .0
                .balancer
                .target_groups
                .get(group)
                .map(|group| group.arn.clone());
            self.0.targets.choose(self.0.index, group)
        });
        let Some(chosen) = chosen else {
            return exchange.answer(page(StatusCode::SERVICE_UNAVAILABLE));
        };
        exchange.sending_to(&chosen.target);
        let address = (chosen.target.address, chosen.target.port);
        let sent = tokio::select! {
            sent = forward::send(&self.0.pool, address, request, upgrading) => sent,
            () = chosen.cut_off() => return exchange.answer(page(StatusCode::BAD_GATEWAY)),
        };
        match sent {
            Ok(response) => {
                let over = chosen.cut_off();
                exchange.pass_on(response.map(|body| cut::until(body, over)), chosen)
            }
            Err(UpstreamError::ConnectTimeout { .. } | UpstreamError::ResponseTimeout { .. }) => {
                exchange.answer(page(StatusCode::GATEWAY_TIMEOUT))
            }
            Err(UpstreamError::RequestTimeout { .. }) => {
                exchange.answer(page(StatusCode::REQUEST_TIMEOUT))
            }
            Err(UpstreamError::RequestBody(_)) => exchange.answer(page(StatusCode::BAD_REQUEST)),
            Err(_) => exchange.answer(page(StatusCode::BAD_GATEWAY)),
        }
    }

    /// The target group for the next request: in every run of as many requests as
    /// the weights add up to, each group gets its weight.
    fn weigh<'a>(&self, groups: &'a [WeightedTargetGroup]) -> Option<&'a TargetGroupName> {
        if let [only] = groups {
            return Some(&only.group);
        }
        let total: u64 = groups.iter().map(|group| u64::from(group.weight)).sum();
        let mut at = self
            .0
            .weighing
            .fetch_add(1, Ordering::Relaxed)
            .checked_rem(total)?;
        for group in groups {
            let weight = u64::from(group.weight);
            if at < weight {
                return Some(&group.group);
            }
            at -= weight;
        }
        None
    }
}

/// The host (with port) a request is for; `None` when there is none or no sensible one.
fn authority(request: &Request<Incoming>) -> Option<String> {
    let authority = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(http::header::HOST)?.to_str().ok()?,
    };
    let (host, _) = split_host(authority);
    let sensible = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    (!host.is_empty() && authority.bytes().all(sensible)).then(|| authority.to_owned())
}

#[cfg(test)]
mod tests;
