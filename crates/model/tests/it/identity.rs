//! Roles with their policies, and the people of a user pool.

use crate::support::{model, not_analysed};

#[test]
fn policies_of_a_role_in_every_spelling() {
    let model = model(
        "  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: users
      Path: /club/
      MaxSessionDuration: 7200
      AssumeRolePolicyDocument: { Statement: [{ Effect: Allow, Principal: { Service: ecs-tasks.amazonaws.com }, Action: 'sts:AssumeRole' }] }
      ManagedPolicyArns: [!Ref Named, 'arn:aws:iam::aws:policy/ReadOnlyAccess']
      Policies: [{ PolicyName: inline, PolicyDocument: { Statement: [{ Action: 'a:Inline' }] } }]
  Named: { Type: AWS::IAM::ManagedPolicy, Properties: { PolicyDocument: { Statement: [{ Action: 'a:Named' }] } } }
  Naming: { Type: AWS::IAM::ManagedPolicy, Properties: { Roles: [!Ref Role], PolicyDocument: { Statement: [{ Action: 'a:Naming' }] } } }
  Policy: { Type: AWS::IAM::Policy, Properties: { PolicyName: p, Roles: [users], PolicyDocument: { Statement: [{ Action: 'a:Policy' }] } } }
  RolePolicy: { Type: AWS::IAM::RolePolicy, Properties: { PolicyName: r, RoleName: !Ref Role, PolicyDocument: { Statement: [{ Action: 'a:RolePolicy' }] } } }
  Other: { Type: AWS::IAM::ManagedPolicy, Properties: { PolicyDocument: { Statement: [{ Action: 'a:Other' }] } } }
",
    );
    assert_eq!(not_analysed(&model), Vec::<String>::new());
    let role = &model.roles["Role"];
    assert_eq!(role.arn, "arn:aws:iam::123456789012:role/club/users");
    assert_eq!(
        role.trust.document["Statement"][0]["Action"],
        "sts:AssumeRole"
    );
    assert_eq!(
        role.managed_policy_arns,
        ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    );
    assert_eq!(role.max_session_s, 7200);
    let mut actions: Vec<_> = role
        .policies
        .iter()
        .map(|policy| {
            (
                policy.document["Statement"][0]["Action"].as_str().unwrap(),
                policy.provenance.span.line,
            )
        })
        .collect();
    actions.sort_unstable();
    assert_eq!(
        actions,
        [
            ("a:Inline", 10),
            ("a:Named", 11),
            ("a:Naming", 12),
            ("a:Policy", 13),
            ("a:RolePolicy", 14)
        ],
        "each policy once, with its line"
    );
}

#[test]
fn a_policy_for_users_and_groups_does_not_vanish() {
    let model = model(
        "  Policy: { Type: AWS::IAM::Policy, Properties: { PolicyName: p, Users: [u], Groups: [g], PolicyDocument: {} } }\n",
    );
    assert_eq!(
        not_analysed(&model),
        [
            "2: property `Users` of `AWS::IAM::Policy`",
            "2: property `Groups` of `AWS::IAM::Policy`"
        ]
    );
}

#[test]
fn a_user_pool_with_its_clients_domain_and_groups() {
    let model = model(
        "  Pool:
    Type: AWS::Cognito::UserPool
    Properties:
      UserPoolName: club
      AdminCreateUserConfig: { AllowAdminCreateUserOnly: true }
      Policies: { PasswordPolicy: { MinimumLength: 12 } }
  Client:
    Type: AWS::Cognito::UserPoolClient
    Properties:
      UserPoolId: !Ref Pool
      ClientName: web
      CallbackURLs: ['https://a.example/']
      AllowedOAuthFlows: [code]
      AllowedOAuthScopes: [openid]
      AccessTokenValidity: 30
      IdTokenValidity: 2
      RefreshTokenValidity: 720
      TokenValidityUnits: { AccessToken: minutes, RefreshToken: hours }
  Domain: { Type: AWS::Cognito::UserPoolDomain, Properties: { UserPoolId: !Ref Pool, Domain: club-login } }
  Admins: { Type: AWS::Cognito::UserPoolGroup, Properties: { UserPoolId: !Ref Pool, GroupName: admin } }
",
    );
    assert_eq!(not_analysed(&model), Vec::<String>::new());
    let pool = &model.user_pools["Pool"];
    assert!(pool.pool_id.starts_with("ap-northeast-2_"));
    assert_eq!(
        (pool.self_sign_up, pool.minimum_password_length),
        (false, 12)
    );
    assert_eq!(
        (pool.domain.as_deref(), pool.groups.as_slice()),
        (Some("club-login"), ["admin".to_owned()].as_slice())
    );
    let [client] = pool.clients.as_slice() else {
        panic!("one client")
    };
    assert_eq!(client.client_id.len(), 26);
    assert!(!client.generate_secret);
    assert_eq!(client.access_token_validity_min, 30);
    assert_eq!(
        client.id_token_validity_min, 120,
        "hours when no unit is given"
    );
    assert_eq!(client.refresh_token_validity_days, 30);
}

#[test]
fn an_oidc_provider_is_named_by_its_host() {
    let model = model(
        "  Provider: { Type: AWS::IAM::OIDCProvider, Properties: { Url: 'https://token.example.com', ClientIdList: [sts.amazonaws.com] } }\n",
    );
    let provider = &model.oidc_providers["Provider"];
    assert_eq!(
        provider.arn,
        "arn:aws:iam::123456789012:oidc-provider/token.example.com"
    );
    assert_eq!(provider.client_ids, ["sts.amazonaws.com"]);
}
