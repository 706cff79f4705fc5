//! Load balancers, listeners, rules, target groups.

use model::{Action, CertificateReference, RuleCondition};

use crate::support::{VPC, in_vpc, model, not_analysed};

const BALANCER: &str = "
  Balancer:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    Properties:
      Subnets: [!Ref SubnetA, !Ref SubnetB]
      Scheme: internal
      LoadBalancerAttributes: [{ Key: routing.http.drop_invalid_header_fields.enabled, Value: true }]
  Group:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties: { VpcId: !Ref Vpc, Port: 8080, TargetType: ip }
";

#[test]
fn what_a_balancer_and_a_group_are_when_little_is_said() {
    let model = in_vpc(BALANCER);
    let balancer = &model.load_balancers["Balancer"];
    assert!(!balancer.internet_facing);
    assert_eq!(
        balancer.attribute("routing.http.drop_invalid_header_fields.enabled"),
        Some("true")
    );
    assert!(
        balancer
            .dns_name
            .ends_with(".ap-northeast-2.elb.amazonaws.com"),
        "{}",
        balancer.dns_name
    );
    let group = &model.target_groups["Group"];
    // ALB documentation, "Health checks for your target groups": the defaults
    let check = &group.health_check;
    assert_eq!(
        (check.path.as_str(), check.port, check.matcher.as_str()),
        ("/", None, "200")
    );
    assert_eq!((check.interval_s, check.timeout_s), (30, 5));
    assert_eq!((check.healthy_threshold, check.unhealthy_threshold), (5, 2));
    assert_eq!(
        (group.deregistration_delay_s, group.algorithm.as_str()),
        (300, "round_robin")
    );
    assert_eq!(model.enis.len(), 2);
    assert!(model.enis.values().all(|eni| !eni.public));
}

#[test]
fn what_a_group_says_counts() {
    let model = in_vpc(
        "
  Group:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      Name: given
      VpcId: !Ref Vpc
      Port: '8080'
      Protocol: HTTP
      HealthCheckPath: /health
      HealthCheckPort: '9090'
      HealthCheckIntervalSeconds: 5
      HealthyThresholdCount: 2
      Matcher: { HttpCode: 200-299 }
      TargetGroupAttributes:
        - { Key: deregistration_delay.timeout_seconds, Value: '20' }
        - { Key: load_balancing.algorithm.type, Value: least_outstanding_requests }",
    );
    let group = &model.target_groups["Group"];
    let check = &group.health_check;
    assert_eq!(
        (group.name.as_str(), group.port, group.target_type.as_str()),
        ("given", 8080, "instance")
    );
    assert_eq!(
        (check.path.as_str(), check.port, check.matcher.as_str()),
        ("/health", Some(9090), "200-299")
    );
    assert_eq!((check.interval_s, check.healthy_threshold), (5, 2));
    assert_eq!(
        (group.deregistration_delay_s, group.algorithm.as_str()),
        (20, "least_outstanding_requests")
    );
}

#[test]
fn rules_stand_by_priority_with_every_condition_and_action() {
    let model = in_vpc(&format!(
        "{BALANCER}
  Certificate: {{ Type: AWS::CertificateManager::Certificate, Properties: {{ DomainName: a.example, SubjectAlternativeNames: [b.example] }} }}
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref Balancer
      Port: 443
      Protocol: HTTPS
      SslPolicy: ELBSecurityPolicy-TLS13-1-2-2021-06
      Certificates: [{{ CertificateArn: !Ref Certificate }}]
      DefaultActions: [{{ Type: fixed-response, FixedResponseConfig: {{ StatusCode: '404' }} }}]
  Late:
    Type: AWS::ElasticLoadBalancingV2::ListenerRule
    Properties:
      ListenerArn: !Ref Listener
      Priority: 20
      Conditions:
        - {{ Field: path-pattern, Values: [/api/*] }}
        - {{ Field: host-header, HostHeaderConfig: {{ Values: [a.example] }} }}
      Actions: [{{ Type: forward, TargetGroupArn: !Ref Group }}]
  Early:
    Type: AWS::ElasticLoadBalancingV2::ListenerRule
    Properties:
      ListenerArn: !Ref Listener
      Priority: 3
      Conditions:
        - {{ Field: path-pattern, PathPatternConfig: {{ Values: [/a, /b] }} }}
        - {{ Field: http-header, HttpHeaderConfig: {{ HttpHeaderName: X-Secret, Values: ['{{{{resolve:secretsmanager:s}}}}'] }} }}
        - {{ Field: http-request-method, HttpRequestMethodConfig: {{ Values: [GET] }} }}
        - {{ Field: source-ip, SourceIpConfig: {{ Values: [10.0.0.0/8] }} }}
        - {{ Field: query-string, QueryStringConfig: {{ Values: [{{ Key: v, Value: '1' }}, {{ Value: x }}] }} }}
      Actions:
        - {{ Type: forward, Order: 2, ForwardConfig: {{ TargetGroups: [{{ TargetGroupArn: !Ref Group, Weight: 3 }}] }} }}
        - {{ Type: authenticate-cognito, Order: 1 }}
  Redirect:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref Balancer
      Port: 80
      DefaultActions: [{{ Type: redirect, RedirectConfig: {{ Protocol: HTTPS, Port: '443', StatusCode: HTTP_302 }} }}]"
    ));
    let [listener, redirect] = model.load_balancers["Balancer"].listeners.as_slice() else {
        panic!("two listeners");
    };
    assert_eq!(
        listener.certificates,
        [CertificateReference::Local("Certificate".into())]
    );
    assert_eq!(
        model.certificates["Certificate"].names,
        ["a.example", "b.example"]
    );
    assert_eq!((listener.port, listener.protocol.as_str()), (443, "HTTPS"));
    let text = |text: &str| text.to_owned();
    assert_eq!(
        listener.default_actions,
        [Action::FixedResponse {
            status: 404,
            content_type: text("text/plain"),
            body: String::new()
        }]
    );
    let [early, late] = listener.rules.as_slice() else {
        panic!("two rules");
    };
    assert_eq!((early.priority, late.priority), (3, 20));
    assert_eq!(
        early.conditions,
        [
            RuleCondition::PathPattern(vec![text("/a"), text("/b")]),
            RuleCondition::HttpHeader {
                name: text("X-Secret"),
                values: vec![text("{{resolve:secretsmanager:s}}")]
            },
            RuleCondition::HttpRequestMethod(vec![text("GET")]),
            RuleCondition::SourceIp(vec![text("10.0.0.0/8")]),
            RuleCondition::QueryString(vec![(Some(text("v")), text("1")), (None, text("x"))]),
        ]
    );
    assert_eq!(
        early.actions,
        [
            Action::Other(text("authenticate-cognito")),
            Action::Forward(vec![("Group".into(), 3)])
        ]
    );
    assert_eq!(
        late.conditions,
        [
            RuleCondition::PathPattern(vec![text("/api/*")]),
            RuleCondition::HostHeader(vec![text("a.example")]),
        ]
    );
    assert_eq!(late.actions, [Action::Forward(vec![("Group".into(), 1)])]);
    // ELB API, RedirectActionConfig: what is not said stays as the request has it
    assert_eq!(
        redirect.default_actions,
        [Action::Redirect {
            protocol: text("HTTPS"),
            host: text("#{host}"),
            port: text("443"),
            path: text("/#{path}"),
            query: text("#{query}"),
            status: 302,
        }]
    );
}

#[test]
fn a_condition_that_is_not_understood_does_not_vanish() {
    let model = model(&format!(
        "{VPC}{BALANCER}
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties: {{ LoadBalancerArn: !Ref Balancer, Port: 80, DefaultActions: [{{ Type: forward }}] }}
  Rule:
    Type: AWS::ElasticLoadBalancingV2::ListenerRule
    Properties:
      ListenerArn: !Ref Listener
      Priority: 1
      Conditions: [{{ Field: moon-phase, Values: [full] }}]
      Actions: [{{ Type: redirect }}]
  Lost: {{ Type: AWS::ElasticLoadBalancingV2::Listener, Properties: {{ LoadBalancerArn: !Ref Balancer }} }}
"
    ));
    let said: Vec<String> = not_analysed(&model)
        .iter()
        .map(|line| line.split_once(": ").expect("a line").1.to_owned())
        .collect();
    assert_eq!(
        said,
        [
            "value of `TargetGroupArn`: required, and not there",
            "value of `Field`: not a condition of a listener rule",
            "property `Values` of `AWS::ElasticLoadBalancingV2::ListenerRule`",
            "value of `RedirectConfig`: required, and not there",
            "value of `Port`: required, and not there",
            "value of `DefaultActions`: required, and not there",
        ]
    );
}
