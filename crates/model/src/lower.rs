//! From an evaluated stack to the typed graph: one file per service.

mod autoscaling;
mod certificate;
mod cloudfront;
mod cognito;
mod data;
mod ec2;
mod ecs;
mod elb;
mod eni;
mod iam;
mod instance;
mod lambda;
mod rds;
mod rds_cluster;
mod secrets;
mod security_group;
mod ssm;
mod store;

use std::sync::Arc;

use cfn::Stack;

pub(crate) use rds::default_port;

use crate::reader::Lowering;
use crate::{LogicalId, Model, NotAnalysedSubject};

/// Types that are understood and have no part in network, permissions or
/// running: they watch, name or scale what the others do.
const PASSIVE: &[&str] = &[
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::AutoScaling::LifecycleHook",
    "AWS::AutoScaling::ScalingPolicy",
    "AWS::AutoScaling::ScheduledAction",
    "AWS::CDK::Metadata",
    "AWS::CloudFormation::WaitCondition",
    "AWS::CloudFormation::WaitConditionHandle",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Config::ConfigRule",
    "AWS::EC2::KeyPair",
    "AWS::EC2::PlacementGroup",
    "AWS::EC2::Volume",
    "AWS::EC2::VolumeAttachment",
    "AWS::Events::Rule",
    "AWS::Lambda::Alias",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Version",
    "AWS::Logs::LogStream",
    "AWS::Logs::MetricFilter",
    "AWS::RDS::OptionGroup",
    "AWS::ResourceGroups::Group",
    "AWS::Route53::HealthCheck",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
];

/// Types that are read while lowering another one.
const FOLDED: &[&str] = &[
    "AWS::CertificateManager::Certificate",
    "AWS::CloudFront::Function",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolGroup",
    "AWS::EC2::EIP",
    "AWS::EC2::EIPAssociation",
    "AWS::EC2::NetworkAclEntry",
    "AWS::EC2::NetworkInterface",
    "AWS::EC2::NetworkInterfaceAttachment",
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SubnetNetworkAclAssociation",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCCidrBlock",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::ListenerCertificate",
    "AWS::ElasticLoadBalancingV2::ListenerRule",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::RolePolicy",
    "AWS::KMS::Alias",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBClusterParameterGroup",
    "AWS::RDS::DBParameterGroup",
    "AWS::RDS::DBSubnetGroup",
    "AWS::S3::BucketPolicy",
    "AWS::SecretsManager::SecretTargetAttachment",
];

/// Types with a map of their own in [`Model`].
const LOWERED: &[&str] = &[
    "AWS::AutoScaling::AutoScalingGroup",
    "AWS::AutoScaling::LaunchConfiguration",
    "AWS::CloudFront::Distribution",
    "AWS::CloudFront::OriginAccessControl",
    "AWS::CloudFront::ResponseHeadersPolicy",
    "AWS::Cognito::UserPool",
    "AWS::EC2::FlowLog",
    "AWS::EC2::Instance",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::LaunchTemplate",
    "AWS::EC2::NatGateway",
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::PrefixList",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::ECR::Repository",
    "AWS::ECS::Cluster",
    "AWS::ECS::Service",
    "AWS::ECS::TaskDefinition",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::OIDCProvider",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::RDS::DBInstance",
    "AWS::Route53::RecordSet",
    "AWS::S3::Bucket",
    "AWS::SSM::Document",
    "AWS::SSM::Parameter",
    "AWS::SecretsManager::Secret",
];

/// Whether a type is understood, whatever part it has.
pub(crate) fn knows(kind: &str) -> bool {
    let lists = [PASSIVE, FOLDED, LOWERED];
    lists.iter().any(|list| list.contains(&kind)) || store::knows(kind)
}

/// Builds the model of a stack. Never fails: what it cannot use is listed in
/// [`Model::not_analysed`], in the order of the template's text.
pub fn lower(stack: &Arc<Stack>) -> Model {
    let lowering = Lowering::new(stack);
    let mut model = Model {
        stack: Arc::clone(stack),
        ..Model::default()
    };
    ec2::lower(&lowering, &mut model);
    security_group::lower(&lowering, &mut model);
    elb::lower(&lowering, &mut model);
    certificate::lower(&lowering, &mut model);
    cloudfront::lower(&lowering, &mut model);
    autoscaling::lower(&lowering, &mut model);
    instance::lower(&lowering, &mut model);
    lambda::lower(&lowering, &mut model);
    ecs::lower(&lowering, &mut model);
    rds::lower(&lowering, &mut model);
    store::lower(&lowering, &mut model);
    secrets::lower(&lowering, &mut model);
    ssm::lower(&lowering, &mut model);
    data::lower(&lowering, &mut model);
    iam::lower(&lowering, &mut model);
    cognito::lower(&lowering, &mut model);
    eni::imply(&lowering, &mut model);
    for resource in stack.resources.values() {
        let kind = resource.resource_type.as_str();
        if PASSIVE.contains(&kind) {
            model
                .passive
                .insert(LogicalId::new(&resource.logical_id), kind.to_owned());
        } else if !knows(kind) {
            let subject = NotAnalysedSubject::ResourceType(kind.to_owned());
            lowering.report(subject, &resource.provenance.0);
        }
    }
    model.not_analysed = lowering.into_not_analysed();
    model
        .not_analysed
        .sort_by_key(|entry| entry.provenance.span);
    model
}
