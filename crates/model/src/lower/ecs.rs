//! Clusters, task definitions, services.

use cfn::Resource;

use crate::reader::{Lowering, Reader};
use crate::{Cluster, Container, LogicalId, Model, Service, ServiceTarget, TaskDefinition};

use super::elb::{attribute_text, ref_text};

pub(super) fn lower(lowering: &Lowering<'_>, model: &mut Model) {
    for resource in lowering.resources("AWS::ECS::Cluster") {
        let properties = lowering.reader(resource);
        properties.skip(&[
            "CapacityProviders",
            "ClusterName",
            "ClusterSettings",
            "Configuration",
            "DefaultCapacityProviderStrategy",
            "Tags",
        ]);
        let id = LogicalId::new(&resource.logical_id);
        let cluster = Cluster {
            name: ref_text(lowering, &resource.logical_id),
            arn: attribute_text(lowering, &resource.logical_id, "Arn"),
            provenance: properties.provenance.clone(),
            id: id.clone(),
        };
        model.clusters.insert(id, cluster);
    }
    for resource in lowering.resources("AWS::ECS::TaskDefinition") {
        let definition = task_definition(lowering, resource);
        model
            .task_definitions
            .insert(definition.id.clone(), definition);
    }
    for resource in lowering.resources("AWS::ECS::Service") {
        let service = service(lowering, &lowering.reader(resource), &resource.logical_id);
        model.services.insert(service.id.clone(), service);
    }
}

fn task_definition(lowering: &Lowering<'_>, resource: &Resource) -> TaskDefinition {
    let properties = lowering.reader(resource);
    properties.skip(&[
        "EphemeralStorage",
        "RequiresCompatibilities",
        "RuntimePlatform",
        "Tags",
    ]);
    if let Some(volumes) = properties
        .value("Volumes")
        .filter(|value| !value.items().is_empty())
    {
        properties.unusable("Volumes", volumes, "volumes are not followed");
    }
    let containers = properties.children("ContainerDefinitions");
    let local = resource
        .metadata
        .as_ref()
        .and_then(|m| m.at(&["Kickytime::Local", "RunOnce"]));
    TaskDefinition {
        id: LogicalId::new(&resource.logical_id),
        family: properties
            .text("Family")
            .unwrap_or_else(|| resource.logical_id.clone()),
        arn: ref_text(lowering, &resource.logical_id),
        network_mode: properties
            .text("NetworkMode")
            .unwrap_or_else(|| "bridge".to_owned()),
        cpu: properties.text("Cpu"),
        memory: properties.text("Memory"),
        task_role: properties.reference("TaskRoleArn", &["AWS::IAM::Role"]),
        execution_role: properties.reference("ExecutionRoleArn", &["AWS::IAM::Role"]),
        containers: containers.iter().filter_map(container).collect(),
        run_once: local.and_then(cfn::Value::as_bool).unwrap_or(false),
        provenance: properties.provenance.clone(),
    }
}

fn container(container: &Reader<'_>) -> Option<Container> {
    container.skip(&[
        "Cpu",
        "LinuxParameters",
        "Memory",
        "MemoryReservation",
        "Privileged",
        "ReadonlyRootFilesystem",
        "StartTimeout",
        "Ulimits",
        "User",
        "VersionConsistency",
    ]);
    let ports = container.children("PortMappings");
    let ports = ports.iter().filter_map(|mapping| {
        mapping.skip(&["AppProtocol", "HostPort", "Name", "Protocol"]);
        mapping.number("ContainerPort")
    });
    let environment = container.children("Environment");
    let environment = environment
        .iter()
        .filter_map(|pair| Some((pair.text("Name")?, pair.text("Value")?)));
    let secrets = container.children("Secrets");
    let secrets = secrets
        .iter()
        .filter_map(|pair| Some((pair.text("Name")?, pair.text("ValueFrom")?)));
    let options = container.child("LogConfiguration").and_then(|log| {
        let driver = log.text("LogDriver");
        let options = log.child("Options");
        if driver.is_none_or(|driver| driver == "awslogs") {
            return options;
        }
        let value = log.value("LogDriver")?;
        log.unusable("LogDriver", value, "where it delivers to is not followed");
        // the driver's own
        options?.entries();
        None
    });
    if let Some(options) = &options {
        options.skip(&[
            "awslogs-region",
            "mode",
            "max-buffer-size",
            "awslogs-create-group",
        ]);
    }
    let health_check = container.child("HealthCheck").map(|check| {
        check.skip(&["Interval", "Retries", "StartPeriod", "Timeout"]);
        check.texts("Command")
    });
    container.require(&["Image", "Name"]);
    Some(Container {
        image: container.text("Image")?,
        entry_point: container.texts("EntryPoint"),
        command: container.texts("Command"),
        ports: ports.collect(),
        environment: environment.collect(),
        secrets: secrets.collect(),
        essential: container.flag("Essential").unwrap_or(true),
        log_group: options
            .as_ref()
            .and_then(|options| options.text("awslogs-group")),
        log_stream_prefix: options.and_then(|options| options.text("awslogs-stream-prefix")),
        health_check,
        stop_timeout_s: container.number("StopTimeout"),
        provenance: container.provenance.clone(),
        name: container.text("Name")?,
    })
}

fn service(lowering: &Lowering<'_>, properties: &Reader<'_>, id: &str) -> Service {
    properties.skip(&[
        "AvailabilityZoneRebalancing",
        "DeploymentConfiguration",
        "DeploymentController",
        "EnableECSManagedTags",
        "EnableExecuteCommand",
        "PlatformVersion",
        "PropagateTags",
        "SchedulingStrategy",
        "ServiceName",
        "Tags",
    ]);
    let network = properties.child("NetworkConfiguration");
    let network = network.and_then(|network| network.child("AwsvpcConfiguration"));
    let balancers = properties.children("LoadBalancers");
    let target = |balancer: &Reader<'_>| {
        let kinds = ["AWS::ElasticLoadBalancingV2::TargetGroup"];
        Some(ServiceTarget {
            container: balancer.text("ContainerName")?,
            port: balancer.number("ContainerPort")?,
            target_group: balancer.reference("TargetGroupArn", &kinds)?,
        })
    };
    Service {
        id: LogicalId::new(id),
        name: attribute_text(lowering, id, "Name"),
        cluster: properties.reference("Cluster", &["AWS::ECS::Cluster"]),
        task_definition: properties.reference("TaskDefinition", &["AWS::ECS::TaskDefinition"]),
        desired_count: properties.number("DesiredCount").unwrap_or(1),
        launch_type: properties
            .text("LaunchType")
            .unwrap_or_else(|| "EC2".to_owned()),
        subnets: network
            .as_ref()
            .map(|network| network.references("Subnets", &["AWS::EC2::Subnet"]))
            .unwrap_or_default(),
        security_groups: network
            .as_ref()
            .map(|network| network.references("SecurityGroups", &["AWS::EC2::SecurityGroup"]))
            .unwrap_or_default(),
        assign_public_ip: network
            .and_then(|network| network.text("AssignPublicIp"))
            .is_some_and(|text| text == "ENABLED"),
        load_balancers: balancers.iter().filter_map(target).collect(),
        health_check_grace_s: properties
            .number("HealthCheckGracePeriodSeconds")
            .unwrap_or(0),
        provenance: properties.provenance.clone(),
    }
}
