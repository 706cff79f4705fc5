//! Workloads that may do more than they are known to be for.
//!
//! ## What it does
//! Compares what each role of a service, task or instance may do, action by resource, with what it is
//! known to be for: what the template makes it do (pull its image, write its log, read the secrets and
//! parameters it is told of, be managed by Systems Manager), what the intent file allows it, and the
//! calls declared beside its task definition or launch template. Reported is, of each statement,
//! actions that only a wildcard includes, resources that only a wildcard includes, and, once an intent
//! or a declaration says what the role is for, whatever is not among it. AWS's managed policies name no
//! resources; of them only wildcards among the actions are more than a note.
//!
//! ## Why is this bad
//! Whoever gets into the program has what its role has. A wildcard also covers what AWS adds later.
//!
//! ## Example
//! ```yaml
//! - { Effect: Allow, Action: "secretsmanager:*", Resource: !Ref DatabaseSecret }
//! ```
//!
//! ## Use instead
//! ```yaml
//! - { Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: !Ref DatabaseSecret }
//! ```
//! What the program itself calls is declared beside it, and then also asked for by `permission-missing`:
//! ```yaml
//! Metadata:
//!   Kickytime::Calls:
//!     - { Action: "dynamodb:GetItem", Resource: !GetAtt Table.Arn, Reason: match history }
//! ```
//!
//! ## References
//! - IAM User Guide, "Apply least-privilege permissions"
//! - Service Authorization Reference, "Actions, resources, and condition keys"

use iam::{Context, Decision, Effect, Pattern, Statement};
use model::{LogicalId, Model};

use super::super::{Facts, Finding, Severity};
use super::wildcard_permission::{is_narrowed, is_sensitive};
use crate::access::statement::{actions, anything, could_apply, covers_arn, known_action, takes};
use crate::access::Resource;
use crate::needs::declared;
use crate::needs::known::{Known, Purpose, purposes};

/// Names listed in one message; more are counted.
const MAX_NAMES: usize = 5;

/// AWS's managed policies for a job, and an action whose need shows that the role has it.
/// They name no resources, and are not held against who uses them for their job.
const FOR_A_JOB: &[(&str, &str)] = &[
    ("AmazonEC2ContainerRegistryPullOnly", "ecr:batchgetimage"),
    ("AmazonEC2ContainerRegistryReadOnly", "ecr:batchgetimage"),
    ("AmazonECSTaskExecutionRolePolicy", "ecr:batchgetimage"),
    ("AmazonECSTaskExecutionRolePolicy", "logs:putlogevents"),
    ("AmazonSSMManagedInstanceCore", "ssm:updateinstanceinformation"),
];

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = unreasoned(facts);
    for (role, purpose) in purposes(facts) {
        let store = &facts.access().store;
        for policy in store.identity(&role) {
            for (index, statement) in policy.document.statements.iter().enumerate() {
                if statement.effect != Effect::Allow {
                    continue;
                }
                let written = store.statement(&policy.name, index);
                let asker = Asker { facts, role: &role, purpose: &purpose, is_ours: written.is_some() };
                if written.is_none() && asker.has_job_of(&policy.name) {
                    continue;
                }
                let excess = asker.excess(statement);
                if excess.is_empty() {
                    continue;
                }
                let place = written.or_else(|| Some(facts.model.roles.get(&role)?.provenance.clone()));
                let by = if asker.is_ours { String::new() } else { format!("{}: ", policy.name) };
                let message = format!(
                    "{role} may do more than {} is known to need: {by}{}; {}",
                    list(&purpose.workloads),
                    excess.join("; "),
                    asker.needed(statement)
                );
                let finding = Finding::at(&place.unwrap_or_default(), message)
                    .with_hint("name actions and resources; what the program calls, declare");
                // AWS's own policies cannot name resources: who attaches one for its
                // actions is told, who gets more actions than anybody listed is warned.
                let is_wild = excess.iter().any(|part| part.starts_with('`'));
                findings.push(if asker.is_ours || is_wild {
                    finding
                } else {
                    finding.at_most(Severity::Note)
                });
            }
        }
    }
    findings
}

/// Declarations that do not say what for, or of what.
fn unreasoned(facts: &Facts<'_>) -> Vec<Finding> {
    let model = facts.model;
    let holders = model.task_definitions.keys().chain(model.launch_templates.keys());
    let calls = holders.flat_map(|holder| declared::of(model, holder));
    let fault = |call: declared::Declared<'_>| {
        let lacks = if call.reason.trim().is_empty() {
            "Reason"
        } else if call.actions.is_empty() {
            "Action"
        } else if call.resources.is_empty() {
            "Resource"
        } else {
            return None;
        };
        let message = format!("a call is declared without `{lacks}`");
        Some(Finding::at(call.provenance, message))
    };
    calls.filter_map(fault).collect()
}

/// One role's statements, held against what it is known to be for.
struct Asker<'f, 'a> {
    facts: &'f Facts<'a>,
    role: &'f LogicalId,
    purpose: &'f Purpose,
    /// Whether the statement stands in the template, or is AWS's.
    is_ours: bool,
}

impl Asker<'_, '_> {
    fn has_job_of(&self, policy: &str) -> bool {
        let jobs = FOR_A_JOB.iter().filter(|(name, _)| *name == policy);
        jobs.into_iter().any(|(_, action)| self.known(action).next().is_some())
    }

    fn known<'p>(&'p self, action: &str) -> impl Iterator<Item = &'p Known> {
        let action = action.to_ascii_lowercase();
        self.purpose.known.iter().filter(move |known| known.action == action)
    }

    /// What one statement allows beyond what is known, in words.
    fn excess(&self, statement: &Statement) -> Vec<String> {
        let mut parts = Vec::new();
        let (mut everywhere, mut unstated) = (Vec::new(), Vec::new());
        for (text, actions) in actions(statement) {
            let is_wild = actions.as_slice() != [text.as_str()];
            let mut beyond = Vec::new();
            for action in &actions {
                if !could_apply(statement, action) || self.is_denied(statement, action) {
                    continue;
                }
                let is_known = self.known(action).any(|known| covers(statement, known));
                if is_wild && !is_known {
                    beyond.push(action.clone());
                } else if self.is_everywhere(statement, action) {
                    everywhere.push(action.clone());
                } else {
                    unstated.extend(self.others(statement, action));
                }
            }
            if is_wild && actions.is_empty() {
                beyond.push(format!("every action of {text}"));
            }
            if !beyond.is_empty() {
                parts.push(format!("`{text}` includes {}", list(&beyond)));
            }
        }
        if !everywhere.is_empty() {
            parts.push(format!("{} on every resource there is", list(&everywhere)));
        }
        if !unstated.is_empty() {
            unstated.dedup();
            parts.push(list(&unstated));
        }
        parts
    }

    /// Whether only a wildcard says which resources, although the action has
    /// resources that could be named.
    fn is_everywhere(&self, statement: &Statement, action: &str) -> bool {
        let narrow = known_action(action).is_some_and(|info| !info.resources.is_empty());
        let is_nameless = || self.known(action).any(|known| known.arn.is_none());
        narrow
            && !is_narrowed(statement)
            && !(self.is_ours && is_sensitive(action))
            && anything(action).iter().any(|arn| covers_arn(statement, arn))
            && !is_nameless()
    }

    /// Resources of the template the statement covers, which the action is not
    /// known to be for: those that a wildcard brings in, and all of them once it
    /// is stated what the role is for.
    fn others(&self, statement: &Statement, action: &str) -> Vec<String> {
        let is_nameless = self.known(action).any(|known| known.arn.is_none());
        let is_used = self.known(action).next().is_some();
        if is_nameless || !self.is_ours || is_narrowed(statement) {
            return Vec::new();
        }
        let model = self.facts.model;
        let mut named = Vec::new();
        let mut is_any_named = false;
        for pattern in statement
            .resource
            .iter()
            .flat_map(|clause| &clause.patterns)
        {
            let is_wild = pattern
                .as_str()
                .trim_end_matches(":*")
                .contains(['*', '?']);
            if !(self.purpose.is_stated || is_wild && is_used) {
                continue;
            }
            for resource in of_service(model, action) {
                if !takes(action, &resource.arn) || !pattern.matches_arn(&resource.arn) {
                    continue;
                }
                is_any_named = true;
                let mut known = self.known(action);
                if !known.any(|known| known.arn.as_ref() == Some(&resource.arn)) {
                    named.push(format!("{action} on {}", resource.name));
                }
            }
        }
        let is_foreign = !is_any_named && self.purpose.is_stated;
        if is_foreign && !self.known(action).any(|known| covers(statement, known)) {
            let patterns = statement.resource.iter().flat_map(|clause| &clause.patterns);
            let patterns: Vec<&str> = patterns.map(Pattern::as_str).collect();
            named.push(format!("{action} on {}", patterns.join(", ")));
        }
        named
    }

    /// Whether some other statement takes the action back.
    fn is_denied(&self, statement: &Statement, action: &str) -> bool {
        let mut policies = self.facts.access().store.identity(self.role).iter();
        let denies = |one: &Statement| one.effect == Effect::Deny;
        if !policies.any(|policy| policy.document.statements.iter().any(denies)) {
            return false;
        }
        let patterns = statement.resource.iter().flat_map(|clause| &clause.patterns);
        let mut resources: Vec<String> =
            patterns.map(|pattern| pattern.as_str().replace('*', "any")).collect();
        resources.extend(anything(action).into_iter().filter(|arn| covers_arn(statement, arn)));
        let access = self.facts.access();
        let subject = access.role(self.role);
        let denies = |arn: &String| {
            let call = access.call(action, arn, &Context::new());
            call.is_ok_and(|call| {
                access.weigh(&subject, &call, None).evaluation.decision == Decision::ExplicitDeny
            })
        };
        let usable = |arn: &&String| *arn == "*" || arn.starts_with("arn:");
        let mut usable = resources.iter().filter(usable).peekable();
        usable.peek().is_some() && usable.all(denies)
    }

    /// What of the statement is known to be needed.
    fn needed(&self, statement: &Statement) -> String {
        let allows = |known: &&Known| {
            let patterns = &statement.action.patterns;
            let acts = patterns.iter().any(|pattern| pattern.matches(&known.action));
            !known.is_spare && acts != statement.action.negated && covers(statement, known)
        };
        let needed: Vec<&str> =
            self.purpose.known.iter().filter(allows).map(|known| known.text.as_str()).collect();
        if needed.is_empty() {
            "nothing known needs any of it".to_owned()
        } else {
            format!("needed is {}", list(&needed))
        }
    }
}

/// The template's resources of an action's service.
fn of_service<'m>(model: &'m Model, action: &'m str) -> impl Iterator<Item = Resource> + 'm {
    let service = action.split(':').next().unwrap_or_default();
    let service = service.to_ascii_lowercase();
    let all = model.stack.resources.values();
    let of_it = all.filter(move |resource| {
        let kind = resource.resource_type.split("::").nth(1);
        kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with(&service))
    });
    of_it.filter_map(move |resource| Resource::find(model, action, &resource.logical_id))
}

fn covers(statement: &Statement, known: &Known) -> bool {
    // What has no name yet is covered by whatever leaves it open.
    known.arn.as_ref().is_none_or(|arn| covers_arn(statement, arn))
}

/// The first names, and how many more there are.
fn list<T: std::fmt::Display>(names: &[T]) -> String {
    let mut text: Vec<String> = names.iter().take(MAX_NAMES).map(T::to_string).collect();
    if names.len() > MAX_NAMES {
        text.push(format!("{} more", names.len() - MAX_NAMES));
    }
    text.join(", ")
}
