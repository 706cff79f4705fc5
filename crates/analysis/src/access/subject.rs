//! Who is asked about: roles, workloads, whoever holds a managed policy, AWS services.

use std::collections::BTreeSet;
use std::sync::Arc;

use iam::{Named, Principal, PrincipalEntry, PrincipalKind};
use model::{LogicalId, Model, VpcEndpoint, VpcEndpointKind};

use super::{Access, AccessError, Call, roles_of};

/// A principal with the policies attached to it.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    pub name: String,
    pub principal: Principal,
    pub policies: Arc<Vec<Named>>,
    /// What it may do at most.
    pub boundary: Option<Named>,
    /// The VPC its calls come from, when it runs in one.
    pub vpc: Option<&'a LogicalId>,
}

impl<'a> Subject<'a> {
    /// Somebody without policies of the template.
    pub(crate) fn bare(name: &str, principal: Principal) -> Self {
        Self {
            name: name.to_owned(),
            principal,
            policies: Arc::default(),
            boundary: None,
            vpc: None,
        }
    }

    pub(crate) fn account(&self) -> Option<&str> {
        self.principal.account()
    }

    /// The interface endpoint that its calls of a service pass: the one whose
    /// private DNS answers for the service's name in its VPC.
    pub(crate) fn endpoint(&self, model: &'a Model, action: &str) -> Option<&'a VpcEndpoint> {
        let vpc = self.vpc?;
        let service = action.split_once(':')?.0.to_ascii_lowercase();
        let service = if service == "ecr" {
            "ecr.api"
        } else {
            service.as_str()
        };
        let region = &model.stack.region;
        let mut endpoints = model.vpc_endpoints.values();
        endpoints.find(|endpoint| {
            let answers = match &endpoint.kind {
                VpcEndpointKind::Interface { private_dns, .. } => *private_dns,
                VpcEndpointKind::Gateway { .. } => true,
            };
            answers && endpoint.vpc == *vpc && endpoint.service(region) == service
        })
    }
}

impl<'a> Access<'a> {
    /// The principal a person names.
    ///
    /// # Errors
    /// The name is unknown.
    pub fn subject(&self, name: &str) -> Result<Subject<'a>, AccessError> {
        if let Some(role) = self.model.roles.get(name) {
            return Ok(self.role(&role.id));
        }
        if let Some((role, _)) = roles_of(self.model, name).first() {
            let mut subject = self.role(role);
            subject.name = format!("{name} ({role})");
            subject.vpc = self.vpc_of_workload(name);
            return Ok(subject);
        }
        if let Some(policy) = self.store.managed.get(name) {
            return Ok(self.holder(name, policy));
        }
        if let Some(role) = self.model.roles.values().find(|role| role.arn == name) {
            return Ok(self.role(&role.id));
        }
        if let Some(provider) = self.model.oidc_providers.get(name) {
            let principal = Principal::federated(&provider.arn);
            return Ok(Subject::bare(name, principal));
        }
        let account = &self.model.stack.account_id;
        let principal = match name {
            "anonymous" | "*" => Principal::anonymous(),
            "root" => Principal::root(account),
            _ if name.ends_with(".amazonaws.com") => Principal::service(name),
            _ if name.contains(":oidc-provider/") => Principal::federated(name),
            _ => Principal::role_session(name, "session")
                .or_else(|| Principal::user(name))
                .ok_or_else(|| AccessError::Principal {
                    name: name.to_owned(),
                })?,
        };
        Ok(Subject::bare(name, principal))
    }

    /// A session of a role of the template.
    pub(crate) fn role(&self, id: &LogicalId) -> Subject<'a> {
        let role = self.model.roles.get(id);
        let principal = role.and_then(|role| {
            let session = Principal::role_session(&role.arn, "session")?;
            Some(session.with_tags(role.tags.clone()))
        });
        Subject {
            name: id.to_string(),
            principal: principal.unwrap_or_else(Principal::anonymous),
            policies: self.store.shared_identity(id),
            boundary: self.store.boundary(id).cloned(),
            vpc: None,
        }
    }

    /// A user of the account who has been given a managed policy and nothing else.
    fn holder(&self, name: &str, policy: &Named) -> Subject<'a> {
        let account = &self.model.stack.account_id;
        let kind = PrincipalKind::User {
            account: account.clone(),
            arn: format!("arn:aws:iam::{account}:user/holder-of-{name}"),
            name: format!("holder-of-{name}"),
        };
        Subject {
            name: format!("holders of {name}"),
            principal: kind.into(),
            policies: Arc::new(vec![policy.clone()]),
            boundary: None,
            vpc: None,
        }
    }

    /// Every principal that could have a part in a call: those of the
    /// template, and those the resource's policy names.
    pub(crate) fn subjects(&self, call: &Call<'a>) -> Vec<Subject<'a>> {
        let roles = self.model.roles.keys().map(|id| self.role(id));
        let holders = self.store.managed.iter();
        let holders = holders.map(|(id, policy)| self.holder(id.as_str(), policy));
        let mut named: BTreeSet<String> = BTreeSet::from(["anonymous".to_owned()]);
        let document = call
            .resource
            .id
            .as_ref()
            .and_then(|id| self.store.resource(id));
        for statement in document
            .iter()
            .flat_map(|document| &document.named.document.statements)
        {
            for entry in statement
                .principal
                .iter()
                .flat_map(|clause| &clause.entries)
            {
                match entry {
                    PrincipalEntry::Service(name) => named.insert(name.clone()),
                    PrincipalEntry::Arn(arn) => named.insert(arn.clone()),
                    _ => false,
                };
            }
        }
        let own: BTreeSet<&str> = self
            .model
            .roles
            .values()
            .map(|role| role.arn.as_str())
            .collect();
        let others = named.iter().filter(|name| !own.contains(name.as_str()));
        roles
            .chain(holders)
            .chain(others.filter_map(|name| self.subject(name).ok()))
            .collect()
    }

    fn vpc_of_workload(&self, name: &str) -> Option<&'a LogicalId> {
        let model = self.model;
        let service = || model.services.get(name)?.subnets.first();
        let group = || model.auto_scaling_groups.get(name)?.subnets.first();
        let function = || model.functions.get(name)?.subnets.first();
        let instance = || Some(&model.instances.get(name)?.interfaces.first()?.subnet);
        let subnet = service()
            .or_else(group)
            .or_else(function)
            .or_else(instance)?;
        Some(&model.subnets.get(subnet)?.vpc)
    }
}
