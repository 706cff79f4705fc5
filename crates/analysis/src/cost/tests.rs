use std::sync::Arc;

use super::*;

fn lower(resources: &str) -> Model {
    let (template, faults) = cfn::parse("test.yaml", &format!("Resources:\n{resources}"));
    assert!(faults.iter().all(|fault| !fault.is_error()), "{faults:#?}");
    let environment = cfn::Environment {
        account_id: "111122223333".to_owned(),
        region: "ap-northeast-2".to_owned(),
        stack_name: "test".to_owned(),
        parameters: std::collections::BTreeMap::new(),
    };
    let (stack, faults) = cfn::evaluate(&template, &environment);
    assert!(faults.iter().all(|fault| !fault.is_error()), "{faults:#?}");
    model::lower(&Arc::new(stack))
}

const USAGE: Usage = Usage {
    hours: 730.0,
    service_gb: 0.0,
    viewer_gb: 0.0,
    log_gb: 0.0,
};

/// Eight endpoints in two zones, as in aws-semantics' table: 151.84 USD, and
/// 2,145 GB until they beat one gateway, 1,192 until two.
#[test]
fn the_known_break_even() {
    let mut text = String::from(
        "  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }\n  \
         A: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.0.0/24 } }\n  \
         B: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24 } }\n",
    );
    for index in 0..8 {
        text += &format!(
            "  E{index}: {{ Type: AWS::EC2::VPCEndpoint, Properties: {{ VpcEndpointType: Interface, \
             ServiceName: s{index}, VpcId: !Ref Vpc, SubnetIds: [!Ref A, !Ref B] }} }}\n"
        );
    }
    let prices = Prices::committed();
    let bill = cost(&lower(&text), &prices, &USAGE);
    assert!(
        (bill.usd_month() - 151.84).abs() < 0.001,
        "{}",
        bill.usd_month()
    );
    let points: Vec<_> = bill
        .break_even
        .iter()
        .map(|point| point.gb_month.round())
        .collect();
    assert_eq!(points, [2145.0, 1192.0]);
    let chart = terminal(&bill, &prices);
    assert!(
        chart.contains('×') && chart.contains("GB a month"),
        "{chart}"
    );
    assert!(svg(&bill, &prices).contains("2145 GB"));
}

#[test]
fn what_has_no_price_is_listed() {
    let model = lower(
        "  Db: { Type: AWS::RDS::DBInstance, Properties: { Engine: postgres, DBInstanceClass: db.r9x.huge, AllocatedStorage: '20' } }\n",
    );
    let bill = cost(&model, &Prices::committed(), &USAGE);
    let unpriced: Vec<_> = bill.unpriced.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(unpriced, ["db.r9x.huge"]);
    assert!((bill.usd_month() - 20.0 * 0.131).abs() < 0.001);
}

#[test]
fn every_price_names_its_source_and_is_one() {
    let prices = Prices::committed();
    assert!(prices.read.starts_with("2026-"));
    for (name, price) in prices.iter() {
        assert!(price.usd > 0.0, "{name}");
        for source in price.source.split(',') {
            assert!(prices.sources.contains_key(source), "{name}: {source}");
        }
    }
}
