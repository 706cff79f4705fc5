//! Distributions with their origins, behaviours and headers.

use model::{ErrorResponse, OriginKind, PolicyReference};

use crate::support::{model, not_analysed};

#[test]
fn a_distribution_of_a_bucket_and_a_balancer() {
    let model = model(
        "  Bucket: { Type: AWS::S3::Bucket }
  Control:
    Type: AWS::CloudFront::OriginAccessControl
    Properties: { OriginAccessControlConfig: { Name: c, OriginAccessControlOriginType: s3, SigningBehavior: always, SigningProtocol: sigv4 } }
  Headers:
    Type: AWS::CloudFront::ResponseHeadersPolicy
    Properties:
      ResponseHeadersPolicyConfig:
        Name: h
        SecurityHeadersConfig:
          StrictTransportSecurity: { AccessControlMaxAgeSec: 100, IncludeSubdomains: true, Preload: true, Override: true }
          ContentTypeOptions: { Override: false }
        CustomHeadersConfig: { Items: [{ Header: X-Club, Value: futsal, Override: true }] }
        RemoveHeadersConfig: { Items: [{ Header: Server }] }
  Rewrite: { Type: AWS::CloudFront::Function, Properties: { Name: r, FunctionConfig: {}, FunctionCode: 'function handler(e) { return e.request }' } }
  Site:
    Type: AWS::CloudFront::Distribution
    Properties:
      DistributionConfig:
        Enabled: true
        Aliases: [club.example]
        DefaultRootObject: index.html
        HttpVersion: http2and3
        ViewerCertificate: { AcmCertificateArn: 'arn:aws:acm:us-east-1:1:certificate/x', MinimumProtocolVersion: TLSv1.2_2021, SslSupportMethod: sni-only }
        Origins:
          - { Id: web, DomainName: !GetAtt Bucket.RegionalDomainName, OriginAccessControlId: !GetAtt Control.Id, S3OriginConfig: { OriginAccessIdentity: '' } }
          - Id: api
            DomainName: origin.club.example
            OriginCustomHeaders: [{ HeaderName: X-Origin, HeaderValue: secret }]
            CustomOriginConfig: { OriginProtocolPolicy: https-only, OriginSSLProtocols: [TLSv1.2] }
        DefaultCacheBehavior:
          TargetOriginId: web
          ViewerProtocolPolicy: redirect-to-https
          CachePolicyId: 658327ea-f89d-4fab-a63d-7e88639e58f6
          ResponseHeadersPolicyId: !Ref Headers
          FunctionAssociations: [{ EventType: viewer-request, FunctionARN: !GetAtt Rewrite.FunctionARN }]
        CacheBehaviors:
          - { PathPattern: /api/*, TargetOriginId: api, ViewerProtocolPolicy: https-only, AllowedMethods: [GET, POST], CachePolicyId: none, ResponseHeadersPolicyId: 67f7725c-6f97-4210-82d7-5512b31e9d03, Compress: true }
        CustomErrorResponses: [{ ErrorCode: 403, ResponseCode: 200, ResponsePagePath: /index.html, ErrorCachingMinTTL: 0 }]
",
    );
    assert_eq!(not_analysed(&model), Vec::<String>::new());
    let site = &model.distributions["Site"];
    assert!(site.domain_name.ends_with(".cloudfront.net"));
    assert_eq!(site.http_version, "http2and3");
    let [web, api] = site.origins.as_slice() else {
        panic!("two origins")
    };
    assert_eq!(
        web.kind,
        OriginKind::S3 {
            bucket: Some("Bucket".into()),
            access_control: Some("Control".into())
        }
    );
    // CloudFront API, CustomOriginConfig: ports and timeouts when nothing is said
    assert_eq!(
        api.kind,
        OriginKind::Custom {
            protocol_policy: "https-only".to_owned(),
            http_port: 80,
            https_port: 443,
            read_timeout_s: 30,
            keepalive_timeout_s: 5,
        }
    );
    assert_eq!(
        api.custom_headers,
        [("X-Origin".to_owned(), "secret".to_owned())]
    );
    let default = &site.default_behavior;
    assert_eq!(default.allowed_methods, ["GET", "HEAD"]);
    assert_eq!(
        default.response_headers_policy,
        Some(PolicyReference::Local("Headers".into()))
    );
    assert_eq!(
        default.functions,
        [("viewer-request".to_owned(), "Rewrite".into())]
    );
    let [behavior] = site.behaviors.as_slice() else {
        panic!("one behaviour")
    };
    assert_eq!(
        (
            behavior.path_pattern.as_str(),
            behavior.target_origin.as_str()
        ),
        ("/api/*", "api")
    );
    assert_eq!(
        behavior.response_headers_policy,
        Some(PolicyReference::Managed(
            "67f7725c-6f97-4210-82d7-5512b31e9d03".to_owned()
        ))
    );
    assert_eq!(
        site.error_responses,
        [ErrorResponse {
            error_code: 403,
            response_code: Some(200),
            response_page_path: Some("/index.html".to_owned()),
            error_caching_min_ttl_s: Some(0),
        }]
    );
    let headers = &model.response_headers_policies["Headers"];
    let mut said = headers.headers.clone();
    said.sort();
    let header = |name: &str, value: &str, replaces| (name.to_owned(), value.to_owned(), replaces);
    assert_eq!(
        said,
        [
            header("X-Club", "futsal", true),
            header(
                "strict-transport-security",
                "max-age=100; includeSubDomains; preload",
                true
            ),
            header("x-content-type-options", "nosniff", false),
        ]
    );
    assert_eq!(headers.remove_headers, ["Server"]);
}

#[test]
fn records_of_both_kinds() {
    let model = model(
        "  Alias: { Type: AWS::Route53::RecordSet, Properties: { HostedZoneId: Z, Name: club.example., Type: A, AliasTarget: { DNSName: d1.cloudfront.net, HostedZoneId: Z2 } } }
  Plain: { Type: AWS::Route53::RecordSet, Properties: { HostedZoneId: Z, Name: t.club.example, Type: TXT, TTL: 60, ResourceRecords: ['\"x\"'] } }
",
    );
    assert_eq!(not_analysed(&model), Vec::<String>::new());
    let (alias, plain) = (&model.record_sets["Alias"], &model.record_sets["Plain"]);
    assert_eq!(
        (alias.name.as_str(), alias.alias, alias.values.as_slice()),
        (
            "club.example",
            true,
            ["d1.cloudfront.net".to_owned()].as_slice()
        )
    );
    assert_eq!(
        (
            plain.record_type.as_str(),
            plain.alias,
            plain.values.as_slice()
        ),
        ("TXT", false, ["\"x\"".to_owned()].as_slice())
    );
}
