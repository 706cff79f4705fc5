//! All rules, in the order people read about them.

use super::{Rule, Severity};

macro_rules! rules {
    ($($module:ident $name:literal $severity:ident;)*) => {
        $(mod $module;)*

        /// Every rule.
        pub const RULES: &[Rule] = &[$(
            Rule {
                name: $name,
                severity: Severity::$severity,
                source: include_str!(concat!("rules/", stringify!($module), ".rs")),
                run: $module::run,
            },
        )*];
    };
}

rules! {
    internet_exposure "internet-exposure" Error;
    cloudfront_bypass "cloudfront-bypass" Error;
    database_exposure "database-exposure" Error;
    public_resource "public-resource" Error;
    service_unreachable "service-unreachable" Error;
    endpoint_policy "endpoint-policy" Error;
    endpoint_zones "endpoint-zones" Warning;
    endpoint_unused "endpoint-unused" Warning;
    network_acl_replies "network-acl-replies" Error;
    target_unreachable "target-unreachable" Error;
    target_port "target-port" Error;
    origin_certificate "origin-certificate" Error;
    origin_protocol "origin-protocol" Error;
    policy_document "policy-document" Error;
    permission_missing "permission-missing" Error;
    permission_excess "permission-excess" Warning;
    role_trust "role-trust" Error;
    key_grant "key-grant" Error;
    wildcard_permission "wildcard-permission" Warning;
    privilege_escalation "privilege-escalation" Error;
    oidc_subject "oidc-subject" Error;
    encryption_key "encryption-key" Warning;
    missing_tag "missing-tag" Warning;
    single_zone "single-zone" Warning;
    nat_zone "nat-zone" Note;
    database_protection "database-protection" Warning;
    security_group_excess "security-group-excess" Warning;
    unneeded "unneeded" Warning;
}
