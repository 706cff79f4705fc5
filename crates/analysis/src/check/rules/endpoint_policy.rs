//! Endpoint policies that keep a workload from what it needs.
//!
//! ## What it does
//! Asks each call that a workload must make against the policy of the endpoint it passes.
//!
//! ## Why is this bad
//! An endpoint policy is a filter: what it does not allow is denied, whatever the role may. The
//! classic is an S3 endpoint limited to one's own buckets: ECR keeps image layers in a bucket of
//! AWS's, and no image can be pulled any more.
//!
//! ## Example
//! ```yaml
//! PolicyDocument:
//!   Statement: [{ Effect: Allow, Principal: "*", Action: s3:GetObject, Resource: !Sub "${Ours.Arn}/*" }]
//! ```
//!
//! ## Use instead
//! Add `arn:aws:s3:::prod-REGION-starport-layer-bucket/*` with `s3:GetObject`.
//!
//! ## References
//! - Amazon ECR User Guide, "Minimum Amazon S3 bucket permissions for Amazon ECR"
//! - AWS PrivateLink Guide, "Control access to VPC endpoints using endpoint policies"

use iam::{Context, Policies, PolicyKind, Principal, Reason};
use model::VpcEndpoint;

use super::super::{Facts, Finding};
use crate::needs;

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for need in &facts.needs {
        let Some(endpoint) = endpoint_of(facts, need) else { continue };
        let Some(document) = facts.access().store.endpoint(&endpoint.id) else { continue };
        let Ok(call) = facts.access().call(&need.action, &need.resource, &Context::new()) else {
            continue;
        };
        // Calls that are signed already carry no principal of ours.
        let subject = need.role.as_ref().map(|role| facts.access().role(role));
        let principal = subject.map_or_else(Principal::anonymous, |subject| subject.principal);
        let context = Context::new()
            .with("aws:SourceVpce", endpoint.endpoint_id.as_str())
            .with("aws:SecureTransport", "true");
        let request = iam::Request {
            principal: &principal,
            action: &need.action,
            resource: &call.resource.arn,
            resource_account: None,
            context: &context,
        };
        let policies = Policies {
            endpoint: Some(&document.named),
            ..Policies::default()
        };
        let evaluation = iam::evaluate(&request, &policies);
        facts.access().note_all(&document.named);
        let stops = match &evaluation.reason {
            Reason::ExplicitDeny => true,
            Reason::Missing(kinds) => kinds.contains(&PolicyKind::Endpoint),
            _ => false,
        };
        if stops {
            let (id, action) = (&endpoint.id, &need.action);
            let message =
                format!("the policy of {id} stops {action} on {} of {}", need.resource, need.workload);
            findings.push(
                Finding::at(&endpoint.provenance, message)
                    .with_related(Some(need.provenance), need.why.as_str()),
            );
        }
    }
    findings
}

fn endpoint_of<'a>(facts: &Facts<'a>, need: &needs::Need<'_>) -> Option<&'a VpcEndpoint> {
    let eni = needs::interfaces(facts.model, &need.workload).into_iter().next()?;
    let vpc = facts.network.vpc_of(&eni.subnet)?;
    let region = &facts.model.stack.region;
    let mut endpoints = facts.model.vpc_endpoints.values();
    endpoints
        .find(|endpoint| endpoint.vpc == vpc.id && endpoint.service(region) == need.service)
}
