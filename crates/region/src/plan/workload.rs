//! From services, groups of instances and databases to running programs.

use model::{Container, Eni, LaunchTemplate, LogicalId, MasterUser, Model, Role, TaskDefinition};
use time::OffsetDateTime;

use super::fault::Faults;
use crate::blueprint::balancer::TargetGroupName;
use crate::blueprint::network::MacAddress;
use crate::blueprint::{Database, InstanceAgent, LogStream, Workload, WorkloadKind};
use crate::metadata::instance::{InstanceFacts, InstanceProfile};
use crate::metadata::task::{ContainerFacts, TaskFacts};

/// Seconds between SIGTERM and SIGKILL when the template does not say.
/// (ECS Developer Guide, `stopTimeout`)
const STOP_TIMEOUT_S: u32 = 30;

/// Tasks of services and programs of instances, in order of interface.
pub(super) fn workloads(model: &Model, faults: &mut Faults) -> Vec<Workload> {
    let mut workloads = Vec::new();
    for service in model.services.values() {
        let definition = service
            .task_definition
            .as_ref()
            .and_then(|id| model.task_definitions.get(id));
        let Some(definition) = definition else {
            faults.add(
                "a service without a task definition of the template",
                &service.provenance,
                "let `TaskDefinition` refer to an `AWS::ECS::TaskDefinition` of the template",
            );
            continue;
        };
        if service.launch_type != "FARGATE" {
            let message = format!("launch type `{}` is not run here", service.launch_type);
            faults.add(message, &service.provenance, "set `LaunchType: FARGATE`");
            continue;
        }
        let targets = service.load_balancers.iter();
        let targets: Vec<_> = targets
            .map(|target| {
                (
                    TargetGroupName(target.target_group.to_string()),
                    target.port,
                )
            })
            .collect();
        for eni in model.enis_of(&service.id) {
            workloads.extend(task(model, definition, eni, &service.id, &targets, faults));
        }
    }
    for group in model.auto_scaling_groups.values() {
        let enis: Vec<_> = model.enis_of(&group.id).collect();
        workloads.extend(
            enis.iter()
                .filter_map(|eni| instance(model, group, eni, faults)),
        );
    }
    workloads.sort_by(|a, b| a.name.cmp(&b.name));
    workloads
}

/// Tasks that are run once, before the services.
pub(super) fn tasks_once(model: &Model, faults: &mut Faults) -> Vec<Workload> {
    let once = model
        .task_definitions
        .values()
        .filter(|definition| definition.run_once);
    let mut tasks = Vec::new();
    for definition in once {
        for eni in model.enis_of(&definition.id) {
            tasks.extend(task(model, definition, eni, &definition.id, &[], faults));
        }
    }
    tasks
}

/// The agent of every instance. Images of Amazon Linux bring it along and start it,
/// whether the instance may use it or not.
pub(super) fn agents(workloads: &[Workload]) -> Vec<InstanceAgent> {
    let instances = workloads
        .iter()
        .filter_map(|workload| match &workload.kind {
            WorkloadKind::Instance(facts) => Some((workload, facts)),
            WorkloadKind::Task(_) => None,
        });
    instances
        .map(|(workload, facts)| InstanceAgent {
            name: format!("{} ssm-agent", workload.name),
            eni: workload.eni.clone(),
            address: workload.address,
            vpc: workload.vpc.clone(),
            instance: facts.clone(),
        })
        .collect()
}

fn task(
    model: &Model,
    definition: &TaskDefinition,
    eni: &Eni,
    owner: &LogicalId,
    targets: &[(TargetGroupName, u16)],
    faults: &mut Faults,
) -> Option<Workload> {
    let [container] = definition.containers.as_slice() else {
        faults.add(
            "only tasks of one container are run here",
            &definition.provenance,
            "give each container a task definition of its own",
        );
        return None;
    };
    if !is_own_image(model, &container.image) {
        foreign_image(&container.image, &container.provenance, faults);
        return None;
    }
    for (variable, _) in &container.secrets {
        faults.add(
            format!("container secret `{variable}` would put a secret into the environment"),
            &container.provenance,
            "let the program read Secrets Manager itself",
        );
    }
    let task_id: String = eni.interface_id.trim_start_matches("eni-").to_owned();
    let stack = &model.stack;
    let cluster = model.clusters.values().next();
    let cluster_name = cluster.map_or("default", |cluster| &cluster.name);
    let task_arn = format!(
        "arn:{}:ecs:{}:{}:task/{cluster_name}/{task_id}",
        stack.partition, stack.region, stack.account_id
    );
    let task_role = role(model, definition.task_role.as_ref());
    let stream = log_stream(model, definition, container, &task_id);
    Some(Workload {
        name: eni.id.0.clone(),
        owner: owner.clone(),
        eni: eni.id.clone(),
        address: eni.address,
        vpc: vpc_of(model, eni)?,
        kind: WorkloadKind::Task(TaskFacts {
            address: eni.address,
            cluster_arn: cluster
                .map(|cluster| cluster.arn.clone())
                .unwrap_or_default(),
            service: model
                .services
                .contains_key(owner)
                .then(|| owner.to_string()),
            family: definition.family.clone(),
            revision: "1".to_owned(),
            availability_zone: zone_of(model, eni),
            role_arn: task_role.map(|role| role.arn.clone()),
            cpu: vcpus(definition.cpu.as_deref()),
            memory_mib: definition
                .memory
                .as_ref()
                .and_then(|m| m.parse().ok())
                .unwrap_or(512),
            container: ContainerFacts {
                name: container.name.clone(),
                image: container.image.clone(),
                image_id: String::new(),
                log: container.log_group.clone().map(|group| {
                    let options = [("awslogs-group".to_owned(), group)].into();
                    ("awslogs".to_owned(), options)
                }),
                started_at: OffsetDateTime::UNIX_EPOCH,
            },
            task_arn,
        }),
        command: container.command.clone(),
        environment: container.environment.clone(),
        role: task_role.map(|role| role.arn.clone()),
        log: stream,
        targets: targets.to_vec(),
        stop_timeout_s: container.stop_timeout_s.unwrap_or(STOP_TIMEOUT_S),
    })
}

/// (ECS Developer Guide, "Using the awslogs log driver": prefix/container/task)
fn log_stream(
    model: &Model,
    definition: &TaskDefinition,
    container: &Container,
    task_id: &str,
) -> Option<LogStream> {
    let prefix = container.log_stream_prefix.as_deref().unwrap_or("ecs");
    Some(LogStream {
        group: container.log_group.clone()?,
        stream: format!("{prefix}/{}/{task_id}", container.name),
        role: role(model, definition.execution_role.as_ref()).map(|role| role.arn.clone()),
    })
}

fn instance(
    model: &Model,
    group: &model::AutoScalingGroup,
    eni: &Eni,
    faults: &mut Faults,
) -> Option<Workload> {
    let template = group
        .launch_template
        .as_ref()
        .and_then(|id| model.launch_templates.get(id))?;
    let Some(program) = &template.local else {
        faults.add(
            "user data cannot be run here, and nothing says what the instance runs",
            &template.provenance,
            "add `Metadata: Kickytime::Local: {Image, Command, Port}` to the launch template",
        );
        return None;
    };
    if !is_own_image(model, &program.image) {
        foreign_image(&program.image, &template.provenance, faults);
        return None;
    }
    let profile = template
        .instance_profile
        .as_ref()
        .and_then(|id| model.instance_profiles.get(id));
    let role = role(model, profile.and_then(|profile| profile.role.as_ref()));
    let instance_id = model.instance_id(eni);
    let target = |id: &LogicalId| {
        let group = model.target_groups.get(id)?;
        Some((TargetGroupName(id.to_string()), group.port))
    };
    Some(Workload {
        name: eni.id.0.clone(),
        owner: group.id.clone(),
        eni: eni.id.clone(),
        address: eni.address,
        vpc: vpc_of(model, eni)?,
        command: program.command.clone(),
        environment: program.environment.clone(),
        role: role.map(|role| role.arn.clone()),
        log: program.log_group.clone().map(|group| LogStream {
            group,
            stream: instance_id.clone(),
            role: role.map(|role| role.arn.clone()),
        }),
        targets: group.target_groups.iter().filter_map(target).collect(),
        stop_timeout_s: STOP_TIMEOUT_S,
        kind: WorkloadKind::Instance(instance_facts(model, template, eni)?),
    })
}

/// What the instance behind `eni` is told about itself.
pub(super) fn instance_facts(
    model: &Model,
    template: &LaunchTemplate,
    eni: &Eni,
) -> Option<InstanceFacts> {
    let subnet = model.subnets.get(&eni.subnet)?;
    let vpc = model.vpcs.get(&subnet.vpc)?;
    let region = &model.stack.region;
    let groups = eni
        .security_groups
        .iter()
        .filter_map(|id| model.security_groups.get(id));
    let profile = template
        .instance_profile
        .as_ref()
        .and_then(|id| model.instance_profiles.get(id));
    let role = role(model, profile.and_then(|profile| profile.role.as_ref()));
    let dashed = eni.address.to_string().replace('.', "-");
    let options = template.metadata_options;
    Some(InstanceFacts {
        instance_id: model.instance_id(eni),
        image_id: "ami-00000000000000000".to_owned(),
        instance_type: template.instance_type.clone().unwrap_or_default(),
        architecture: architecture(template.instance_type.as_deref()).to_owned(),
        local_ipv4: eni.address,
        local_hostname: format!("ip-{dashed}.{region}.compute.internal"),
        mac: MacAddress::for_name(&eni.id.0).to_string(),
        interface_id: eni.interface_id.clone(),
        security_groups: groups
            .map(|g| (g.group_id.clone(), g.name.clone()))
            .collect(),
        subnet_id: subnet.subnet_id.clone(),
        subnet_cidr: subnet.cidr,
        vpc_id: vpc.vpc_id.clone(),
        vpc_cidr: *vpc.cidrs.first()?,
        availability_zone: subnet.availability_zone.clone(),
        region: region.clone(),
        account_id: model.stack.account_id.clone(),
        profile: profile.zip(role).map(|(profile, role)| InstanceProfile {
            arn: profile.arn.clone(),
            id: format!(
                "AIPA{}",
                &eni.interface_id.trim_start_matches("eni-").to_uppercase()
            ),
            role_arn: role.arn.clone(),
        }),
        user_data: None,
        tags: options.instance_tags.then(|| template.tags.clone()),
        endpoint_enabled: true,
        token_required: options.tokens_required,
        hop_limit: options.hop_limit,
    })
}

/// Graviton families carry a `g` after their generation: `t4g`, `c7gn`.
/// (EC2 User Guide, "Amazon EC2 instance type naming conventions")
fn architecture(instance_type: Option<&str>) -> &'static str {
    let family = instance_type
        .and_then(|text| text.split('.').next())
        .unwrap_or_default();
    let options = family.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    if options.contains('g') {
        "arm64"
    } else {
        "x86_64"
    }
}

/// CPU units as vCPU: `256` is 0.25.
/// (ECS Developer Guide, "Task size")
fn vcpus(cpu: Option<&str>) -> String {
    let units: f64 = cpu.and_then(|text| text.parse().ok()).unwrap_or(256.0);
    format!("{}", units / 1024.0)
}

/// Databases with an interface and a master password that is not in the template.
pub(super) fn databases(model: &Model, faults: &mut Faults) -> Vec<Database> {
    let mut databases = Vec::new();
    for database in model.databases.values() {
        if database.engine != "postgres" {
            let message = format!("database engine `{}` is not run here", database.engine);
            faults.add(message, &database.provenance, "set `Engine: postgres`");
            continue;
        }
        let Some(secret_arn) = master_secret(model, database.master_username.as_ref()) else {
            faults.add(
                "the master user's password is not a secret of this template",
                &database.provenance,
                "use `MasterUserPassword: !Sub '{{resolve:secretsmanager:${Secret}:SecretString:password}}'`",
            );
            continue;
        };
        let Some(eni) = model.enis_of(&database.id).next() else {
            faults.add(
                "the database has no subnet",
                &database.provenance,
                "let `DBSubnetGroupName` refer to a subnet group of the template",
            );
            continue;
        };
        databases.push(Database {
            id: database.id.clone(),
            eni: eni.id.clone(),
            address: eni.address,
            port: database.port,
            endpoint: database.endpoint.clone(),
            database_name: database.database_name.clone(),
            secret_arn,
            engine_version: database.engine_version.clone(),
            parameters: database.parameters.clone(),
        });
    }
    databases
}

/// The secret that `{{resolve:secretsmanager:SECRET:SecretString:password}}` names.
fn master_secret(model: &Model, user: Option<&MasterUser>) -> Option<String> {
    let password = user?.password.as_deref()?;
    let arn = secret_of_reference(password)?;
    let found = model
        .secrets
        .values()
        .find(|secret| secret.arn == arn || secret.name == arn);
    found.map(|secret| secret.arn.clone())
}

/// The secret id (name or ARN) in a dynamic reference.
/// (CloudFormation User Guide, "Get a secret or secret value from Secrets Manager")
pub fn secret_of_reference(text: &str) -> Option<&str> {
    let inner = text
        .strip_prefix("{{resolve:secretsmanager:")?
        .strip_suffix("}}")?;
    Some(
        inner
            .split_once(":SecretString")
            .map_or(inner, |(id, _)| id),
    )
}

/// The field of the secret's JSON that a dynamic reference names, if any.
pub fn field_of_reference(text: &str) -> Option<&str> {
    let inner = text
        .strip_prefix("{{resolve:secretsmanager:")?
        .strip_suffix("}}")?;
    let (_, rest) = inner.split_once(":SecretString:")?;
    rest.split(':').next().filter(|field| !field.is_empty())
}

fn role<'a>(model: &'a Model, id: Option<&LogicalId>) -> Option<&'a Role> {
    id.and_then(|id| model.roles.get(id))
}

/// Whether an image is in a repository of the template: those are built here.
fn is_own_image(model: &Model, image: &str) -> bool {
    model.repositories.values().any(|repository| {
        let rest = image.strip_prefix(&repository.uri);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
    })
}

fn foreign_image(image: &str, provenance: &cfn::Provenance, faults: &mut Faults) {
    faults.add(
        format!("image `{image}` is not from a repository of this template"),
        provenance,
        "only images built from this workspace are run here",
    );
}

fn vpc_of(model: &Model, eni: &Eni) -> Option<LogicalId> {
    model
        .subnets
        .get(&eni.subnet)
        .map(|subnet| subnet.vpc.clone())
}

fn zone_of(model: &Model, eni: &Eni) -> String {
    let zone = model
        .subnets
        .get(&eni.subnet)
        .map(|subnet| subnet.availability_zone.clone());
    zone.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_references_name_a_secret_and_a_field() {
        let whole = "{{resolve:secretsmanager:arn:aws:secretsmanager:r:1:secret:s-AbCdEf}}";
        assert_eq!(
            secret_of_reference(whole),
            Some("arn:aws:secretsmanager:r:1:secret:s-AbCdEf")
        );
        assert_eq!(field_of_reference(whole), None);
        let field = "{{resolve:secretsmanager:kickytime/db:SecretString:password}}";
        assert_eq!(secret_of_reference(field), Some("kickytime/db"));
        assert_eq!(field_of_reference(field), Some("password"));
        assert_eq!(secret_of_reference("plain"), None);
    }
}
