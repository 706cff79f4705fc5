//! Who can become whom?
//!
//! By assuming a role whose trust policy lets them, or by passing a role to a
//! service that runs what they say.

use std::collections::VecDeque;

use cfn::Provenance;
use iam::Context;
use model::LogicalId;

use super::{Access, Call, Resource};

/// One step from one principal to another.
#[derive(Clone, Debug)]
pub struct Becoming {
    pub from: String,
    pub to: String,
    pub how: String,
    pub provenance: Option<Provenance>,
}

/// Services that run code under a role they are passed, the action that starts
/// it, and the resource type the action needs. (IAM User Guide, "Pass a role")
const RUNNERS: &[(&str, &[&str])] = &[
    ("ecs-tasks.amazonaws.com", &["ecs:RegisterTaskDefinition"]),
    ("ec2.amazonaws.com", &["ec2:RunInstances"]),
    ("lambda.amazonaws.com", &["lambda:CreateFunction"]),
    ("codebuild.amazonaws.com", &["codebuild:CreateProject"]),
    (
        "cloudformation.amazonaws.com",
        &["cloudformation:CreateStack"],
    ),
];

impl<'a> Access<'a> {
    /// Every step from a role or a policy's holder to a role of the template.
    pub fn becoming(&self) -> &[Becoming] {
        self.becoming.get_or_init(|| self.find_becoming())
    }

    fn find_becoming(&self) -> Vec<Becoming> {
        let mut steps = Vec::new();
        let call = Call {
            action: "sts:AssumeRole".to_owned(),
            resource: self.named("*"),
            context: Context::new(),
            endpoint: None,
        };
        for subject in self.subjects(&call) {
            for role in self.model.roles.keys() {
                if subject.name == role.as_str() {
                    continue;
                }
                let assume = Call {
                    action: "sts:AssumeRole".to_owned(),
                    resource: self.named(role.as_str()),
                    ..call.clone()
                };
                let part = self.weigh(&subject, &assume, None);
                if part.evaluation.is_allowed() {
                    steps.push(Becoming {
                        from: subject.name.clone(),
                        to: role.to_string(),
                        how: format!("assuming {role}"),
                        provenance: part.statements.first().and_then(|s| s.provenance.clone()),
                    });
                }
                steps.extend(self.passing(&subject, role));
            }
        }
        steps
    }

    /// Passing a role to a service that trusts it and runs what one asks.
    fn passing(&self, subject: &super::Subject<'a>, role: &LogicalId) -> Option<Becoming> {
        RUNNERS.iter().find_map(|(service, starts)| {
            self.is_trusted(role, service).then_some(())?;
            let pass = Call {
                action: "iam:PassRole".to_owned(),
                resource: self.named(role.as_str()),
                context: Context::new().with("iam:PassedToService", *service),
                endpoint: None,
            };
            let part = self.weigh(subject, &pass, None);
            part.evaluation.is_allowed().then_some(())?;
            let can_start = |action: &str| {
                subject
                    .policies
                    .iter()
                    .any(|policy| mentions(&policy.document, action))
            };
            starts
                .iter()
                .any(|action| can_start(action))
                .then(|| Becoming {
                    from: subject.name.clone(),
                    to: role.to_string(),
                    how: format!("passing {role} to {service}"),
                    provenance: part.statements.first().and_then(|s| s.provenance.clone()),
                })
        })
    }

    /// Whether a service may assume a role.
    fn is_trusted(&self, role: &LogicalId, service: &str) -> bool {
        let Some(trust) = self.store.resource(role) else {
            return false;
        };
        let statements = trust.named.document.statements.iter();
        statements
            .filter(|statement| statement.effect == iam::Effect::Allow)
            .flat_map(|statement| {
                statement
                    .principal
                    .iter()
                    .flat_map(|clause| &clause.entries)
            })
            .any(|entry| matches!(entry, iam::PrincipalEntry::Service(name) if name == service))
    }

    fn named(&self, name: &str) -> Resource {
        Resource::find(self.model, "sts:AssumeRole", name).unwrap_or_else(|| Resource {
            name: name.to_owned(),
            id: None,
            arn: "*".to_owned(),
            account: None,
            tags: std::collections::BTreeMap::new(),
        })
    }
}

/// Whether some statement allows an action on anything at all.
pub(crate) fn mentions(document: &iam::PolicyDocument, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    document.statements.iter().any(|statement| {
        statement.effect == iam::Effect::Allow
            && statement
                .action
                .patterns
                .iter()
                .any(|pattern| pattern.matches(&action))
                != statement.action.negated
    })
}

/// The shortest way from a principal to one of `able`.
pub(super) fn ways(steps: &[Becoming], from: &str, able: &[String]) -> Vec<Becoming> {
    let mut queue: VecDeque<Vec<&Becoming>> = steps
        .iter()
        .filter(|step| step.from == from)
        .map(|step| vec![step])
        .collect();
    let mut seen: Vec<&str> = vec![from];
    while let Some(way) = queue.pop_front() {
        let Some(last) = way.last() else { continue };
        if able.contains(&last.to) {
            return way.into_iter().cloned().collect();
        }
        if seen.contains(&last.to.as_str()) {
            continue;
        }
        seen.push(&last.to);
        for next in steps.iter().filter(|step| step.from == last.to) {
            queue.push_back(way.iter().copied().chain([next]).collect());
        }
    }
    Vec::new()
}
