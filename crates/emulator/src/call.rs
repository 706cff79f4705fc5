//! One request inside the gate: who calls, from where, and the one question every operation asks,
//! [`Call::authorize`].

use iam::{
    Context, Decision, Evaluation, Named, Policies, PolicyKind, Principal, PrincipalKind, Reason,
};
use iam::{Request, ResourcePolicy};
use serde_json::{Value, json};

use crate::audit::{AuditEvent, Facts};
use crate::clock::Timestamp;
use crate::emulator::Emulator;
use crate::error::{ApiError, ApiResult};
use crate::identity::Caller;
use crate::random;
use crate::seed::Tags;
use crate::via::Via;

/// One request by a known caller.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) emulator: &'a Emulator,
    pub(crate) caller: &'a Caller,
    pub(crate) via: &'a Via,
    pub(crate) request_id: &'a str,
    pub(crate) user_agent: &'a str,
    pub(crate) now: Timestamp,
    /// The host the request names, as it came: `localhost:4566`.
    pub(crate) host: &'a str,
    /// The service that makes this call on the caller's behalf: `secretsmanager`.
    pub(crate) through: Option<&'static str>,
}

/// May the caller do this?
pub(crate) struct Ask<'a> {
    /// `kms:Decrypt`.
    pub(crate) action: &'a str,
    /// An ARN, or `*` where the action has no resource.
    pub(crate) resource: &'a str,
    /// Tags of the resource, for `aws:ResourceTag`.
    pub(crate) tags: Option<&'a Tags>,
    /// The resource's own policy.
    pub(crate) policy: Option<ResourcePolicy<'a>>,
    /// Condition keys of this action.
    pub(crate) keys: Vec<(String, Vec<String>)>,
}

impl<'a> Ask<'a> {
    /// A question about a resource without tags or policy.
    pub(crate) fn new(action: &'a str, resource: &'a str) -> Self {
        Self {
            action,
            resource,
            tags: None,
            policy: None,
            keys: Vec::new(),
        }
    }

    pub(crate) fn tags(mut self, tags: &'a Tags) -> Self {
        self.tags = Some(tags);
        self
    }

    pub(crate) fn policy(mut self, policy: Option<ResourcePolicy<'a>>) -> Self {
        self.policy = policy;
        self
    }

    /// The resource's tags again, under a prefix of the service's own: `ssm:resourceTag/KEY`.
    pub(crate) fn tags_as(mut self, prefix: &str, tags: &Tags) -> Self {
        for (key, value) in tags {
            self.keys
                .push((format!("{prefix}/{key}"), vec![value.clone()]));
        }
        self
    }

    pub(crate) fn key(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.keys.push((name.into(), vec![value.into()]));
        self
    }
}

impl<'a> Call<'a> {
    /// The same caller, acted for by a service: `kms:ViaService` and `aws:ViaAWSService` are set,
    /// the network's keys and the endpoint policy are not, for the call does not come by that way.
    pub(crate) fn through(self, service: &'static str) -> Self {
        Self {
            through: Some(service),
            ..self
        }
    }

    /// Weighs every policy that applies, records the decision, and refuses unless it is `Allowed`.
    pub(crate) fn authorize(&self, ask: &Ask<'_>) -> ApiResult<()> {
        let evaluation = self.weigh(ask);
        self.conclude(ask, &evaluation)
    }

    /// Asks about one thing that has several names: a denial of any name is a denial, otherwise the
    /// first name that is allowed decides. One record, of the name that decided.
    pub(crate) fn authorize_one_of(&self, asks: &[Ask<'_>]) -> ApiResult<()> {
        let weighed: Vec<_> = asks.iter().map(|ask| (ask, self.weigh(ask))).collect();
        let by = |decision: Decision| weighed.iter().find(|(_, e)| e.decision == decision);
        let decisive = by(Decision::ExplicitDeny)
            .or_else(|| by(Decision::Allowed))
            .or_else(|| weighed.first());
        let (ask, evaluation) = decisive.expect("a thing has at least one name");
        self.conclude(ask, evaluation)
    }

    /// Whether it would be allowed, for a question that depends on another's answer: not recorded.
    pub(crate) fn would_allow(&self, ask: &Ask<'_>) -> bool {
        self.weigh(ask).is_allowed()
    }

    fn conclude(&self, ask: &Ask<'_>, evaluation: &Evaluation) -> ApiResult<()> {
        let refusal = (!evaluation.is_allowed())
            .then(|| access_denied(&self.caller.principal, ask, evaluation));
        self.record(ask, evaluation, refusal.as_ref());
        refusal.map_or(Ok(()), Err)
    }

    fn weigh(&self, ask: &Ask<'_>) -> Evaluation {
        let context = self.context(ask);
        let seed = &self.emulator.seed;
        let request = Request {
            principal: &self.caller.principal,
            action: ask.action,
            resource: ask.resource,
            resource_account: Some(&seed.account),
            context: &context,
        };
        let identity = self.caller.identity.as_deref();
        let endpoint = match (&self.via.endpoint, self.through) {
            (Some(endpoint), None) => endpoint
                .policy
                .as_ref()
                .map(|policy| Named::new(endpoint.id.clone(), policy.clone())),
            _ => None,
        };
        let policies = Policies {
            identity: identity.map_or(&[], |identity| identity.policies.as_slice()),
            boundary: identity.and_then(|identity| identity.boundary.as_ref()),
            session: &self.caller.session_policies,
            resource: ask.policy,
            endpoint: endpoint.as_ref(),
            ..Policies::default()
        };
        iam::evaluate(&request, &policies)
    }

    fn context(&self, ask: &Ask<'_>) -> Context {
        let mut context = Context::new();
        let seed = &self.emulator.seed;
        context
            .set("aws:RequestedRegion", &seed.region)
            .set("aws:CurrentTime", self.now.iso8601())
            .set("aws:EpochTime", self.now.seconds().to_string())
            .set("aws:ViaAWSService", self.through.is_some().to_string())
            .set("aws:ResourceAccount", &seed.account);
        if !self.user_agent.is_empty() {
            context.set("aws:UserAgent", self.user_agent);
        }
        if let Some(service) = self.through {
            let host = format!("{service}.{}.{}", seed.region, seed.dns_suffix());
            context.set("kms:ViaService", host);
        } else {
            context.set("aws:SecureTransport", self.via.secure.to_string());
            let address = self.via.source_ip.to_string();
            match &self.via.endpoint {
                Some(endpoint) => context
                    .set("aws:SourceVpce", &endpoint.id)
                    .set("aws:SourceVpc", &endpoint.vpc_id)
                    .set("aws:VpcSourceIp", address),
                None => context.set("aws:SourceIp", address),
            };
        }
        if let Some(id) = self.caller.user_id() {
            context.set("aws:userid", id);
        }
        if let Some(issued) = self.caller.issued {
            context.set("aws:TokenIssueTime", issued.iso8601());
        }
        if let Some(arn) = &self.caller.source_arn {
            context
                .set("aws:SourceArn", arn)
                .set("aws:SourceAccount", &seed.account);
        }
        for (key, value) in ask.tags.into_iter().flatten() {
            context.set(&format!("aws:ResourceTag/{key}"), value);
        }
        for (key, values) in &ask.keys {
            context.set_all(key, values.iter().map(String::as_str));
        }
        context
    }

    fn record(&self, ask: &Ask<'_>, evaluation: &Evaluation, refusal: Option<&ApiError>) {
        let seed = &self.emulator.seed;
        let source_ip = match self.through {
            Some(service) => format!("{service}.{}", seed.dns_suffix()),
            None => self.via.source_ip.to_string(),
        };
        let endpoint = self
            .via
            .endpoint
            .as_ref()
            .filter(|_| self.through.is_none());
        self.emulator.audit.record(AuditEvent::new(Facts {
            time: self.now,
            request_id: self.request_id,
            event_id: random::uuid(),
            region: &seed.region,
            account: &seed.account,
            user_identity: self.user_identity(),
            principal: self.caller.principal.display_name().to_owned(),
            action: ask.action,
            resource: ask.resource,
            source_ip,
            user_agent: self.user_agent,
            vpc_endpoint: endpoint.map(|endpoint| endpoint.id.as_str()),
            decision: match evaluation.decision {
                Decision::Allowed => "Allowed",
                Decision::ImplicitDeny => "ImplicitDeny",
                Decision::ExplicitDeny => "ExplicitDeny",
            },
            reason: evaluation.to_string(),
            error: refusal.map(|error| (error.code.as_ref(), error.message.as_str())),
        }));
    }

    /// Records what the region itself does in a service's name, where no policy is asked.
    pub(crate) fn record_internal(&self, action: &str, resource: &str, reason: &str) {
        self.record_without_policy(action, resource, reason, None);
    }

    /// Records a refusal that no policy spoke: a token used twice, a target that is not there.
    pub(crate) fn record_refusal(&self, action: &str, resource: &str, refusal: &ApiError) {
        self.record_without_policy(action, resource, &refusal.message, Some(refusal));
    }

    fn record_without_policy(
        &self,
        action: &str,
        resource: &str,
        reason: &str,
        refusal: Option<&ApiError>,
    ) {
        let seed = &self.emulator.seed;
        let source_ip = match &self.caller.principal.kind {
            PrincipalKind::Service { name } => name.clone(),
            _ => self.via.source_ip.to_string(),
        };
        let endpoint = self.via.endpoint.as_ref();
        self.emulator.audit.record(AuditEvent::new(Facts {
            time: self.now,
            request_id: self.request_id,
            event_id: random::uuid(),
            region: &seed.region,
            account: &seed.account,
            user_identity: self.user_identity(),
            principal: self.caller.principal.display_name().to_owned(),
            action,
            resource,
            source_ip,
            user_agent: self.user_agent,
            vpc_endpoint: endpoint.map(|endpoint| endpoint.id.as_str()),
            decision: if refusal.is_none() {
                "Allowed"
            } else {
                "Refused"
            },
            reason: reason.to_owned(),
            error: refusal.map(|error| (error.code.as_ref(), error.message.as_str())),
        }));
    }

    /// CloudTrail's `userIdentity` element.
    fn user_identity(&self) -> Value {
        let caller = self.caller;
        let id = caller
            .identity
            .as_ref()
            .map(|identity| identity.unique_id.as_str());
        let mut identity = match &caller.principal.kind {
            PrincipalKind::RoleSession {
                account,
                role_arn,
                session_arn,
                session_name,
            } => json!({
                "type": "AssumedRole",
                "principalId": format!("{}:{session_name}", id.unwrap_or_default()),
                "arn": session_arn,
                "accountId": account,
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": id,
                        "arn": role_arn,
                        "accountId": account,
                        "userName": caller.identity.as_ref().map(|role| &role.name),
                    },
                    "attributes": {
                        "creationDate": caller.issued.map(Timestamp::iso8601),
                        "mfaAuthenticated": "false",
                    },
                },
            }),
            PrincipalKind::User { account, arn, name } => json!({
                "type": "IAMUser",
                "principalId": id,
                "arn": arn,
                "accountId": account,
                "userName": name,
            }),
            PrincipalKind::Root { account, arn } => {
                json!({ "type": "Root", "principalId": account, "arn": arn, "accountId": account })
            }
            PrincipalKind::Service { name } => json!({ "type": "AWSService", "invokedBy": name }),
            PrincipalKind::Federated { provider } => {
                json!({ "type": "WebIdentityUser", "identityProvider": provider })
            }
            PrincipalKind::Anonymous => json!({ "type": "Unknown", "principalId": "Anonymous" }),
        };
        if let Some(members) = identity.as_object_mut() {
            if let Some(key) = &caller.access_key_id {
                members.insert("accessKeyId".to_owned(), json!(key));
            }
            if let Some(service) = self.through {
                let host = format!("{service}.{}", self.emulator.seed.dns_suffix());
                members.insert("invokedBy".to_owned(), json!(host));
            }
        }
        identity
    }
}

/// The message AWS gives ("Troubleshoot access denied error messages", IAM User Guide).
fn access_denied(principal: &Principal, ask: &Ask<'_>, evaluation: &Evaluation) -> ApiError {
    let action = ask.action;
    let because = match &evaluation.reason {
        Reason::ExplicitDeny => {
            let kind = evaluation
                .matched
                .first()
                .map_or(PolicyKind::Identity, |s| s.kind);
            format!("with an explicit deny in {}", with_article(kind))
        }
        Reason::Missing(kinds) => {
            let kind = kinds.first().copied().unwrap_or(PolicyKind::Identity);
            format!("because no {} allows the {action} action", aws_name(kind))
        }
        _ => "because nothing allows it".to_owned(),
    };
    let message = format!(
        "User: {} is not authorized to perform: {action} on resource: {} {because}",
        principal.display_name(),
        ask.resource,
    );
    ApiError::client("AccessDeniedException", message)
}

/// AWS counts key and trust policies among the resource-based ones.
fn aws_name(kind: PolicyKind) -> String {
    match kind {
        PolicyKind::Key | PolicyKind::Trust => PolicyKind::Resource.to_string(),
        other => other.to_string(),
    }
}

fn with_article(kind: PolicyKind) -> String {
    let name = aws_name(kind);
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {name}")
}
