//! Launch templates, groups of instances, task definitions, services.

use model::{LocalProgram, MetadataOptions, ServiceTarget};

use crate::support::{in_vpc, model, not_analysed};

#[test]
fn a_launch_template_says_what_its_instances_are_and_run() {
    let model = in_vpc(
        "
  Group: { Type: AWS::EC2::SecurityGroup, Properties: { GroupDescription: x, VpcId: !Ref Vpc } }
  Role: { Type: AWS::IAM::Role, Properties: { AssumeRolePolicyDocument: {} } }
  Profile: { Type: AWS::IAM::InstanceProfile, Properties: { Roles: [!Ref Role] } }
  Template:
    Type: AWS::EC2::LaunchTemplate
    Metadata:
      Kickytime::Local:
        Image: !Sub '${AWS::AccountId}.example/club:1'
        Command: [server, matches]
        Port: '8080'
        LogGroup: /club/matches
        Environment: { ZONE: !Select [0, !GetAZs ''], ROLE: !GetAtt Role.Arn }
    Properties:
      LaunchTemplateData:
        InstanceType: t4g.nano
        ImageId: ami-1
        UserData: IyE=
        IamInstanceProfile: { Arn: !GetAtt Profile.Arn }
        NetworkInterfaces: [{ DeviceIndex: 0, Groups: [!Ref Group], AssociatePublicIpAddress: false }]
        MetadataOptions: { HttpTokens: required, HttpPutResponseHopLimit: 2, InstanceMetadataTags: enabled }
        TagSpecifications:
          - { ResourceType: volume, Tags: [{ Key: Of, Value: volume }] }
          - { ResourceType: instance, Tags: [{ Key: Of, Value: instance }] }
  Instances:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties:
      VPCZoneIdentifier: [!Ref SubnetA, !Ref SubnetB]
      MinSize: '2'
      MaxSize: '4'
      LaunchTemplate: { LaunchTemplateId: !Ref Template, Version: !GetAtt Template.LatestVersionNumber }",
    );
    let template = &model.launch_templates["Template"];
    assert_eq!(
        template.local,
        Some(LocalProgram {
            image: "123456789012.example/club:1".to_owned(),
            command: vec!["server".to_owned(), "matches".to_owned()],
            port: Some(8080),
            log_group: Some("/club/matches".to_owned()),
            environment: [
                ("ZONE".to_owned(), "ap-northeast-2a".to_owned()),
                ("ROLE".to_owned(), model.roles["Role"].arn.clone()),
            ]
            .into(),
        })
    );
    assert_eq!(
        template.metadata_options,
        MetadataOptions {
            tokens_required: true,
            hop_limit: 2,
            instance_tags: true
        }
    );
    assert_eq!(template.instance_profile, Some("Profile".into()));
    assert_eq!(model.instance_profiles["Profile"].role, Some("Role".into()));
    assert_eq!(template.security_groups, ["Group".into()]);
    assert_eq!(template.tags["Of"], "instance");
    let group = &model.auto_scaling_groups["Instances"];
    assert_eq!((group.min_size, group.max_size), (2, 4));
    assert_eq!(
        group.desired_capacity, 2,
        "as many as the least, when nothing is said"
    );
    let instances = model.enis.values().map(|eni| model.instance_id(eni));
    let instances: std::collections::BTreeSet<_> = instances.collect();
    assert_eq!(instances.len(), 2, "an id for each instance: {instances:?}");
}

#[test]
fn without_metadata_options_an_instance_is_as_ec2_makes_it() {
    let model = model(
        "  Template: { Type: AWS::EC2::LaunchTemplate, Properties: { LaunchTemplateData: {} } }\n",
    );
    let options = model.launch_templates["Template"].metadata_options;
    assert_eq!(
        options,
        MetadataOptions {
            tokens_required: false,
            hop_limit: 1,
            instance_tags: false
        }
    );
    assert_eq!(model.launch_templates["Template"].local, None);
}

#[test]
fn a_local_program_says_nothing_that_is_not_read() {
    let model = model(
        "  Template:
    Type: AWS::EC2::LaunchTemplate
    Metadata: { Kickytime::Local: { Image: x, Port: high, Comand: [typo] } }
    Properties: { LaunchTemplateData: {} }
",
    );
    assert_eq!(
        not_analysed(&model),
        [
            "4: value of `Port`: `high` is not a number in range",
            "4: property `Comand` of `Kickytime::Local`",
        ]
    );
}

#[test]
fn a_task_and_the_service_that_keeps_it_running() {
    let model = in_vpc(
        "
  Cluster: { Type: AWS::ECS::Cluster, Properties: { ClusterName: main } }
  Role: { Type: AWS::IAM::Role, Properties: { AssumeRolePolicyDocument: {} } }
  Targets: { Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: { VpcId: !Ref Vpc, Port: 8080, TargetType: ip } }
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: users
      NetworkMode: awsvpc
      TaskRoleArn: !GetAtt Role.Arn
      ExecutionRoleArn: !GetAtt Role.Arn
      ContainerDefinitions:
        - Name: web
          Image: club:1
          Command: [users]
          PortMappings: [{ ContainerPort: 8080 }, { ContainerPort: '9090' }]
          Environment: [{ Name: A, Value: '1' }]
          Secrets: [{ Name: S, ValueFrom: arn }]
          StopTimeout: 30
          LogConfiguration: { LogDriver: awslogs, Options: { awslogs-group: /g, awslogs-stream-prefix: p, awslogs-region: x } }
          HealthCheck: { Command: [CMD, server, health] }
  Service:
    Type: AWS::ECS::Service
    Properties:
      Cluster: !Ref Cluster
      ServiceName: users
      LaunchType: FARGATE
      TaskDefinition: !Ref Task
      HealthCheckGracePeriodSeconds: 60
      LoadBalancers: [{ ContainerName: web, ContainerPort: 8080, TargetGroupArn: !Ref Targets }]
      NetworkConfiguration: { AwsvpcConfiguration: { Subnets: [!Ref SubnetA] } }",
    );
    let task = &model.task_definitions["Task"];
    assert_eq!(
        (task.task_role.as_ref(), task.execution_role.as_ref()),
        (Some(&"Role".into()), Some(&"Role".into()))
    );
    let [container] = task.containers.as_slice() else {
        panic!("one container")
    };
    assert_eq!(container.ports, [8080, 9090]);
    assert_eq!(container.environment["A"], "1");
    assert_eq!(container.secrets, [("S".to_owned(), "arn".to_owned())]);
    assert_eq!(
        (
            container.log_group.as_deref(),
            container.log_stream_prefix.as_deref()
        ),
        (Some("/g"), Some("p"))
    );
    assert_eq!(
        container.health_check.as_deref().map(<[String]>::len),
        Some(3)
    );
    assert_eq!(
        (container.essential, container.stop_timeout_s),
        (true, Some(30))
    );
    let service = &model.services["Service"];
    assert_eq!(
        (service.desired_count, service.health_check_grace_s),
        (1, 60)
    );
    assert_eq!(
        service.load_balancers,
        [ServiceTarget {
            target_group: "Targets".into(),
            container: "web".to_owned(),
            port: 8080
        }]
    );
    assert_eq!(
        model
            .resolve(&cfn::Symbol::Ref("Service".into()))
            .as_deref(),
        Some("arn:aws:ecs:ap-northeast-2:123456789012:service/main/users")
    );
}
