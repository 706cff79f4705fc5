//! Which actions exist, and what can their permission be narrowed to?
//!
//! The actions that a system of this shape uses, not all of AWS's; an action that
//! is not here is unknown, not wrong. (Service Authorization Reference, one page a
//! service, as of 2026-11.)

/// An action and the kinds of resource a statement about it may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionInfo {
    pub service: &'static str,
    /// The operation, as AWS writes it.
    pub name: &'static str,
    /// ARN forms with `*` for what varies; empty when only `*` can be named.
    pub resources: &'static [&'static str],
}

/// What is known of `service:Operation`, in any letter case.
#[must_use]
pub fn find(action: &str) -> Option<ActionInfo> {
    let (service, name) = action.split_once(':')?;
    all().find(|known| {
        known.service.eq_ignore_ascii_case(service) && known.name.eq_ignore_ascii_case(name)
    })
}

/// Every known action that a policy's pattern covers.
pub fn covered_by(pattern: &crate::Pattern) -> impl Iterator<Item = ActionInfo> {
    all().filter(|known| {
        let action = format!("{}:{}", known.service, known.name);
        pattern.matches(&action.to_ascii_lowercase())
    })
}

/// Every known action, by service.
pub fn all() -> impl Iterator<Item = ActionInfo> {
    ACTIONS.iter().flat_map(|(service, resources, names)| {
        names.split_whitespace().map(|name| ActionInfo {
            service,
            name,
            resources,
        })
    })
}

const BUCKET: &[&str] = &["arn:*:s3:::*"];
const OBJECT: &[&str] = &["arn:*:s3:::*/*"];
const SECRET: &[&str] = &["arn:*:secretsmanager:*:*:secret:*"];
const KEY: &[&str] = &["arn:*:kms:*:*:key/*"];
const KEY_AND_ALIAS: &[&str] = &["arn:*:kms:*:*:key/*", "arn:*:kms:*:*:alias/*"];
const LOG_GROUP: &[&str] = &["arn:*:logs:*:*:log-group:*"];
const LOG_STREAM: &[&str] = &["arn:*:logs:*:*:log-group:*:log-stream:*"];
const REPOSITORY: &[&str] = &["arn:*:ecr:*:*:repository/*"];
const INSTANCE: &[&str] = &[
    "arn:*:ec2:*:*:instance/*",
    "arn:*:ssm:*:*:managed-instance/*",
];
const SESSION: &[&str] = &["arn:*:ssm:*:*:session/*"];
const DOCUMENT: &[&str] = &["arn:*:ssm:*:*:document/*"];
const START_SESSION: &[&str] = &[
    "arn:*:ec2:*:*:instance/*",
    "arn:*:ecs:*:*:task/*",
    "arn:*:ssm:*:*:document/*",
    "arn:*:ssm:*:*:managed-instance/*",
];
const PARAMETER: &[&str] = &["arn:*:ssm:*:*:parameter/*"];
const ROLE: &[&str] = &["arn:*:iam::*:role/*"];
const SERVICE: &[&str] = &["arn:*:ecs:*:*:service/*"];
const TASK: &[&str] = &["arn:*:ecs:*:*:task/*"];
const TASK_DEFINITION: &[&str] = &["arn:*:ecs:*:*:task-definition/*"];
const CLUSTER: &[&str] = &["arn:*:ecs:*:*:cluster/*"];
const DATABASE: &[&str] = &["arn:*:rds:*:*:db:*"];
const STACK: &[&str] = &["arn:*:cloudformation:*:*:stack/*"];
const SCALING_GROUP: &[&str] = &["arn:*:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/*"];
const TOPIC: &[&str] = &["arn:*:sns:*:*:*"];
const DISTRIBUTION: &[&str] = &["arn:*:cloudfront::*:distribution/*"];
const NONE: &[&str] = &[];

/// Service, what its actions can be narrowed to, and their names.
#[rustfmt::skip]
const ACTIONS: &[(&str, &[&str], &str)] = &[
    ("autoscaling", NONE, "DescribeAutoScalingGroups DescribeAutoScalingInstances DescribeInstanceRefreshes"),
    ("autoscaling", SCALING_GROUP, "CancelInstanceRefresh SetDesiredCapacity StartInstanceRefresh UpdateAutoScalingGroup"),
    ("cloudformation", NONE, "ValidateTemplate ListStacks"),
    ("cloudformation", STACK, "CreateChangeSet CreateStack DeleteChangeSet DeleteStack DescribeChangeSet DescribeStackEvents DescribeStackResources DescribeStacks ExecuteChangeSet GetTemplate ListStackResources UpdateStack"),
    ("cloudfront", DISTRIBUTION, "CreateInvalidation GetDistribution GetInvalidation UpdateDistribution"),
    ("cloudwatch", NONE, "GetMetricData PutMetricData"),
    ("ec2", NONE, "DescribeInstances DescribeInstanceStatus DescribeNetworkInterfaces DescribeSecurityGroups DescribeSubnets DescribeTags DescribeVpcEndpoints DescribeVpcs"),
    ("ec2messages", NONE, "AcknowledgeMessage DeleteMessage FailMessage GetEndpoint GetMessages SendReply"),
    ("ecr", NONE, "GetAuthorizationToken"),
    ("ecr", REPOSITORY, "BatchCheckLayerAvailability BatchDeleteImage BatchGetImage CompleteLayerUpload DescribeImages DescribeRepositories GetDownloadUrlForLayer InitiateLayerUpload ListImages PutImage UploadLayerPart"),
    ("ecs", NONE, "DeregisterTaskDefinition DescribeTaskDefinition ListTaskDefinitions"),
    ("ecs", CLUSTER, "DescribeClusters"),
    ("ecs", SERVICE, "DescribeServices UpdateService"),
    ("ecs", TASK, "DescribeTasks ExecuteCommand StopTask"),
    ("ecs", TASK_DEFINITION, "RegisterTaskDefinition RunTask"),
    ("elasticloadbalancing", NONE, "DescribeListeners DescribeLoadBalancers DescribeRules DescribeTargetGroups DescribeTargetHealth"),
    ("iam", ROLE, "GetRole PassRole"),
    ("kms", KEY, "CreateGrant Decrypt DescribeKey DisableKey EnableKey EnableKeyRotation Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GetKeyPolicy GetKeyRotationStatus ListGrants PutKeyPolicy ReEncryptFrom ReEncryptTo RetireGrant RevokeGrant ScheduleKeyDeletion"),
    ("kms", KEY_AND_ALIAS, "CreateAlias DeleteAlias UpdateAlias"),
    ("kms", NONE, "CreateKey GenerateRandom ListAliases ListKeys"),
    ("logs", LOG_GROUP, "CreateLogGroup CreateLogStream DeleteLogGroup DescribeLogGroups DescribeLogStreams FilterLogEvents GetLogGroupFields PutRetentionPolicy StartLiveTail StartQuery"),
    ("logs", LOG_STREAM, "DeleteLogStream GetLogEvents PutLogEvents"),
    ("logs", NONE, "GetQueryResults"),
    ("rds", DATABASE, "DescribeDBInstances ModifyDBInstance RebootDBInstance StartDBInstance StopDBInstance"),
    ("s3", BUCKET, "GetBucketLocation GetBucketPolicy ListBucket ListBucketMultipartUploads PutBucketPolicy"),
    ("s3", OBJECT, "AbortMultipartUpload DeleteObject GetObject GetObjectVersion ListMultipartUploadParts PutObject"),
    ("s3", NONE, "ListAllMyBuckets"),
    ("secretsmanager", SECRET, "CreateSecret DeleteSecret DescribeSecret GetResourcePolicy GetSecretValue ListSecretVersionIds PutSecretValue RotateSecret TagResource UpdateSecret UpdateSecretVersionStage"),
    ("secretsmanager", NONE, "BatchGetSecretValue GetRandomPassword ListSecrets"),
    ("sns", TOPIC, "Publish Subscribe"),
    ("ssm", DOCUMENT, "DescribeDocument GetDocument"),
    ("ssm", INSTANCE, "DescribeAssociation GetConnectionStatus UpdateInstanceInformation"),
    ("ssm", NONE, "DescribeInstanceInformation DescribeSessions GetCommandInvocation GetDeployablePatchSnapshotForInstance ListAssociations ListCommandInvocations ListInstanceAssociations PutComplianceItems PutInventory UpdateAssociationStatus UpdateInstanceAssociationStatus"),
    ("ssm", PARAMETER, "GetParameter GetParameters GetParametersByPath PutParameter"),
    ("ssm", SESSION, "ResumeSession TerminateSession"),
    ("ssm", START_SESSION, "SendCommand StartSession"),
    ("ssmmessages", NONE, "CreateControlChannel CreateDataChannel OpenControlChannel OpenDataChannel"),
    ("sts", NONE, "GetCallerIdentity"),
    ("sts", ROLE, "AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity TagSession"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pattern;

    #[test]
    fn actions_are_found_in_any_letter_case() {
        let decrypt = find("KMS:decrypt").unwrap();
        assert_eq!((decrypt.name, decrypt.resources), ("Decrypt", KEY));
        assert_eq!(find("ecr:GetAuthorizationToken").unwrap().resources, NONE);
        assert_eq!(find("kms:Dance"), None);
        assert_eq!(find("nonsense"), None);
    }

    #[test]
    fn patterns_expand_to_actions() {
        let covered: Vec<_> = covered_by(&Pattern::action("ec2messages:*e"))
            .map(|action| action.name)
            .collect();
        assert_eq!(
            covered,
            ["AcknowledgeMessage", "DeleteMessage", "FailMessage"]
        );
    }

    #[test]
    fn no_action_is_listed_twice() {
        let mut names: Vec<_> = all().map(|action| (action.service, action.name)).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
