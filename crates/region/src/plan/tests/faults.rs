//! Everything that cannot be run is named, with its line and what to do.

use insta::assert_snapshot;

use super::draft::Draft;

/// The faults as people meet them: line, its text, message, hint.
#[track_caller]
fn told(draft: &Draft) -> String {
    let mut text = String::new();
    for fault in draft.faults() {
        let number = fault.provenance.span.line;
        assert!(number > 0, "a fault without a line: {fault}");
        assert!(!fault.hint.is_empty(), "a fault without a hint: {fault}");
        // the line is one of the resource that is named, whatever its number
        let line = draft.line(number).trim();
        text += &format!(
            "{} | {line}\n  {fault}\n  hint: {}\n",
            fault.provenance.logical_id, fault.hint
        );
    }
    text
}

fn template() -> Draft {
    Draft::template()
}

#[test]
fn a_managed_policy_outside_the_template() {
    let arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
    let draft = template().replacing(
        "MatchesInstanceRole",
        "    Properties:\n",
        &format!("    Properties:\n      ManagedPolicyArns: [{arn}]\n"),
    );
    assert_snapshot!(told(&draft), @r"
    MatchesInstanceRole | MatchesInstanceRole:
      role `MatchesInstanceRole` uses the managed policy `arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore`, which is not in the template
      hint: write its statements as an inline policy or `AWS::IAM::ManagedPolicy`
    ");
}

#[test]
fn a_permissions_boundary_outside_the_template() {
    let draft = template().replacing(
        "UsersTaskRole",
        "    Properties:\n",
        "    Properties:\n      PermissionsBoundary: arn:aws:iam::aws:policy/PowerUserAccess\n",
    );
    assert_snapshot!(told(&draft), @r"
    UsersTaskRole | UsersTaskRole:
      role `UsersTaskRole` has the permissions boundary `arn:aws:iam::aws:policy/PowerUserAccess`, which is not in the template
      hint: define it as an `AWS::IAM::ManagedPolicy`, or leave it out
    ");
}

#[test]
fn a_foreign_image() {
    let image = "Image: !Sub \"${Repository.RepositoryUri}:${ImageTag}\"";
    let draft = template().replacing("UsersTaskDefinition", image, "Image: nginx:latest");
    assert_snapshot!(told(&draft), @r"
    UsersTaskDefinition | - Name: users
      image `nginx:latest` is not from a repository of this template
      hint: only images built from this workspace are run here
    ");
}

#[test]
fn a_service_on_instances() {
    let draft = template().replacing("UsersService", "LaunchType: FARGATE", "LaunchType: EC2");
    assert_snapshot!(told(&draft), @r"
    UsersService | UsersService:
      launch type `EC2` is not run here
      hint: set `LaunchType: FARGATE`
    ");
}

#[test]
fn another_database_engine() {
    let draft = template().replacing("Database", "Engine: postgres", "Engine: mysql");
    assert_snapshot!(told(&draft), @r"
    Database | Database:
      database engine `mysql` is not run here
      hint: set `Engine: postgres`
    ");
}

#[test]
fn a_password_in_the_template() {
    let reference = "!Sub \"{{resolve:secretsmanager:${DatabaseSecret}:SecretString:password}}\"";
    let draft = template().replacing("Database", reference, "hunter2hunter2");
    let told = told(&draft);
    assert!(!told.contains("hunter2"), "not even its line");
    assert_snapshot!(told, @r"
    Database | Database:
      the master user's password is not a secret of this template
      hint: use `MasterUserPassword: !Sub '{{resolve:secretsmanager:${Secret}:SecretString:password}}'`
    ");
}

#[test]
fn a_listener_of_another_protocol() {
    let draft = template().replacing("HttpListener", "Protocol: HTTP\n", "Protocol: TCP\n");
    assert_snapshot!(told(&draft), @r"
    HttpListener | HttpListener:
      listener protocol `TCP` is not run here
      hint: use HTTP or HTTPS
    ");
}

#[test]
fn an_unknown_security_policy() {
    let policy = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06";
    let draft = template().replacing("HttpsListener", policy, "ELBSecurityPolicy-2099-01");
    assert_snapshot!(told(&draft), @r"
    HttpsListener | HttpsListener:
      `ELBSecurityPolicy-2099-01` is not a security policy of Elastic Load Balancing or CloudFront
      hint: use one of ELB's own, such as ELBSecurityPolicy-TLS13-1-2-2021-06
    ");
}

#[test]
fn a_certificate_from_elsewhere() {
    let arn = "arn:aws:acm:ap-northeast-2:000000000000:certificate/0";
    let draft = template().replacing("HttpsListener", "!Ref OriginCertificate", arn);
    assert_snapshot!(told(&draft), @r"
    HttpsListener | HttpsListener:
      certificate `arn:aws:acm:ap-northeast-2:000000000000:certificate/0` is not in the template, so its names are unknown
      hint: define it as an `AWS::CertificateManager::Certificate`
    ");
}

#[test]
fn an_edge_function_nobody_knows() {
    let draft = template().replacing("WebRewrite", "'/index.html'", "'/elsewhere.html'");
    assert_snapshot!(told(&draft), @r"
    Distribution | TargetOriginId: web
      edge function `WebRewrite` is not run here
      hint: only a viewer-request function that rewrites paths without a dot to /index.html is
    ");
}

#[test]
fn a_cache_policy_nobody_knows() {
    let managed = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
    let other = "b2884449-e4de-46a7-ac36-70bc7f1ddd6d";
    let draft = template().replacing("Distribution", managed, other);
    assert_snapshot!(told(&draft), @r"
    Distribution | - PathPattern: /api/*
      cache policy `b2884449-e4de-46a7-ac36-70bc7f1ddd6d` is not run here
      hint: use the managed policy CachingDisabled or CachingOptimized
    ");
}

#[test]
fn an_origin_over_plain_http() {
    let draft = template().replacing("Distribution", "https-only", "http-only");
    assert_snapshot!(told(&draft), @r"
    Distribution | - Id: api
      origin `api` is fetched over plain HTTP
      hint: set `OriginProtocolPolicy: https-only`
    ");
}

#[test]
fn a_prefix_list_nobody_knows() {
    let draft = template().with("CloudFrontPrefixListId", "pl-0123456789abcdef0");
    assert_snapshot!(told(&draft), @r"
    AlbSecurityGroup | - Description: HTTPS from CloudFront
      nothing is known of the addresses of prefix list `pl-0123456789abcdef0`
      hint: define it as an `AWS::EC2::PrefixList`
    ");
}

#[test]
fn a_gateway_endpoint_of_another_service() {
    let draft = template().replacing("S3Endpoint", ".s3\"", ".dynamodb\"");
    assert_snapshot!(told(&draft), @r"
    S3Endpoint | S3Endpoint:
      gateway endpoint `S3Endpoint`: service `dynamodb` is not run here
      hint: the gateway endpoint that is run here is S3's
    ");
}

#[test]
fn a_health_check_that_matches_nothing() {
    let draft = template().replacing("UsersTargetGroup", "HttpCode: \"200\"", "HttpCode: \"2xx\"");
    assert_snapshot!(told(&draft), @r"
    UsersTargetGroup | UsersTargetGroup:
      `2xx` is not a list of status codes or ranges between 200 and 499
      hint: write codes as in `200`, `200,202` or `200-299`
    ");
}

#[test]
fn a_flow_log_of_a_subnet() {
    let draft = template()
        .replacing("VpcFlowLog", "ResourceType: VPC", "ResourceType: Subnet")
        .replacing(
            "VpcFlowLog",
            "ResourceId: !Ref Vpc",
            "ResourceId: !Ref AppSubnetA",
        );
    assert_snapshot!(told(&draft), @r"
    VpcFlowLog | VpcFlowLog:
      only flow logs of a whole VPC are kept here
      hint: let `ResourceId` name the VPC
    ");
}

#[test]
fn a_policy_with_a_fault() {
    let draft = template().replacing("UsersTaskRole", "Effect: Allow", "Effect: Maybe");
    assert_snapshot!(told(&draft), @r#"
    UsersTaskRole | Version: "2012-10-17"
      policy `trust`: `Effect` is `Allow` or `Deny`
      hint: every statement needs an Effect, actions and resources (IAM, "Policy grammar")
    "#);
}

#[test]
fn all_at_once_in_the_order_of_the_text() {
    let draft = template()
        .replacing("UsersService", "LaunchType: FARGATE", "LaunchType: EC2")
        .replacing("Database", "Engine: postgres", "Engine: mysql")
        .replacing("HttpListener", "Protocol: HTTP\n", "Protocol: TCP\n");
    let faults = draft.faults();
    let lines: Vec<_> = faults.iter().map(|f| f.provenance.span.line).collect();
    assert_eq!(lines.len(), 3, "{faults:?}");
    assert!(lines.is_sorted(), "{lines:?}");
}

/// What analysis understands and nothing here runs.
#[test]
fn instances_functions_stores_and_other_balancers() {
    let more = "Resources:
  Lone: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref AppSubnetA } }
  Waiting: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref AppSubnetA } }
  Function:
    Type: AWS::Lambda::Function
    Properties: { Code: { ZipFile: x }, Role: !GetAtt UsersTaskRole.Arn }
  Mount: { Type: AWS::EFS::MountTarget, Properties: { FileSystemId: fs-1, SubnetId: !Ref AppSubnetA } }
  Tcp: { Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: { Type: network, Subnets: [!Ref AppSubnetA] } }
";
    let draft = template().replacing_first("Resources:\n", more);
    assert_snapshot!(told(&draft), @r"
    Lone | Lone: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref AppSubnetA } }
      an instance outside an Auto Scaling group is not run here: `Lone`
      hint: leave it out under a condition to run the rest; `check` and `reach` cover it
    Waiting | Waiting: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref AppSubnetA } }
      a network interface without an instance is not run here: `Waiting`
      hint: leave it out under a condition to run the rest; `check` and `reach` cover it
    Function | Function:
      a Lambda function is not run here: `Function`
      hint: leave it out under a condition to run the rest; `check` and `reach` cover it
    Mount | Mount: { Type: AWS::EFS::MountTarget, Properties: { FileSystemId: fs-1, SubnetId: !Ref AppSubnetA } }
      `AWS::EFS::MountTarget` is not run here: `Mount`
      hint: leave it out under a condition to run the rest; `check` and `reach` cover it
    Tcp | Tcp: { Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: { Type: network, Subnets: [!Ref AppSubnetA] } }
      a network load balancer is not run here: `Tcp`
      hint: leave it out under a condition to run the rest; `check` and `reach` cover it
    ");
}
