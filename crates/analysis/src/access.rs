//! Who may do what with which resource, by which statements?
//!
//! [`Access`] reads every policy of a model once. [`Access::can`] asks about
//! one principal and follows what the call implies (a secret read is a
//! decryption with the secret's key); [`Access::who_can`] asks about all of
//! them, and about whom they can become. The weighing itself is `iam`'s.

mod chain;
mod managed;
mod policies;
mod resource;
pub(crate) mod statement;
mod subject;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;

use cfn::Provenance;
use iam::{Context, Decision, Evaluation, Missed, Policies, Request, ResourcePolicy, evaluate};
use model::{LogicalId, Model, VpcEndpoint};
use thiserror::Error;

pub use chain::Becoming;
pub use managed::not_judged;
pub(crate) use policies::{Document, StatementHolder, Store};
pub use resource::Resource;
pub(crate) use resource::{implied, tags as resource_tags};
pub use subject::Subject;

/// Every policy of a model, compiled.
pub struct Access<'a> {
    pub model: &'a Model,
    pub(crate) store: Store<'a>,
    /// Every statement that has made a decision so far, by document and index.
    used: RefCell<BTreeSet<(String, usize)>>,
    becoming: OnceCell<Vec<Becoming>>,
}

/// Why a question could not be asked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AccessError {
    #[error("`{name}` is no principal of this template")]
    Principal { name: String },
    #[error("`{name}` is no resource of this template")]
    Resource { name: String },
    #[error("the ARN of `{name}` is not known here: its type, `{resource_type}`, is not analysed")]
    NoArn { name: String, resource_type: String },
    #[error("`{action}` is no action: expected service:Operation")]
    Action { action: String },
}

impl AccessError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Principal { .. } => {
                "name a role, a service or Auto Scaling group, a managed policy of the template, \
                 a role ARN, an identity provider, a service such as logs.amazonaws.com, or `anonymous`"
            }
            Self::Resource { .. } => "name a logical id, an ARN, or `*`",
            Self::NoArn { .. } => "give an ARN of that service instead, with the account's number",
            Self::Action { .. } => return None,
        };
        Some(text.to_owned())
    }
}

/// The answer to one question, with what the call implies.
#[derive(Clone, Debug)]
pub struct Answer {
    pub principal: String,
    /// The asked call first, then what it makes necessary.
    pub parts: Vec<Part>,
}

impl Answer {
    pub fn is_allowed(&self) -> bool {
        self.parts.iter().all(|part| part.evaluation.is_allowed())
    }
}

/// One call of an answer.
#[derive(Clone, Debug)]
pub struct Part {
    pub action: String,
    pub resource: String,
    pub evaluation: Evaluation,
    /// The statements that decided, or came closest.
    pub statements: Vec<Place>,
    /// Why this call is made, when it was not asked for.
    pub because: Option<String>,
}

impl Part {
    /// The decision's reason without its statements.
    pub fn reason(&self) -> String {
        match &self.evaluation.reason {
            iam::Reason::Missing(kinds) => {
                let kinds: Vec<_> = kinds.iter().map(ToString::to_string).collect();
                format!("no {} allows it", kinds.join(" and no "))
            }
            reason => reason.to_string(),
        }
    }
}

/// A statement and where it stands.
#[derive(Clone, Debug)]
pub struct Place {
    pub text: String,
    pub provenance: Option<Provenance>,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    pub action: String,
    pub resource: Resource,
    pub context: Context,
    /// The endpoint it passes.
    pub endpoint: Option<&'a VpcEndpoint>,
}

impl<'a> Access<'a> {
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            store: Store::new(model),
            used: RefCell::default(),
            becoming: OnceCell::new(),
        }
    }

    /// Whether `principal` may do `action`, with everything that implies.
    /// `context` adds to what is known: tags of principal and resource.
    ///
    /// # Errors
    /// A name is unknown, or the action is none.
    pub fn can(
        &self,
        principal: &str,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<Answer, AccessError> {
        let subject = self.subject(principal)?;
        let call = self.call(action, resource, context)?;
        Ok(self.ask(&subject, call))
    }

    /// A call by the names people use.
    pub(crate) fn call(
        &self,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<Call<'a>, AccessError> {
        let is_action = action
            .split_once(':')
            .is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
        if !is_action {
            return Err(AccessError::Action {
                action: action.to_owned(),
            });
        }
        let resource = Resource::find(self.model, action, resource)
            .ok_or_else(|| self.no_resource(resource))?;
        Ok(Call {
            action: action.to_owned(),
            context: context.clone(),
            resource,
            endpoint: None,
        })
    }

    fn no_resource(&self, name: &str) -> AccessError {
        let name = name.to_owned();
        match self.model.stack.resources.get(&name) {
            Some(resource) => AccessError::NoArn {
                resource_type: resource.resource_type.clone(),
                name,
            },
            None => AccessError::Resource { name },
        }
    }

    /// The answer for a subject: its call, and the calls made on its behalf.
    pub(crate) fn ask(&self, subject: &Subject<'a>, call: Call<'a>) -> Answer {
        let implied = implied(self.model, &call);
        let mut call = call;
        call.endpoint = call
            .endpoint
            .or_else(|| subject.endpoint(self.model, &call.action));
        let mut parts = vec![self.weigh(subject, &call, None)];
        for (call, because) in implied {
            parts.push(self.weigh(subject, &call, Some(because)));
        }
        Answer {
            principal: subject.name.clone(),
            parts,
        }
    }

    pub(crate) fn weigh(
        &self,
        subject: &Subject<'a>,
        call: &Call<'a>,
        because: Option<String>,
    ) -> Part {
        let context = self.context(subject, call);
        let request = Request {
            principal: &subject.principal,
            action: &call.action,
            resource: &call.resource.arn,
            resource_account: call.resource.account.as_deref(),
            context: &context,
        };
        let document = call
            .resource
            .id
            .as_ref()
            .and_then(|id| self.store.resource(id));
        // A trust policy is about assuming the role, not about other actions on it.
        let assumes = call.action.to_ascii_lowercase().starts_with("sts:");
        let resource_document =
            document.filter(|document| (document.kind == iam::PolicyKind::Trust) == assumes);
        let endpoint = call
            .endpoint
            .and_then(|endpoint| self.store.endpoint(&endpoint.id));
        let policies = Policies {
            identity: &subject.policies,
            boundary: subject.boundary.as_ref(),
            resource: resource_document.map(Document::as_resource_policy),
            endpoint: endpoint.map(|document| &document.named),
            ..Policies::default()
        };
        let evaluation = evaluate(&request, &policies);
        self.note(&evaluation);
        let place = |matched: &iam::MatchedStatement, text: String| Place {
            text,
            provenance: self.store.statement(&matched.policy, matched.statement),
        };
        let matched = evaluation.matched.iter();
        let matched = matched.map(|matched| place(matched, matched.to_string()));
        let near = evaluation.near.iter().filter(|miss| is_close(&miss.missed));
        let near = near.map(|miss| place(&miss.statement, miss.to_string()));
        let statements: Vec<Place> = matched.chain(near).collect();
        Part {
            action: call.action.clone(),
            resource: call.resource.name.clone(),
            statements,
            evaluation,
            because,
        }
    }

    /// Remembers which statements decided.
    pub(crate) fn note(&self, evaluation: &Evaluation) {
        let matched = evaluation.matched.iter();
        let names = matched.map(|matched| (matched.policy.clone(), matched.statement));
        self.used.borrow_mut().extend(names);
    }

    /// Remembers a whole document, when only part of a decision was asked for.
    pub(crate) fn note_all(&self, named: &iam::Named) {
        let indexes = 0..named.document.statements.len();
        let names = indexes.map(|index| (named.name.clone(), index));
        self.used.borrow_mut().extend(names);
    }

    /// The statements that have decided since this was last asked.
    pub(crate) fn take_used(&self) -> BTreeSet<(String, usize)> {
        self.used.take()
    }

    /// Who may become whom is asked anew after a denial has gone or come. What
    /// allows is left out of account: without it there is only less.
    pub(crate) fn forget_becoming(&mut self, changed: Option<&iam::Statement>) {
        if changed.is_some_and(|statement| statement.effect == iam::Effect::Deny) {
            self.becoming = OnceCell::new();
        }
    }

    /// Everything that is known of the circumstances, under what was given.
    fn context(&self, subject: &Subject<'a>, call: &Call<'a>) -> Context {
        let account = &self.model.stack.account_id;
        let mut context = Context::new()
            .with("aws:SecureTransport", "true")
            .with("aws:RequestedRegion", self.model.stack.region.as_str());
        for (key, value) in &call.resource.tags {
            context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
            context.set(&format!("ssm:resourceTag/{key}"), value.as_str());
        }
        if let Some(endpoint) = call.endpoint {
            context.set("aws:SourceVpce", endpoint.endpoint_id.as_str());
            if let Some(vpc) = self.model.vpcs.get(&endpoint.vpc) {
                context.set("aws:SourceVpc", vpc.vpc_id.as_str());
            }
        }
        if call.action.to_ascii_lowercase().starts_with("kms:") && subject.account().is_some() {
            context.set("kms:CallerAccount", account.as_str());
        }
        for (key, values) in call.context.iter() {
            context.set_all(key, values.iter().cloned());
        }
        context
    }

    /// Every principal with its answer, allowed ones first.
    ///
    /// # Errors
    /// The resource is unknown, or the action is none.
    pub fn who_can(
        &self,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<Vec<Standing>, AccessError> {
        let call = self.call(action, resource, context)?;
        let becoming = self.becoming();
        let mut standings: Vec<Standing> = self
            .subjects(&call)
            .into_iter()
            .map(|subject| {
                let answer = self.ask(&subject, call.clone());
                Standing {
                    degree: Degree::of(&answer),
                    answer,
                    by_way_of: Vec::new(),
                }
            })
            .collect();
        let able: Vec<String> = standings
            .iter()
            .filter(|standing| standing.degree != Degree::No)
            .map(|standing| standing.answer.principal.clone())
            .collect();
        for standing in &mut standings {
            if standing.degree == Degree::No {
                standing.by_way_of = chain::ways(becoming, &standing.answer.principal, &able);
            }
        }
        standings.sort_by(|a, b| {
            let key = |one: &Standing| (one.degree, one.by_way_of.is_empty());
            key(a)
                .cmp(&key(b))
                .then_with(|| a.answer.principal.cmp(&b.answer.principal))
        });
        Ok(standings)
    }
}

/// Where one principal stands towards a call.
#[derive(Clone, Debug)]
pub struct Standing {
    pub answer: Answer,
    pub degree: Degree,
    /// When it may not itself: how it becomes somebody who may.
    pub by_way_of: Vec<Becoming>,
}

/// How far a call is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degree {
    Yes,
    /// A statement allows it under a condition the question did not fill.
    OnCondition,
    No,
}

impl Degree {
    fn of(answer: &Answer) -> Self {
        if answer.is_allowed() {
            return Self::Yes;
        }
        let lacking = answer
            .parts
            .iter()
            .filter(|part| !part.evaluation.is_allowed());
        let could = |part: &Part| {
            let conditional = |missed: &Missed| match missed {
                Missed::Condition { key, found, .. } => found.is_empty() && is_circumstance(key),
                _ => false,
            };
            part.evaluation.decision == Decision::ImplicitDeny
                && missing_kinds(&part.evaluation).iter().all(|kind| {
                    let near = part.evaluation.near.iter();
                    near.filter(|miss| miss.statement.kind == *kind)
                        .any(|miss| conditional(&miss.missed))
                })
        };
        if lacking.into_iter().all(could) {
            Self::OnCondition
        } else {
            Self::No
        }
    }
}

/// Whether a statement missed only by what the question did not say.
fn is_close(missed: &Missed) -> bool {
    match missed {
        Missed::Condition { key, .. } => is_circumstance(key),
        Missed::Resource => true,
        Missed::Principal => false,
    }
}

/// Keys that the circumstances of a call fill, not who makes it.
fn is_circumstance(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    !key.starts_with("aws:principal") && key != "kms:calleraccount"
}

fn missing_kinds(evaluation: &Evaluation) -> &[iam::PolicyKind] {
    match &evaluation.reason {
        iam::Reason::Missing(kinds) => kinds,
        _ => &[],
    }
}

impl Document {
    fn as_resource_policy(&self) -> ResourcePolicy<'_> {
        ResourcePolicy {
            kind: self.kind,
            policy: &self.named,
        }
    }
}

/// The ids of roles a workload uses, with what for.
pub(crate) fn roles_of(model: &Model, workload: &str) -> Vec<(LogicalId, &'static str)> {
    let mut roles = Vec::new();
    let definition = model
        .services
        .get(workload)
        .and_then(|service| service.task_definition.as_ref())
        .and_then(|id| model.task_definitions.get(id))
        .or_else(|| model.task_definitions.get(workload));
    if let Some(definition) = definition {
        roles.extend(definition.task_role.clone().map(|role| (role, "task role")));
        roles.extend(
            definition
                .execution_role
                .clone()
                .map(|role| (role, "execution role")),
        );
    }
    let template = model
        .auto_scaling_groups
        .get(workload)
        .and_then(|group| group.launch_template.as_ref())
        .and_then(|id| model.launch_templates.get(id))
        .or_else(|| model.launch_templates.get(workload));
    let instance = model.instances.get(workload);
    let profile = match instance {
        Some(instance) => instance.instance_profile.as_ref(),
        None => template.and_then(|template| template.instance_profile.as_ref()),
    };
    let profile = profile.and_then(|id| model.instance_profiles.get(id));
    let role = profile.and_then(|profile| profile.role.clone());
    roles.extend(role.map(|role| (role, "instance role")));
    let function = model.functions.get(workload);
    let role = function.and_then(|function| function.role.clone());
    roles.extend(role.map(|role| (role, "function role")));
    roles
}
