//! What does the template make its workloads do?
//!
//! An image in ECR is a pull; an awslogs driver writes; a secret named in the
//! environment is read; an instance whose role speaks to Session Manager runs
//! its agent. Each need is a call of a role on a resource, over a path to a
//! service. (ECS "Migrating to Linux platform version 1.4.0"; ECR "interface
//! VPC endpoints"; Systems Manager "Reference: ec2messages, ssmmessages") What
//! its own program calls beyond that is [`declared`]; what it may make use of
//! without failing for want of it is [`known`].

pub(crate) mod declared;
pub(crate) mod known;

use std::borrow::Cow;

use cfn::Provenance;
use model::{Container, Eni, EniKind, LogicalId, Model, TaskDefinition};

use crate::access::roles_of;

/// One thing a workload must be able to do.
#[derive(Clone, Debug)]
pub(crate) struct Need<'a> {
    /// The service, Auto Scaling group or task definition.
    pub(crate) workload: LogicalId,
    /// Whose permission it takes; nobody's for calls that are signed already.
    pub(crate) role: Option<LogicalId>,
    pub(crate) action: Cow<'static, str>,
    /// A logical id, an ARN or `*`.
    pub(crate) resource: String,
    /// The endpoint service the call goes to: `ecr.api`, `s3`.
    pub(crate) service: Cow<'static, str>,
    pub(crate) why: String,
    /// Whether it is stated, not concluded.
    pub(crate) is_declared: bool,
    pub(crate) provenance: &'a Provenance,
}

/// All needs of a model, by workload.
pub(crate) fn of(model: &Model) -> Vec<Need<'_>> {
    let mut needs = Vec::new();
    let mut run: Vec<&LogicalId> = Vec::new();
    for service in model.services.values() {
        let definition = service.task_definition.as_ref();
        if let Some(definition) = definition.and_then(|id| model.task_definitions.get(id)) {
            run.push(&definition.id);
            of_definition(model, &service.id, definition, &mut needs);
            if executes_commands(model, &service.id) {
                let mut maker = Maker {
                    model,
                    workload: &service.id,
                    place: &service.provenance,
                    needs: &mut needs,
                };
                let why = "commands are executed in its tasks";
                maker.channels(definition.task_role.as_ref(), why);
            }
        }
    }
    for definition in model
        .task_definitions
        .values()
        .filter(|one| !run.contains(&&one.id))
    {
        of_definition(model, &definition.id, definition, &mut needs);
    }
    for group in model.auto_scaling_groups.values() {
        of_instances(model, group, &mut needs);
    }
    needs
}

/// ECS Exec: the agent in each task speaks to Session Manager.
/// (ECS Developer Guide, "Monitor Amazon ECS containers with ECS Exec")
fn executes_commands(model: &Model, service: &LogicalId) -> bool {
    let resource = model.stack.resources.get(service.as_str());
    let switch = resource.and_then(|resource| resource.properties.get("EnableExecuteCommand"));
    switch.and_then(cfn::Value::as_bool).unwrap_or_default()
}

fn of_definition<'a>(
    model: &'a Model,
    workload: &LogicalId,
    definition: &'a TaskDefinition,
    needs: &mut Vec<Need<'a>>,
) {
    for container in &definition.containers {
        of_container(model, workload, definition, container, needs);
    }
    let mut maker = Maker {
        model,
        workload,
        place: &definition.provenance,
        needs,
    };
    maker.declared(definition.task_role.as_ref(), &definition.id);
}

fn of_container<'a>(
    model: &'a Model,
    workload: &LogicalId,
    definition: &'a TaskDefinition,
    container: &'a Container,
    needs: &mut Vec<Need<'a>>,
) {
    let place = &container.provenance;
    let mut maker = Maker {
        model,
        workload,
        place,
        needs,
    };
    let starter = definition.execution_role.as_ref();
    maker.image(starter, &container.image);
    if let Some(group) = &container.log_group {
        maker.logs(starter, group);
    }
    for (name, source) in &container.secrets {
        maker.secret(
            starter,
            source,
            &format!("its variable {name} comes from there"),
        );
    }
    for (name, value) in &container.environment {
        if model.secrets.values().any(|secret| secret.arn == *value) {
            let why = format!("its variable {name} names the secret");
            maker.secret(definition.task_role.as_ref(), value, &why);
        }
    }
}

fn of_instances<'a>(
    model: &'a Model,
    group: &'a model::AutoScalingGroup,
    needs: &mut Vec<Need<'a>>,
) {
    let template = group.launch_template.as_ref();
    let Some(template) = template.and_then(|id| model.launch_templates.get(id)) else {
        return;
    };
    let role = roles_of(model, group.id.as_str())
        .into_iter()
        .next()
        .map(|(role, _)| role);
    let place = &template.provenance;
    let mut maker = Maker {
        model,
        workload: &group.id,
        place,
        needs,
    };
    if let Some(program) = &template.local {
        maker.image(role.as_ref(), &program.image);
        if let Some(log) = &program.log_group {
            maker.logs(role.as_ref(), log);
        }
        for (name, value) in &program.environment {
            if model.secrets.values().any(|secret| secret.arn == *value) {
                let why = format!("its variable {name} names the secret");
                maker.secret(role.as_ref(), value, &why);
            }
        }
    }
    maker.declared(role.as_ref(), &template.id);
    let speaks = |role: &LogicalId| {
        let role = model.roles.get(role);
        role.is_some_and(|role| {
            let by_policy = role
                .policies
                .iter()
                .any(|policy| policy.document.to_string().contains("ssmmessages:"));
            let by_aws = role
                .managed_policy_arns
                .iter()
                .any(|arn| arn.contains("AmazonSSM"));
            by_policy || by_aws
        })
    };
    if role.as_ref().is_some_and(speaks) {
        maker.agent(role.as_ref());
    }
}

struct Maker<'a, 'n> {
    model: &'a Model,
    workload: &'n LogicalId,
    place: &'a Provenance,
    needs: &'n mut Vec<Need<'a>>,
}

impl<'a> Maker<'a, '_> {
    fn add(
        &mut self,
        role: Option<&LogicalId>,
        action: impl Into<Cow<'static, str>>,
        resource: &str,
        service: impl Into<Cow<'static, str>>,
        why: &str,
    ) {
        self.needs.push(Need {
            workload: self.workload.clone(),
            role: role.cloned(),
            action: action.into(),
            resource: resource.to_owned(),
            service: service.into(),
            why: why.to_owned(),
            is_declared: false,
            provenance: self.place,
        });
    }

    /// The pull chain: a token, the manifest, and layers that live in S3.
    fn image(&mut self, role: Option<&LogicalId>, image: &str) {
        if !image.contains(".dkr.ecr.") {
            return;
        }
        let mut repositories = self.model.repositories.values();
        let repository = repositories.find(|one| image.starts_with(one.uri.as_str()));
        let why = "its image is in ECR";
        self.add(role, "ecr:GetAuthorizationToken", "*", "ecr.api", why);
        if let Some(repository) = repository {
            let id = repository.id.to_string();
            self.add(role, "ecr:BatchGetImage", &id, "ecr.dkr", why);
            self.add(role, "ecr:GetDownloadUrlForLayer", &id, "ecr.dkr", why);
        }
        let (partition, region) = (&self.model.stack.partition, &self.model.stack.region);
        let layers = format!("arn:{partition}:s3:::prod-{region}-starport-layer-bucket/layer");
        self.add(
            None,
            "s3:GetObject",
            &layers,
            "s3",
            "ECR keeps image layers in S3",
        );
    }

    fn logs(&mut self, role: Option<&LogicalId>, group: &str) {
        let groups = self.model.log_groups.values();
        let found = groups.into_iter().find(|one| one.name == group);
        let (partition, stack) = (&self.model.stack.partition, &self.model.stack);
        let resource = found.map_or_else(
            || {
                let (region, account) = (&stack.region, &stack.account_id);
                format!("arn:{partition}:logs:{region}:{account}:log-group:{group}:log-stream:s")
            },
            |group| group.id.to_string(),
        );
        let why = format!("it logs to {group}");
        self.add(role, "logs:CreateLogStream", &resource, "logs", &why);
        self.add(role, "logs:PutLogEvents", &resource, "logs", &why);
    }

    fn secret(&mut self, role: Option<&LogicalId>, source: &str, why: &str) {
        if source.contains(":ssm:") {
            self.add(role, "ssm:GetParameters", source, "ssm", why);
            return;
        }
        let mut secrets = self.model.secrets.values();
        // A source may go on with `:key:stage:version`.
        let found = secrets.find(|secret| source.starts_with(secret.arn.as_str()));
        let resource = found.map_or_else(|| source.to_owned(), |secret| secret.id.to_string());
        self.add(
            role,
            "secretsmanager:GetSecretValue",
            &resource,
            "secretsmanager",
            why,
        );
    }

    /// What an SSM agent of 3.3 or newer does to be managed and hold sessions.
    fn agent(&mut self, role: Option<&LogicalId>) {
        let stack = &self.model.stack;
        let (partition, region, account) = (&stack.partition, &stack.region, &stack.account_id);
        let instance = format!("arn:{partition}:ec2:{region}:{account}:instance/i-0");
        let why = "it is managed by Systems Manager";
        self.add(role, "ssm:UpdateInstanceInformation", &instance, "ssm", why);
        self.channels(role, why);
    }

    /// The two kinds of channel that sessions run over.
    fn channels(&mut self, role: Option<&LogicalId>, why: &str) {
        for action in [
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
        ] {
            self.add(role, action, "*", "ssmmessages", why);
        }
    }

    /// What is declared beside a task definition or launch template.
    fn declared(&mut self, role: Option<&LogicalId>, holder: &LogicalId) {
        for call in declared::of(self.model, holder) {
            self.place = call.provenance;
            for action in &call.actions {
                let service = declared::endpoint_service(action);
                for resource in &call.resources {
                    self.add(
                        role,
                        action.clone(),
                        resource,
                        service.clone(),
                        &call.reason,
                    );
                    if let Some(need) = self.needs.last_mut() {
                        need.is_declared = true;
                    }
                }
            }
        }
    }
}

/// The interfaces a workload has, one of each that differ.
pub(crate) fn interfaces<'a>(model: &'a Model, workload: &LogicalId) -> Vec<&'a Eni> {
    let enis = model.enis_of(workload);
    enis.filter(|eni| matches!(eni.kind, EniKind::Instance | EniKind::Task))
        .collect()
}
