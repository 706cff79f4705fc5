//! Distributions, their origins and behaviours, and the policies they use.

use crate::reader::{Lowering, Reader};
use crate::{
    CacheBehavior, Distribution, EdgeFunction, ErrorResponse, LogicalId, Model, Origin,
    OriginAccessControl, OriginKind, PolicyReference, ResponseHeadersPolicy,
};

use super::elb::{attribute_text, certificate, ref_text};

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::CloudFront::Distribution") {
        let properties = lowering.reader(resource);
        properties.skip(&["Tags"]);
        properties.require(&["DistributionConfig"]);
        let Some(config) = properties.child("DistributionConfig") else {
            continue;
        };
        let distribution = distribution(lowering, &config, &resource.logical_id);
        if let Some(mut distribution) = distribution {
            distribution.provenance = properties.provenance.clone();
            model
                .distributions
                .insert(distribution.id.clone(), distribution);
        }
    }
    for resource in lowering.resources("AWS::CloudFront::OriginAccessControl") {
        let properties = lowering.reader(resource);
        let Some(config) = properties.child("OriginAccessControlConfig") else {
            continue;
        };
        config.skip(&["Description", "Name", "SigningProtocol"]);
        let id = LogicalId::new(&resource.logical_id);
        let control = OriginAccessControl {
            origin_type: config
                .text("OriginAccessControlOriginType")
                .unwrap_or_default(),
            signing_behavior: config.text("SigningBehavior").unwrap_or_default(),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.origin_access_controls.insert(id, control);
    }
    for resource in lowering.resources("AWS::CloudFront::ResponseHeadersPolicy") {
        let properties = lowering.reader(resource);
        let Some(config) = properties.child("ResponseHeadersPolicyConfig") else {
            continue;
        };
        let policy = headers_policy(lowering, &config, &resource.logical_id);
        model
            .response_headers_policies
            .insert(policy.id.clone(), policy);
    }
    for resource in lowering.resources("AWS::CloudFront::Function") {
        let properties = lowering.reader(resource);
        properties.skip(&[
            "AutoPublish",
            "FunctionConfig",
            "Name",
            "Tags",
            "FunctionMetadata",
        ]);
        let id = LogicalId::new(&resource.logical_id);
        let function = EdgeFunction {
            arn: attribute_text(lowering, &resource.logical_id, "FunctionARN"),
            code: properties.text("FunctionCode").unwrap_or_default(),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.edge_functions.insert(id, function);
    }
}

fn distribution(lowering: &Lowering<'_>, config: &Reader<'_>, id: &str) -> Option<Distribution> {
    config.skip(&[
        "Comment",
        "Enabled",
        "IPV6Enabled",
        "Logging",
        "PriceClass",
        "WebACLId",
    ]);
    let viewer = config.child("ViewerCertificate");
    if let Some(viewer) = &viewer {
        viewer.skip(&["CloudFrontDefaultCertificate", "SslSupportMethod"]);
    }
    config.require(&["DefaultCacheBehavior"]);
    let origins = config.children("Origins");
    let behaviors = config.children("CacheBehaviors");
    let responses = config.children("CustomErrorResponses");
    Some(Distribution {
        id: LogicalId::new(id),
        distribution_id: ref_text(lowering, id),
        arn: attribute_text(lowering, id, "Arn"),
        domain_name: attribute_text(lowering, id, "DomainName"),
        aliases: config.texts("Aliases"),
        default_root_object: config.text("DefaultRootObject"),
        origins: origins.iter().filter_map(origin).collect(),
        behaviors: behaviors.iter().filter_map(behavior).collect(),
        error_responses: responses.iter().filter_map(error_response).collect(),
        viewer_certificate: viewer
            .as_ref()
            .and_then(|v| certificate(v, "AcmCertificateArn")),
        minimum_protocol_version: viewer.and_then(|v| v.text("MinimumProtocolVersion")),
        http_version: config
            .text("HttpVersion")
            .unwrap_or_else(|| "http1.1".to_owned()),
        provenance: config.provenance.clone(),
        default_behavior: behavior(&config.child("DefaultCacheBehavior")?)?,
    })
}

fn origin(origin: &Reader<'_>) -> Option<Origin> {
    origin.skip(&["ConnectionAttempts", "ConnectionTimeout", "OriginShield"]);
    origin.require(&["Id", "DomainName"]);
    let headers = origin.children("OriginCustomHeaders");
    let header =
        |header: &Reader<'_>| Some((header.text("HeaderName")?, header.text("HeaderValue")?));
    let bucket = origin
        .value("DomainName")
        .and_then(|value| origin.lowering.referent(value, &["AWS::S3::Bucket"]));
    let kind = match origin.child("CustomOriginConfig") {
        Some(custom) => {
            custom.skip(&["OriginSSLProtocols"]);
            OriginKind::Custom {
                protocol_policy: custom.text("OriginProtocolPolicy").unwrap_or_default(),
                http_port: custom.number("HTTPPort").unwrap_or(80),
                https_port: custom.number("HTTPSPort").unwrap_or(443),
                read_timeout_s: custom.number("OriginReadTimeout").unwrap_or(30),
                keepalive_timeout_s: custom.number("OriginKeepaliveTimeout").unwrap_or(5),
            }
        }
        None => OriginKind::S3 {
            bucket,
            access_control: origin.reference(
                "OriginAccessControlId",
                &["AWS::CloudFront::OriginAccessControl"],
            ),
        },
    };
    if let Some(s3) = origin.child("S3OriginConfig") {
        s3.skip(&["OriginAccessIdentity"]);
    }
    Some(Origin {
        name: origin.text("Id")?,
        domain_name: origin.text("DomainName")?,
        path: origin.text("OriginPath").unwrap_or_default(),
        custom_headers: headers.iter().filter_map(header).collect(),
        kind,
        provenance: origin.provenance.clone(),
    })
}

fn behavior(behavior: &Reader<'_>) -> Option<CacheBehavior> {
    behavior.skip(&["CachedMethods"]);
    behavior.require(&["TargetOriginId"]);
    let functions = behavior.children("FunctionAssociations");
    let function = |entry: &Reader<'_>| {
        let function = entry.reference("FunctionARN", &["AWS::CloudFront::Function"])?;
        Some((entry.text("EventType")?, function))
    };
    let headers_policy = behavior.value("ResponseHeadersPolicyId").and_then(|value| {
        let local = ["AWS::CloudFront::ResponseHeadersPolicy"];
        let managed = || {
            behavior
                .text("ResponseHeadersPolicyId")
                .map(PolicyReference::Managed)
        };
        let found = behavior.lowering.referent(value, &local);
        found.map(PolicyReference::Local).or_else(managed)
    });
    let methods = behavior.texts("AllowedMethods");
    Some(CacheBehavior {
        path_pattern: behavior
            .text("PathPattern")
            .unwrap_or_else(|| "*".to_owned()),
        viewer_protocol_policy: behavior
            .text("ViewerProtocolPolicy")
            .unwrap_or_else(|| "allow-all".to_owned()),
        allowed_methods: if methods.is_empty() {
            vec!["GET".to_owned(), "HEAD".to_owned()]
        } else {
            methods
        },
        cache_policy: behavior.text("CachePolicyId"),
        origin_request_policy: behavior.text("OriginRequestPolicyId"),
        response_headers_policy: headers_policy,
        compress: behavior.flag("Compress").unwrap_or(false),
        functions: functions.iter().filter_map(function).collect(),
        provenance: behavior.provenance.clone(),
        target_origin: behavior.text("TargetOriginId")?,
    })
}

fn error_response(response: &Reader<'_>) -> Option<ErrorResponse> {
    Some(ErrorResponse {
        response_code: response.number("ResponseCode"),
        response_page_path: response.text("ResponsePagePath"),
        error_caching_min_ttl_s: response.number("ErrorCachingMinTTL"),
        error_code: response.number("ErrorCode")?,
    })
}

fn headers_policy(lowering: &Lowering<'_>, config: &Reader<'_>, id: &str) -> ResponseHeadersPolicy {
    config.skip(&["Comment", "Name", "CorsConfig", "ServerTimingHeadersConfig"]);
    let mut headers = config
        .child("SecurityHeadersConfig")
        .map(|c| security_headers(&c));
    if let Some(custom) = config.child("CustomHeadersConfig") {
        let items = custom.children("Items");
        let items = items.iter().filter_map(|item| {
            let replaces = item.flag("Override").unwrap_or(false);
            Some((item.text("Header")?, item.text("Value")?, replaces))
        });
        headers.get_or_insert_default().extend(items);
    }
    let remove = config.child("RemoveHeadersConfig").map(|remove| {
        let items = remove.children("Items");
        items
            .iter()
            .filter_map(|item| item.text("Header"))
            .collect()
    });
    ResponseHeadersPolicy {
        id: LogicalId::new(id),
        policy_id: ref_text(lowering, id),
        headers: headers.unwrap_or_default(),
        remove_headers: remove.unwrap_or_default(),
        provenance: config.provenance.clone(),
    }
}

/// The headers that `SecurityHeadersConfig` stands for.
/// (CloudFront Developer Guide, "Understand response headers policies")
fn security_headers(config: &Reader<'_>) -> Vec<(String, String, bool)> {
    let mut headers = Vec::new();
    let mut add = |reader: &Reader<'_>, name: &str, value: Option<String>| {
        let replaces = reader.flag("Override").unwrap_or(false);
        headers.extend(value.map(|value| (name.to_owned(), value, replaces)));
    };
    if let Some(csp) = config.child("ContentSecurityPolicy") {
        add(
            &csp,
            "content-security-policy",
            csp.text("ContentSecurityPolicy"),
        );
    }
    if let Some(options) = config.child("ContentTypeOptions") {
        add(
            &options,
            "x-content-type-options",
            Some("nosniff".to_owned()),
        );
    }
    if let Some(frame) = config.child("FrameOptions") {
        add(&frame, "x-frame-options", frame.text("FrameOption"));
    }
    if let Some(referrer) = config.child("ReferrerPolicy") {
        add(
            &referrer,
            "referrer-policy",
            referrer.text("ReferrerPolicy"),
        );
    }
    if let Some(sts) = config.child("StrictTransportSecurity") {
        let flag = |key, word: &str| {
            if sts.flag(key).unwrap_or(false) {
                format!("; {word}")
            } else {
                String::new()
            }
        };
        let age = sts.text("AccessControlMaxAgeSec").unwrap_or_default();
        let tail = flag("IncludeSubdomains", "includeSubDomains") + &flag("Preload", "preload");
        add(
            &sts,
            "strict-transport-security",
            Some(format!("max-age={age}{tail}")),
        );
    }
    if let Some(xss) = config.child("XSSProtection") {
        let on = xss.flag("Protection").unwrap_or(false);
        let mode = xss.flag("ModeBlock").unwrap_or(false);
        xss.skip(&["ReportUri"]);
        let value = match (on, mode) {
            (false, _) => "0",
            (true, false) => "1",
            (true, true) => "1; mode=block",
        };
        add(&xss, "x-xss-protection", Some(value.to_owned()));
    }
    headers
}
