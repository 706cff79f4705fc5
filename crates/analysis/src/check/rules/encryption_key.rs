//! Data that the system's own key does not protect.
//!
//! ## What it does
//! Where a template has a customer-managed key, reports databases, secrets, log groups, buckets and
//! repositories that do not use one, and databases that are not encrypted at all.
//!
//! ## Why is this bad
//! One key is one switch and one audit trail. What is left out is protected by a key whose policy is
//! not yours.
//!
//! ## Example
//! ```yaml
//! LogGroup: { Type: AWS::Logs::LogGroup }
//! ```
//!
//! ## Use instead
//! ```yaml
//! LogGroup: { Type: AWS::Logs::LogGroup, Properties: { KmsKeyId: !GetAtt Key.Arn } }
//! ```
//!
//! ## References
//! - KMS Developer Guide, "AWS KMS keys"

use cfn::Provenance;
use model::LogicalId;

use super::super::{Facts, Finding};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let model = facts.model;
    let mut findings = Vec::new();
    for database in model.databases.values().filter(|one| !one.storage_encrypted) {
        let message = format!("{} is not encrypted", database.id);
        findings.push(Finding::at(&database.provenance, message));
    }
    if model.keys.is_empty() {
        return findings;
    }
    let databases = model.databases.values().filter(|one| one.storage_encrypted);
    let databases = databases.map(|one| (&one.id, &one.key, &one.provenance));
    let secrets = model.secrets.values().map(|one| (&one.id, &one.key, &one.provenance));
    let groups = model.log_groups.values().map(|one| (&one.id, &one.key, &one.provenance));
    let repositories = model.repositories.values().map(|one| (&one.id, &one.key, &one.provenance));
    let buckets = model.buckets.values().filter(|bucket| !receives_access_logs(facts, &bucket.id));
    let buckets = buckets.map(|one| (&one.id, &one.key, &one.provenance));
    let all = databases.chain(secrets).chain(groups).chain(repositories).chain(buckets);
    let bare = all.filter(|(_, key, _)| key.is_none());
    findings.extend(bare.map(|(id, _, place): (&LogicalId, _, &Provenance)| {
        Finding::at(place, format!("{id} does not use a key of the template"))
    }));
    findings
}

/// Load balancers can deliver access logs only to buckets under S3's own keys.
/// (Elastic Load Balancing, "Access logs for your Application Load Balancer")
fn receives_access_logs(facts: &Facts<'_>, bucket: &LogicalId) -> bool {
    let name = facts.model.buckets.get(bucket).map(|bucket| bucket.name.as_str());
    facts.model.load_balancers.values().any(|balancer| {
        balancer.attribute("access_logs.s3.bucket") == name
    })
}
