//! Which physical ids, ARNs and host names will the resources have?
//!
//! Only AWS can say; these are stand-ins in AWS's own form, derived from the
//! stack's name and the logical id alone, so they are the same in every run
//! and two resources never share one. Names that the template sets are used
//! as they are.

use cfn::{Resource, Stack, Symbol};

use crate::lower::{default_port, knows};

/// References may lead through other references; a template whose names
/// depend on each other deeper than this is not one people write.
const MAX_DEPTH: usize = 16;

/// The stand-in for a symbol; `None` for what nothing is known about.
pub(crate) fn resolve(stack: &Stack, symbol: &Symbol) -> Option<String> {
    Ids { stack }.symbol(symbol, MAX_DEPTH)
}

/// The ARN of the stack itself.
pub(crate) fn stack_id(stack: &Stack) -> String {
    let Stack {
        partition,
        region,
        account_id,
        stack_name,
        ..
    } = stack;
    let uuid = Ids { stack }.uuid("AWS::StackId");
    format!("arn:{partition}:cloudformation:{region}:{account_id}:stack/{stack_name}/{uuid}")
}

struct Ids<'a> {
    stack: &'a Stack,
}

impl Ids<'_> {
    fn symbol(&self, symbol: &Symbol, depth: usize) -> Option<String> {
        let depth = depth.checked_sub(1)?;
        match symbol {
            Symbol::Ref(id) => self.reference(self.stack.resources.get(id)?, depth),
            Symbol::GetAtt(id, attribute) => {
                self.attribute(self.stack.resources.get(id)?, attribute, depth)
            }
            Symbol::AvailabilityZone(index) => {
                let letter = char::from(b'a' + u8::try_from(*index % 26).ok()?);
                Some(format!("{}{letter}", self.stack.region))
            }
            Symbol::Secret(reference) => self.expand(reference, depth),
            Symbol::Parameter(_)
            | Symbol::SsmParameter(_)
            | Symbol::Import(_)
            | Symbol::Function(_) => None,
        }
    }

    /// A dynamic reference with the names inside it, `${Secret}` or
    /// `${Secret.Attribute}`, replaced by what they stand for.
    fn expand(&self, text: &str, depth: usize) -> Option<String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}')?;
            let symbol = match name.split_once('.') {
                Some((id, attribute)) => Symbol::GetAtt(id.to_owned(), attribute.to_owned()),
                None => Symbol::Ref(name.to_owned()),
            };
            expanded.push_str(before);
            expanded.push_str(&self.symbol(&symbol, depth)?);
            rest = after;
        }
        expanded.push_str(rest);
        Some(expanded)
    }

    /// What `Ref` returns, per the "Return values" section of each type.
    fn reference(&self, resource: &Resource, depth: usize) -> Option<String> {
        let id = &resource.logical_id;
        let text = match resource.resource_type.as_str() {
            "AWS::EC2::VPC" => self.hex("vpc-", id),
            "AWS::EC2::Subnet" => self.hex("subnet-", id),
            "AWS::EC2::InternetGateway" => self.hex("igw-", id),
            "AWS::EC2::NatGateway" => self.hex("nat-", id),
            "AWS::EC2::RouteTable" => self.hex("rtb-", id),
            "AWS::EC2::NetworkAcl" => self.hex("acl-", id),
            "AWS::EC2::SecurityGroup" => self.hex("sg-", id),
            "AWS::EC2::SecurityGroupIngress" | "AWS::EC2::SecurityGroupEgress" => {
                self.hex("sgr-", id)
            }
            "AWS::EC2::PrefixList" => self.hex("pl-", id),
            "AWS::EC2::VPCEndpoint" => self.hex("vpce-", id),
            "AWS::EC2::LaunchTemplate" => self.hex("lt-", id),
            "AWS::EC2::Instance" => self.hex("i-", id),
            "AWS::EC2::FlowLog" => self.hex("fl-", id),
            "AWS::EC2::NetworkInterface" => self.hex("eni-", id),
            "AWS::EC2::EIP" => self.hex("eipalloc-", id),
            // the ARN of the secret that is attached
            "AWS::SecretsManager::SecretTargetAttachment" => {
                self.property(resource, "SecretId", depth)?
            }
            "AWS::KMS::Key" => self.uuid(id),
            "AWS::CloudFront::Distribution" => format!("E{}", self.upper(id, 13)),
            "AWS::CloudFront::OriginAccessControl" => format!("E{}", self.upper(id, 13)),
            "AWS::CloudFront::ResponseHeadersPolicy"
            | "AWS::CloudFront::CachePolicy"
            | "AWS::CloudFront::OriginRequestPolicy" => self.uuid(id),
            "AWS::Cognito::UserPool" => {
                format!("{}_{}", self.stack.region, self.upper(id, 9))
            }
            "AWS::Cognito::UserPoolClient" => self.lower(id, 26),
            "AWS::ElasticLoadBalancingV2::LoadBalancer"
            | "AWS::ElasticLoadBalancingV2::TargetGroup"
            | "AWS::ElasticLoadBalancingV2::Listener"
            | "AWS::ElasticLoadBalancingV2::ListenerRule"
            | "AWS::SecretsManager::Secret"
            | "AWS::SNS::Topic"
            | "AWS::ECS::TaskDefinition"
            | "AWS::ECS::Service"
            | "AWS::IAM::ManagedPolicy"
            | "AWS::IAM::OIDCProvider"
            | "AWS::CertificateManager::Certificate" => self.arn(resource, depth)?,
            // their ARNs, of which nothing here needs a form
            "AWS::Lambda::Alias" | "AWS::Lambda::Version" => return None,
            kind if knows(kind) => self.name(resource, depth),
            // a name, an ARN or a URL: the type would have to be known
            _ => return None,
        };
        Some(text)
    }

    fn attribute(&self, resource: &Resource, attribute: &str, depth: usize) -> Option<String> {
        let id = &resource.logical_id;
        let region = &self.stack.region;
        let text = match (resource.resource_type.as_str(), attribute) {
            ("AWS::EC2::VPC", "CidrBlock") => self.property(resource, "CidrBlock", depth)?,
            ("AWS::EC2::VPC", "DefaultSecurityGroup") => self.hex("sg-", &format!("{id}/default")),
            ("AWS::EC2::VPC", "DefaultNetworkAcl") => self.hex("acl-", &format!("{id}/default")),
            ("AWS::EC2::LaunchTemplate", "LatestVersionNumber" | "DefaultVersionNumber") => {
                "1".to_owned()
            }
            ("AWS::EC2::Subnet", "AvailabilityZone") => {
                self.property(resource, "AvailabilityZone", depth)?
            }
            ("AWS::EC2::EIP", "PublicIp") => return None,
            ("AWS::ElasticLoadBalancingV2::LoadBalancer", "DNSName") => format!(
                "{}-{}.{region}.elb.amazonaws.com",
                self.name(resource, depth).to_lowercase(),
                self.digits(id, 10)
            ),
            ("AWS::ElasticLoadBalancingV2::LoadBalancer", "CanonicalHostedZoneID") => {
                "ZWKZPGTI48KDX".to_owned()
            }
            ("AWS::ElasticLoadBalancingV2::LoadBalancer", "LoadBalancerFullName")
            | ("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetGroupFullName") => {
                let arn = self.arn(resource, depth)?;
                let resource_part = arn.splitn(6, ':').nth(5)?;
                resource_part
                    .strip_prefix("loadbalancer/")
                    .unwrap_or(resource_part)
                    .to_owned()
            }
            ("AWS::CloudFront::Distribution", "DomainName") => {
                format!("d{}.cloudfront.net", self.lower(id, 13))
            }
            ("AWS::RDS::DBInstance", "Endpoint.Address") => format!(
                "{}.c{}.{region}.rds.amazonaws.com",
                self.name(resource, depth).to_lowercase(),
                self.lower(&self.stack.stack_name, 11)
            ),
            ("AWS::RDS::DBInstance" | "AWS::RDS::DBCluster", "Endpoint.Port") => {
                let engine = self.property(resource, "Engine", depth);
                let usual = default_port(&engine.unwrap_or_default());
                self.property(resource, "Port", depth)
                    .unwrap_or_else(|| usual.to_string())
            }
            ("AWS::DocDB::DBCluster", "Port") => self
                .property(resource, "Port", depth)
                .unwrap_or_else(|| "27017".to_owned()),
            ("AWS::Neptune::DBCluster", "Port") => self
                .property(resource, "DBPort", depth)
                .unwrap_or_else(|| "8182".to_owned()),
            ("AWS::Redshift::Cluster", "Endpoint.Port") => self
                .property(resource, "Port", depth)
                .unwrap_or_else(|| "5439".to_owned()),
            (
                "AWS::ElastiCache::ReplicationGroup" | "AWS::ElastiCache::CacheCluster",
                attribute,
            ) if attribute.ends_with(".Port") => {
                let engine = self.property(resource, "Engine", depth);
                let is_memcached = engine.as_deref() == Some("memcached");
                let usual = if is_memcached { "11211" } else { "6379" };
                self.property(resource, "Port", depth)
                    .unwrap_or_else(|| usual.to_owned())
            }
            ("AWS::RDS::DBCluster", "Endpoint.Address" | "ReadEndpoint.Address") => {
                let part = if attribute.starts_with("Read") {
                    "cluster-ro"
                } else {
                    "cluster"
                };
                format!(
                    "{}.{part}-{}.{region}.rds.amazonaws.com",
                    self.name(resource, depth).to_lowercase(),
                    self.lower(&self.stack.stack_name, 12)
                )
            }
            ("AWS::RDS::DBInstance", "DbiResourceId") => format!("db-{}", self.upper(id, 26)),
            ("AWS::S3::Bucket", "DomainName") => {
                format!("{}.s3.amazonaws.com", self.name(resource, depth))
            }
            ("AWS::S3::Bucket", "RegionalDomainName") => {
                format!("{}.s3.{region}.amazonaws.com", self.name(resource, depth))
            }
            ("AWS::ECR::Repository", "RepositoryUri") => format!(
                "{}.dkr.ecr.{region}.amazonaws.com/{}",
                self.stack.account_id,
                self.name(resource, depth)
            ),
            ("AWS::Cognito::UserPool", "ProviderName") => format!(
                "cognito-idp.{region}.amazonaws.com/{}",
                self.reference(resource, depth)?
            ),
            ("AWS::Cognito::UserPool", "ProviderURL") => format!(
                "https://cognito-idp.{region}.amazonaws.com/{}",
                self.reference(resource, depth)?
            ),
            ("AWS::IAM::Role", "RoleId") => format!("AROA{}", self.upper(id, 17)),
            ("AWS::SNS::Topic", "TopicName")
            | ("AWS::ECS::Service", "Name")
            | ("AWS::CloudFront::Function", "FunctionMetadata.FunctionARN") => {
                if attribute == "FunctionMetadata.FunctionARN" {
                    self.arn(resource, depth)?
                } else {
                    self.name(resource, depth)
                }
            }
            (
                _,
                "Arn" | "FunctionARN" | "UserPoolArn" | "ServiceArn" | "TopicArn"
                | "LoadBalancerArn" | "TargetGroupArn" | "ListenerArn" | "DBInstanceArn"
                | "DBClusterArn" | "CertificateArn" | "TaskDefinitionArn",
            ) => self.arn(resource, depth)?,
            (
                _,
                "Id" | "VpcId" | "SubnetId" | "GroupId" | "RouteTableId" | "NatGatewayId"
                | "InternetGatewayId" | "AllocationId" | "KeyId" | "LaunchTemplateId"
                | "PrefixListId" | "UserPoolId" | "ClientId",
            ) => self.reference(resource, depth)?,
            _ => return None,
        };
        Some(text)
    }

    /// The ARN, per the service authorization reference of each service.
    fn arn(&self, resource: &Resource, depth: usize) -> Option<String> {
        let id = &resource.logical_id;
        let Stack {
            partition,
            region,
            account_id: account,
            ..
        } = self.stack;
        let name = || self.name(resource, depth);
        let regional = |service: &str, rest: String| {
            format!("arn:{partition}:{service}:{region}:{account}:{rest}")
        };
        let global =
            |service: &str, rest: String| format!("arn:{partition}:{service}::{account}:{rest}");
        let path = |resource: &Resource| {
            self.property(resource, "Path", depth)
                .unwrap_or_else(|| "/".to_owned())
        };
        let hash = self.hex("", id);
        Some(match resource.resource_type.as_str() {
            "AWS::EC2::VPC" => regional("ec2", format!("vpc/{}", self.reference(resource, depth)?)),
            "AWS::ElasticLoadBalancingV2::LoadBalancer" => regional("elasticloadbalancing", {
                let kind = self.property(resource, "Type", depth);
                let part = match kind.as_deref() {
                    Some("network") => "net",
                    Some("gateway") => "gwy",
                    _ => "app",
                };
                format!("loadbalancer/{part}/{}/{}", name(), &hash[..16])
            }),
            "AWS::ElasticLoadBalancingV2::TargetGroup" => regional(
                "elasticloadbalancing",
                format!("targetgroup/{}/{}", name(), &hash[..16]),
            ),
            "AWS::ElasticLoadBalancingV2::Listener" => regional(
                "elasticloadbalancing",
                format!("listener/app/{}/{}", self.stack.stack_name, &hash[..16]),
            ),
            "AWS::ElasticLoadBalancingV2::ListenerRule" => regional(
                "elasticloadbalancing",
                format!(
                    "listener-rule/app/{}/{}",
                    self.stack.stack_name,
                    &hash[..16]
                ),
            ),
            // Secrets Manager appends a hyphen and six characters of its own.
            "AWS::SecretsManager::Secret" => regional(
                "secretsmanager",
                format!("secret:{}-{}", name(), self.mixed(id, 6)),
            ),
            "AWS::SNS::Topic" => regional("sns", name()),
            "AWS::KMS::Key" => regional("kms", format!("key/{}", self.uuid(id))),
            "AWS::Logs::LogGroup" => regional("logs", format!("log-group:{}:*", name())),
            "AWS::ECR::Repository" => regional("ecr", format!("repository/{}", name())),
            "AWS::ECS::Cluster" => regional("ecs", format!("cluster/{}", name())),
            "AWS::ECS::TaskDefinition" => regional("ecs", format!("task-definition/{}:1", name())),
            "AWS::ECS::Service" => {
                let cluster = self.property(resource, "Cluster", depth);
                let cluster = cluster
                    .as_deref()
                    .map_or("default", |text| text.rsplit('/').next().unwrap_or(text));
                regional("ecs", format!("service/{cluster}/{}", name()))
            }
            "AWS::RDS::DBInstance" => regional("rds", format!("db:{}", name().to_lowercase())),
            "AWS::RDS::DBCluster" => regional("rds", format!("cluster:{}", name().to_lowercase())),
            "AWS::Cognito::UserPool" => regional(
                "cognito-idp",
                format!("userpool/{}", self.reference(resource, depth)?),
            ),
            "AWS::CertificateManager::Certificate" => {
                regional("acm", format!("certificate/{}", self.uuid(id)))
            }
            "AWS::AutoScaling::AutoScalingGroup" => regional(
                "autoscaling",
                format!(
                    "autoScalingGroup:{}:autoScalingGroupName/{}",
                    self.uuid(id),
                    name()
                ),
            ),
            "AWS::CloudWatch::Alarm" => regional("cloudwatch", format!("alarm:{}", name())),
            "AWS::Lambda::Function" => regional("lambda", format!("function:{}", name())),
            "AWS::S3::Bucket" => format!("arn:{partition}:s3:::{}", name()),
            "AWS::IAM::Role" => global("iam", format!("role{}{}", path(resource), name())),
            "AWS::IAM::ManagedPolicy" => {
                global("iam", format!("policy{}{}", path(resource), name()))
            }
            "AWS::IAM::InstanceProfile" => global(
                "iam",
                format!("instance-profile{}{}", path(resource), name()),
            ),
            "AWS::IAM::OIDCProvider" => {
                let url = self.property(resource, "Url", depth)?;
                let host = url.strip_prefix("https://").unwrap_or(&url);
                global("iam", format!("oidc-provider/{host}"))
            }
            "AWS::CloudFront::Distribution" => global(
                "cloudfront",
                format!("distribution/{}", self.reference(resource, depth)?),
            ),
            "AWS::CloudFront::Function" => global("cloudfront", format!("function/{}", name())),
            _ => return None,
        })
    }

    /// The name the template sets, or the one CloudFormation would generate:
    /// stack, logical id and a random tail.
    fn name(&self, resource: &Resource, depth: usize) -> String {
        let property = match resource.resource_type.as_str() {
            "AWS::RDS::DBInstance" => "DBInstanceIdentifier",
            "AWS::RDS::DBCluster" => "DBClusterIdentifier",
            "AWS::RDS::DBSubnetGroup" => "DBSubnetGroupName",
            "AWS::RDS::DBParameterGroup" => "DBParameterGroupName",
            "AWS::S3::Bucket" => "BucketName",
            "AWS::IAM::Role" => "RoleName",
            "AWS::IAM::InstanceProfile" => "InstanceProfileName",
            "AWS::IAM::ManagedPolicy" => "ManagedPolicyName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            "AWS::ECR::Repository" => "RepositoryName",
            "AWS::ECS::Cluster" => "ClusterName",
            "AWS::ECS::Service" => "ServiceName",
            "AWS::ECS::TaskDefinition" => "Family",
            "AWS::AutoScaling::AutoScalingGroup" => "AutoScalingGroupName",
            "AWS::KMS::Alias" => "AliasName",
            "AWS::SNS::Topic" => "TopicName",
            "AWS::CloudWatch::Alarm" => "AlarmName",
            "AWS::Cognito::UserPoolGroup" => "GroupName",
            "AWS::Cognito::UserPoolDomain" => "Domain",
            "AWS::Lambda::Function" => "FunctionName",
            _ => "Name",
        };
        self.property(resource, property, depth).unwrap_or_else(|| {
            let id = &resource.logical_id;
            let generated = format!("{}-{id}-{}", self.stack.stack_name, self.upper(id, 12));
            match resource.resource_type.as_str() {
                "AWS::S3::Bucket" | "AWS::RDS::DBInstance" | "AWS::ECR::Repository" => {
                    generated.to_lowercase()
                }
                "AWS::ElasticLoadBalancingV2::LoadBalancer"
                | "AWS::ElasticLoadBalancingV2::TargetGroup" => {
                    // at most 32 characters, of which the tail keeps it unique
                    let stack: String = self.stack.stack_name.chars().take(6).collect();
                    let short: String = id.chars().take(12).collect();
                    format!("{stack}-{short}-{}", self.upper(id, 12))
                }
                _ => generated,
            }
        })
    }

    fn property(&self, resource: &Resource, name: &str, depth: usize) -> Option<String> {
        resource
            .properties
            .get(name)?
            .render(&|symbol| self.symbol(symbol, depth))
    }

    fn hex(&self, prefix: &str, id: &str) -> String {
        format!("{prefix}0{}", self.text(id, 16, b"0123456789abcdef"))
    }

    fn uuid(&self, id: &str) -> String {
        let hex = self.text(id, 32, b"0123456789abcdef");
        let (a, b, c, d, e) = (
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..],
        );
        format!("{a}-{b}-4{c}-a{d}-{e}")
    }

    fn upper(&self, id: &str, length: usize) -> String {
        self.text(id, length, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    }

    fn lower(&self, id: &str, length: usize) -> String {
        self.text(id, length, b"abcdefghijklmnopqrstuvwxyz0123456789")
    }

    fn mixed(&self, id: &str, length: usize) -> String {
        self.text(
            id,
            length,
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        )
    }

    fn digits(&self, id: &str, length: usize) -> String {
        self.text(id, length, b"123456789")
    }

    /// Characters of `alphabet` drawn from the stack's name and the id.
    fn text(&self, id: &str, length: usize, alphabet: &[u8]) -> String {
        let mut state = fnv1a(self.stack.stack_name.as_bytes(), FNV_OFFSET);
        state = fnv1a(b"/", state);
        state = fnv1a(id.as_bytes(), state);
        (0..length)
            .map(|_| {
                state = split_mix(state);
                let index = (state >> 32) % alphabet.len() as u64;
                char::from(alphabet[usize::try_from(index).expect("less than the alphabet")])
            })
            .collect()
    }
}

/// The interface id of the n-th interface of a resource.
pub(crate) fn interface_id(stack: &Stack, eni: &str) -> String {
    Ids { stack }.hex("eni-", eni)
}

/// The instance id behind an interface.
pub(crate) fn instance_id(stack: &Stack, eni: &str) -> String {
    Ids { stack }.hex("i-", eni)
}

/// The id of the n-th rule of a security group.
pub(crate) fn rule_id(stack: &Stack, rule: &str) -> String {
    Ids { stack }.hex("sgr-", rule)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv1a(bytes: &[u8], state: u64) -> u64 {
    bytes.iter().fold(state, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn split_mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
