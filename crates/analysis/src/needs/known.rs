//! What is a role known to be for?
//!
//! More than its workload must be able to do: also what AWS documents as part
//! of the same job (asking which layers are there belongs to a pull), what the
//! intent file states, and what the program's authors declare.

use std::collections::BTreeMap;

use cfn::{Fragment, Kind, Symbol, Value};
use iam::Context;
use model::{LogicalId, Model};

use crate::access::{Call, Resource, implied, roles_of};
use crate::check::Facts;
use crate::intent::Claim;

/// An action of a role with where it is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Known {
    /// Lower case.
    pub(crate) action: String,
    /// `None` where nobody can name the resource beforehand.
    pub(crate) arn: Option<String>,
    /// `secretsmanager:GetSecretValue on Secret`.
    pub(crate) text: String,
    /// Whether it only goes with what is needed.
    pub(crate) is_spare: bool,
}

/// Roles by what they are used for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Purpose {
    /// The workloads that hold the role.
    pub(crate) workloads: Vec<LogicalId>,
    pub(crate) known: Vec<Known>,
    /// Somebody has stated what the role is for, so that what is not stated
    /// is not meant.
    pub(crate) is_stated: bool,
}

/// What goes with a call that is made: actions on the same resource.
/// (ECR User Guide, "Private repository policy examples"; Secrets Manager User
/// Guide, "Retrieve secrets with caching")
const COMPANIONS: &[(&str, &[&str])] = &[
    ("ecr:batchgetimage", &["ecr:BatchCheckLayerAvailability"]),
    (
        "secretsmanager:getsecretvalue",
        &["secretsmanager:DescribeSecret"],
    ),
    ("ssm:getparameters", &["ssm:GetParameter"]),
];

/// What the agent of Systems Manager asks for beyond what it cannot do without,
/// on resources that exist only once it runs. Reading parameters is not the
/// agent's own doing. (AWS Managed Policy Reference, AmazonSSMManagedInstanceCore)
const AGENT: &[&str] = &[
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
    "ssm:DescribeAssociation",
    "ssm:DescribeDocument",
    "ssm:GetDeployablePatchSnapshotForInstance",
    "ssm:GetDocument",
    "ssm:GetManifest",
    "ssm:ListAssociations",
    "ssm:ListInstanceAssociations",
    "ssm:PutComplianceItems",
    "ssm:PutConfigurePackageResult",
    "ssm:PutInventory",
    "ssm:UpdateAssociationStatus",
    "ssm:UpdateInstanceAssociationStatus",
];

/// The roles of every workload, each with what it is known to be for.
pub(crate) fn purposes(facts: &Facts<'_>) -> BTreeMap<LogicalId, Purpose> {
    let model = facts.model;
    let mut purposes: BTreeMap<LogicalId, Purpose> = BTreeMap::new();
    let workloads = model
        .services
        .keys()
        .chain(model.auto_scaling_groups.keys());
    for workload in workloads.chain(model.task_definitions.keys()) {
        for (role, _) in roles_of(model, workload.as_str()) {
            let purpose = purposes.entry(role).or_default();
            let is_run_by_service = purpose.workloads.iter().any(|one| {
                let service = model.services.get(one);
                service.is_some_and(|service| service.task_definition.as_ref() == Some(workload))
            });
            if !is_run_by_service {
                purpose.workloads.push(workload.clone());
            }
        }
    }
    let mut collector = Collector { model, purposes };
    for need in &facts.needs {
        let Some(role) = &need.role else { continue };
        collector.add(role, &need.action, &need.resource);
        if need.action == "ssm:UpdateInstanceInformation" {
            collector.agent(role);
        }
    }
    collector.user_data();
    collector.stated(facts);
    collector.purposes
}

struct Collector<'a> {
    model: &'a Model,
    purposes: BTreeMap<LogicalId, Purpose>,
}

impl<'a> Collector<'a> {
    /// A call, what AWS makes of it on the caller's behalf, and what goes with it.
    fn add(&mut self, role: &LogicalId, action: &str, resource: &str) {
        self.add_one(role, action, resource, false);
        let lower = action.to_ascii_lowercase();
        let companions = COMPANIONS.iter().filter(|(of, _)| *of == lower);
        for companion in companions.flat_map(|(_, companions)| *companions) {
            self.add_one(role, companion, resource, true);
        }
        // A log group outside the template may have to be made first.
        if lower == "logs:putlogevents" && !self.model.stack.resources.contains_key(resource) {
            self.add_one(role, "logs:CreateLogGroup", resource, true);
        }
    }

    fn add_one(&mut self, role: &LogicalId, action: &str, resource: &str, is_spare: bool) {
        let Some(found) = Resource::find(self.model, action, resource) else {
            return;
        };
        let is_nameless = resource == "*" || found.arn.ends_with(":instance/i-0");
        let arn = (!is_nameless).then(|| found.arn.clone());
        self.push(role, action, arn, resource, is_spare);
        let call = Call {
            action: action.to_owned(),
            resource: found,
            context: Context::new(),
            endpoint: None,
        };
        for (implied, _) in implied(self.model, &call) {
            let Resource { arn, name, .. } = implied.resource;
            self.push(role, &implied.action, Some(arn), &name, is_spare);
        }
    }

    fn push(
        &mut self,
        role: &LogicalId,
        action: &str,
        arn: Option<String>,
        resource: &str,
        is_spare: bool,
    ) {
        let Some(purpose) = self.purposes.get_mut(role) else {
            return;
        };
        let known = Known {
            action: action.to_ascii_lowercase(),
            text: format!("{action} on {resource}"),
            arn,
            is_spare,
        };
        if !purpose.known.contains(&known) {
            purpose.known.push(known);
        }
    }

    /// The agent's own calls, and what the template's session documents make it do.
    /// (Systems Manager User Guide, "Logging session data using CloudWatch Logs",
    /// "Turn on KMS key encryption of session data")
    fn agent(&mut self, role: &LogicalId) {
        for action in AGENT {
            self.push(role, action, None, "*", true);
        }
        let resources = self.model.stack.resources.values();
        let documents = resources.filter(|one| one.resource_type == "AWS::SSM::Document");
        let inputs: Vec<&Value> = documents
            .filter_map(|document| document.properties.at(&["Content", "inputs"]))
            .collect();
        for inputs in inputs {
            let text = |name: &str| inputs.get(name).and_then(|value| self.model.text(value));
            let (group, key) = (text("cloudWatchLogGroupName"), text("kmsKeyId"));
            let groups = self.model.log_groups.values();
            let group = groups
                .into_iter()
                .find(|one| Some(&one.name) == group.as_ref());
            if let Some(group) = group.map(|group| group.id.to_string()) {
                for action in ["CreateLogStream", "PutLogEvents", "DescribeLogStreams"] {
                    self.add(role, &format!("logs:{action}"), &group);
                }
                self.add(role, "logs:DescribeLogGroups", "*");
            }
            let mut keys = self.model.keys.values();
            let key = keys
                .find(|one| Some(&one.arn) == key.as_ref() || Some(&one.key_id) == key.as_ref());
            if let Some(key) = key.map(|key| key.id.to_string()) {
                self.add(role, "kms:Decrypt", &key);
            }
        }
    }

    /// What the script an instance starts with names, it may read.
    fn user_data(&mut self) {
        for group in self.model.auto_scaling_groups.values() {
            let roles = roles_of(self.model, group.id.as_str());
            let (Some((role, _)), Some(template)) = (roles.first(), &group.launch_template) else {
                continue;
            };
            let resource = self.model.stack.resources.get(template.as_str());
            let script =
                resource.and_then(|one| one.properties.at(&["LaunchTemplateData", "UserData"]));
            for id in script.map(named).unwrap_or_default() {
                let kind = self.model.stack.resources.get(&id);
                let actions: &[&str] = match kind.map(|one| one.resource_type.as_str()) {
                    Some("AWS::SecretsManager::Secret") => &["secretsmanager:GetSecretValue"],
                    Some("AWS::SSM::Parameter") => &["ssm:GetParameters"],
                    Some("AWS::Logs::LogGroup") => &["logs:CreateLogStream", "logs:PutLogEvents"],
                    Some("AWS::ECR::Repository") => {
                        self.add(role, "ecr:GetAuthorizationToken", "*");
                        &["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
                    }
                    _ => &[],
                };
                for action in actions {
                    self.add(role, action, &id);
                }
            }
        }
    }

    /// What the intent file allows, and what is declared beside the workload.
    fn stated(&mut self, facts: &Facts<'_>) {
        let roles: Vec<LogicalId> = self.purposes.keys().cloned().collect();
        for role in roles {
            let mut needs = facts.needs.iter();
            let mut is_stated =
                needs.any(|need| need.is_declared && need.role.as_ref() == Some(&role));
            for statement in facts.intent.iter().flat_map(|intent| &intent.statements) {
                let (call, names): (_, &[String]) = match &statement.claim {
                    Claim::Access {
                        call,
                        principal,
                        expected: true,
                    } => (call, std::slice::from_ref(principal)),
                    Claim::AccessOnly { call, principals } => (call, principals),
                    _ => continue,
                };
                let is_about = |name: &String| {
                    let holder = roles_of(self.model, name).into_iter().next();
                    *name == role.as_str() || holder.is_some_and(|(own, _)| own == role)
                };
                if names.iter().any(is_about) {
                    is_stated |= matches!(statement.claim, Claim::Access { .. });
                    let resource = crate::intent::filled(self.model, &call.resource);
                    self.add(&role, &call.action, &resource);
                }
            }
            if let Some(purpose) = self.purposes.get_mut(&role) {
                purpose.is_stated = is_stated;
            }
        }
    }
}

/// The resources a value refers to, each once.
fn named(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |symbol: &Symbol| match symbol {
        Symbol::Ref(id) | Symbol::GetAtt(id, _) if !found.contains(id) => found.push(id.clone()),
        _ => {}
    };
    match &value.kind {
        Kind::Symbol(symbol) => note(symbol),
        Kind::Text(fragments) => {
            for fragment in fragments {
                if let Fragment::Symbol(symbol) = fragment {
                    note(symbol);
                }
            }
        }
        _ => {}
    }
    found
}
