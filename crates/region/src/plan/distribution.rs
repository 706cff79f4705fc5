//! From distributions of the template to what the edge does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Model, OriginKind, PolicyReference};

use super::fault::Faults;
use crate::blueprint::balancer::TlsVersions;
use crate::blueprint::distribution::{
    CacheBehavior, CachePolicy, Distribution, ErrorResponse, Origin, OriginId, OriginRequest,
    OriginSigning, ResponseHeader, SecretText, ViewerProtocol, ViewerRequestFunction,
};

/// (CloudFront Developer Guide, "Use managed cache policies")
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const CACHING_OPTIMIZED: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";
/// (CloudFront Developer Guide, "Use managed origin request policies")
const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";
const ALL_VIEWER_EXCEPT_HOST: &str = "b689b0a8-53d0-40ab-baf2-68738e2966ac";
/// Seoul's code among CloudFront's points of presence.
const POINT_OF_PRESENCE: &str = "ICN57-P1";
/// (CloudFront Developer Guide: three attempts of ten seconds)
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The page of a single-page application, as its rewriting function names it.
const INDEX: &str = "/index.html";

pub(super) fn distribution(
    model: &Model,
    distribution: &model::Distribution,
    faults: &mut Faults,
) -> Distribution {
    let mut origins = BTreeMap::new();
    for origin in &distribution.origins {
        if let Some(planned) = self::origin(model, origin, faults) {
            origins.insert(OriginId(origin.name.clone()), planned);
        }
    }
    let mut error_responses = BTreeMap::new();
    for response in &distribution.error_responses {
        if let Some(page_path) = &response.response_page_path {
            let status = response.response_code.unwrap_or(response.error_code);
            let planned = ErrorResponse {
                page_path: page_path.clone(),
                status,
            };
            error_responses.insert(response.error_code, planned);
        }
    }
    let behaviors = distribution.behaviors.iter();
    Distribution {
        domain_name: distribution.domain_name.clone(),
        aliases: distribution.aliases.clone(),
        versions: match distribution.minimum_protocol_version.as_deref() {
            Some(policy) if policy.starts_with("TLSv1.3") => TlsVersions::OneThree,
            _ => TlsVersions::OneTwoAndThree,
        },
        http2: distribution.http_version.contains('2'),
        origins,
        behaviors: behaviors
            .map(|behavior| self::behavior(model, behavior, faults))
            .collect(),
        default_behavior: behavior(model, &distribution.default_behavior, faults),
        default_root_object: distribution.default_root_object.clone(),
        error_responses,
        point_of_presence: POINT_OF_PRESENCE.to_owned(),
    }
}

fn origin(model: &Model, origin: &model::Origin, faults: &mut Faults) -> Option<Origin> {
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    let headers = origin.custom_headers.iter();
    let planned = Origin {
        domain_name: origin.domain_name.clone(),
        port: 443,
        path: origin.path.trim_end_matches('/').to_owned(),
        custom_headers: headers
            .map(|(name, value)| (name.clone(), SecretText(value.clone())))
            .collect(),
        connect_timeout: CONNECT_TIMEOUT,
        read_timeout: seconds(30),
        keep_alive: seconds(5),
        signing: None,
    };
    match &origin.kind {
        OriginKind::S3 { access_control, .. } => {
            let control = access_control.as_ref();
            let control = control.and_then(|id| model.origin_access_controls.get(id));
            let signs = control.is_some_and(|control| control.signing_behavior == "always");
            let signing = OriginSigning {
                region: model.stack.region.clone(),
                service: "s3".to_owned(),
            };
            Some(Origin {
                signing: signs.then_some(signing),
                ..planned
            })
        }
        OriginKind::Custom {
            protocol_policy,
            https_port,
            read_timeout_s,
            keepalive_timeout_s,
            ..
        } => {
            if protocol_policy == "http-only" {
                faults.add(
                    format!("origin `{}` is fetched over plain HTTP", origin.name),
                    &origin.provenance,
                    "set `OriginProtocolPolicy: https-only`",
                );
                return None;
            }
            Some(Origin {
                port: *https_port,
                read_timeout: seconds(*read_timeout_s),
                keep_alive: seconds(*keepalive_timeout_s),
                ..planned
            })
        }
    }
}

fn behavior(model: &Model, behavior: &model::CacheBehavior, faults: &mut Faults) -> CacheBehavior {
    CacheBehavior {
        path_pattern: behavior.path_pattern.clone(),
        origin: OriginId(behavior.target_origin.clone()),
        viewer_protocol: match behavior.viewer_protocol_policy.as_str() {
            "https-only" => ViewerProtocol::HttpsOnly,
            "redirect-to-https" => ViewerProtocol::RedirectToHttps,
            _ => ViewerProtocol::AllowAll,
        },
        allowed_methods: behavior
            .allowed_methods
            .iter()
            .cloned()
            .collect::<BTreeSet<_>>(),
        cache: cache_policy(behavior, faults),
        origin_request: origin_request(behavior, faults),
        response_headers: response_headers(model, behavior, faults),
        viewer_request: viewer_request(model, behavior, faults),
    }
}

fn cache_policy(behavior: &model::CacheBehavior, faults: &mut Faults) -> CachePolicy {
    match behavior.cache_policy.as_deref() {
        Some(CACHING_DISABLED) => CachePolicy::DISABLED,
        Some(CACHING_OPTIMIZED) => CachePolicy::OPTIMIZED,
        other => {
            let name = other.unwrap_or("none");
            faults.add(
                format!("cache policy `{name}` is not run here"),
                &behavior.provenance,
                "use the managed policy CachingDisabled or CachingOptimized",
            );
            CachePolicy::DISABLED
        }
    }
}

fn origin_request(behavior: &model::CacheBehavior, faults: &mut Faults) -> OriginRequest {
    match behavior.origin_request_policy.as_deref() {
        None => OriginRequest::KeyOnly,
        Some(ALL_VIEWER) => OriginRequest::AllViewer,
        Some(ALL_VIEWER_EXCEPT_HOST) => OriginRequest::AllViewerExceptHost,
        Some(other) => {
            faults.add(
                format!("origin request policy `{other}` is not run here"),
                &behavior.provenance,
                "use the managed policy AllViewer or AllViewerExceptHostHeader",
            );
            OriginRequest::KeyOnly
        }
    }
}

fn response_headers(
    model: &Model,
    behavior: &model::CacheBehavior,
    faults: &mut Faults,
) -> Vec<ResponseHeader> {
    match &behavior.response_headers_policy {
        None => Vec::new(),
        Some(PolicyReference::Local(id)) => {
            let policy = model.response_headers_policies.get(id);
            let headers = policy
                .map(|policy| policy.headers.as_slice())
                .unwrap_or_default();
            headers
                .iter()
                .map(|(name, value, overrides)| ResponseHeader {
                    name: name.clone(),
                    value: value.clone(),
                    overrides: *overrides,
                })
                .collect()
        }
        Some(PolicyReference::Managed(id)) => {
            let message = format!("response headers policy `{id}` is not run here");
            faults.add(
                message,
                &behavior.provenance,
                "define it as an `AWS::CloudFront::ResponseHeadersPolicy`",
            );
            Vec::new()
        }
    }
}

/// The one function the edge knows is recognised by what it must contain: it
/// looks for a dot, and asks for the index page.
fn viewer_request(
    model: &Model,
    behavior: &model::CacheBehavior,
    faults: &mut Faults,
) -> Option<ViewerRequestFunction> {
    let mut found = None;
    for (event, id) in &behavior.functions {
        let code = model
            .edge_functions
            .get(id)
            .map_or("", |function| function.code.as_str());
        let is_page_to_index =
            code.contains(INDEX) && code.contains("'.'") | code.contains("\".\"");
        if event == "viewer-request" && is_page_to_index {
            found = Some(ViewerRequestFunction::PageToIndex);
        } else {
            faults.add(
                format!("edge function `{id}` is not run here"),
                &behavior.provenance,
                "only a viewer-request function that rewrites paths without a dot to /index.html is",
            );
        }
    }
    found
}
