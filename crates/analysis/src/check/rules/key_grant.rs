//! Keys whose policy leaves out a service that must use them.
//!
//! ## What it does
//! Asks each customer key on behalf of the services that work for the template: CloudWatch Logs for
//! encrypted log groups, CloudWatch for alarms to encrypted topics, Auto Scaling for encrypted
//! volumes, CloudFront for encrypted buckets.
//!
//! ## Why is this bad
//! Creating the log group fails; instances terminate as they launch; pages answer 403; and alarms to an
//! encrypted topic are lost without any sign.
//!
//! ## Example
//! A key with the default policy, used by an SNS topic that alarms publish to.
//!
//! ## Use instead
//! ```yaml
//! - { Effect: Allow, Principal: { Service: cloudwatch.amazonaws.com },
//!     Action: [kms:Decrypt, kms:GenerateDataKey], Resource: "*" }
//! ```
//!
//! ## References
//! - Amazon SNS Developer Guide, "Key management"
//! - Amazon EC2 Auto Scaling User Guide, "Required AWS KMS key policy"
//! - CloudWatch Logs User Guide, "Encrypt log data using AWS KMS"

use iam::{Context, Principal};
use model::{Key, LogicalId};

use super::super::{Facts, Finding};
use crate::access::Subject;

/// One use of a key by a service.
struct Use<'a> {
    key: &'a Key,
    user: Subject<'a>,
    actions: &'static [&'static str],
    context: Context,
    what: String,
    place: &'a cfn::Provenance,
}

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for used in uses(facts) {
        let denied = used.actions.iter().filter(|action| {
            let call = facts.access().call(action, used.key.id.as_str(), &used.context);
            call.is_ok_and(|call| {
                !facts.access().weigh(&used.user, &call, None).evaluation.is_allowed()
            })
        });
        let denied: Vec<&str> = denied.copied().collect();
        if !denied.is_empty() {
            let message = format!(
                "the policy of {} does not let {} {}, which {} needs",
                used.key.id,
                used.user.name,
                denied.join(", "),
                used.what
            );
            findings.push(
                Finding::at(&used.key.provenance, message).with_related(Some(used.place), "here"),
            );
        }
    }
    findings
}

fn uses<'a>(facts: &Facts<'a>) -> Vec<Use<'a>> {
    let mut uses = Vec::new();
    log_groups(facts, &mut uses);
    topics(facts, &mut uses);
    volumes(facts, &mut uses);
    buckets(facts, &mut uses);
    uses
}

fn service<'a>(name: &str) -> Subject<'a> {
    Subject::bare(name, Principal::service(name))
}

fn log_groups<'a>(facts: &Facts<'a>, uses: &mut Vec<Use<'a>>) {
    let (model, stack) = (facts.model, &facts.model.stack);
    for group in model.log_groups.values() {
        let Some(key) = group.key.as_ref().and_then(|id| model.keys.get(id)) else {
            continue;
        };
        let arn = group.arn.trim_end_matches(":*");
        uses.push(Use {
            key,
            user: service(&format!("logs.{}.amazonaws.com", stack.region)),
            actions: &["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
            context: Context::new()
                .with("kms:EncryptionContext:aws:logs:arn", arn)
                .with("aws:SourceAccount", stack.account_id.as_str()),
            what: format!("log group {}", group.id),
            place: &group.provenance,
        });
    }
}

/// Topics are passive in the model; their key is read from the stack.
fn topics<'a>(facts: &Facts<'a>, uses: &mut Vec<Use<'a>>) {
    let (model, stack) = (facts.model, &facts.model.stack);
    let alarmed = |topic: &str| {
        stack.resources.values().any(|resource| {
            resource.resource_type == "AWS::CloudWatch::Alarm"
                && resource.depends_on.iter().any(|id| id == topic)
        })
    };
    for topic in stack.resources.values() {
        if topic.resource_type != "AWS::SNS::Topic" || !alarmed(&topic.logical_id) {
            continue;
        }
        let Some(value) = topic.properties.get("KmsMasterKeyId") else { continue };
        let Some(text) = model.text(value) else { continue };
        let key = model.keys.values().find(|key| {
            [&key.arn, &key.key_id].contains(&&text) || key.aliases.contains(&text)
        });
        let Some(key) = key else { continue };
        let arn = model.resolve(&cfn::Symbol::Ref(topic.logical_id.clone())).unwrap_or_default();
        uses.push(Use {
            key,
            user: service("cloudwatch.amazonaws.com"),
            actions: &["kms:Decrypt", "kms:GenerateDataKey"],
            context: Context::new()
                .with("kms:EncryptionContext:aws:sns:topicArn", arn)
                .with("aws:SourceAccount", stack.account_id.as_str()),
            what: format!("an alarm to {}", topic.logical_id),
            place: &topic.provenance.0,
        });
    }
}

/// Volumes of instances that Auto Scaling launches, under its service-linked role.
fn volumes<'a>(facts: &Facts<'a>, uses: &mut Vec<Use<'a>>) {
    let (model, stack) = (facts.model, &facts.model.stack);
    for group in model.auto_scaling_groups.values() {
        let Some(template) = &group.launch_template else { continue };
        let Some(key) = volume_key(facts, template) else { continue };
        let arn = format!(
            "arn:{}:iam::{}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
            stack.partition, stack.account_id
        );
        let Some(principal) = Principal::role_session(&arn, "autoscaling") else { continue };
        let user = Subject::bare("AWSServiceRoleForAutoScaling", principal);
        uses.push(Use {
            key,
            user,
            actions: &["kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext"],
            context: Context::new().with("kms:GrantIsForAWSResource", "true"),
            what: format!("the volumes of {}", group.id),
            place: &group.provenance,
        });
    }
}

fn volume_key<'a>(facts: &Facts<'a>, template: &LogicalId) -> Option<&'a Key> {
    let resource = facts.model.stack.resources.get(template.as_str())?;
    let devices = resource.properties.at(&["LaunchTemplateData", "BlockDeviceMappings"])?;
    devices.items().iter().find_map(|device| {
        let value = device.at(&["Ebs", "KmsKeyId"])?;
        let text = facts.model.text(value)?;
        facts.model.keys.values().find(|key| key.arn == text || key.key_id == text)
    })
}

/// Buckets that a distribution reads with origin access control.
fn buckets<'a>(facts: &Facts<'a>, uses: &mut Vec<Use<'a>>) {
    let model = facts.model;
    for distribution in model.distributions.values() {
        for origin in &distribution.origins {
            let model::OriginKind::S3 { bucket: Some(bucket), access_control: Some(_) } = &origin.kind
            else {
                continue;
            };
            let Some(bucket) = model.buckets.get(bucket) else { continue };
            let Some(key) = bucket.key.as_ref().and_then(|id| model.keys.get(id)) else {
                continue;
            };
            uses.push(Use {
                key,
                user: service("cloudfront.amazonaws.com"),
                actions: &["kms:Decrypt"],
                context: Context::new()
                    .with("aws:SourceArn", distribution.arn.as_str())
                    .with("aws:SourceAccount", model.stack.account_id.as_str()),
                what: format!("{} reading {}", distribution.id, bucket.id),
                place: &origin.provenance,
            });
        }
    }
}
