//! What the unmodified aws-cli makes of the Describe calls.

use emulator::{Tags, UserSeed};
use serde_json::{Value, json};

use super::Cli;
use crate::ssm::bed::{INSTANCE, OTHER, seed_with_instances};
use crate::support::*;

#[test]
fn stacks_are_described_with_their_outputs_and_resources() {
    let Some(cli) = Cli::with(seed_with_instances()) else {
        return;
    };
    let name = ["--stack-name", "kickytime"];
    let stacks = cli.json(&[&["cloudformation", "describe-stacks"][..], &name].concat());
    let stack = &stacks["Stacks"][0];
    assert_eq!(stack["StackStatus"], "CREATE_COMPLETE");
    assert_eq!(stack["Description"], "A <small> system & its parts");
    assert_eq!(
        stack["Outputs"],
        json!([{ "OutputKey": "DatabaseEndpoint", "Description": "Host name of the database",
                 "OutputValue": "kickytime-db.example.ap-northeast-2.rds.amazonaws.com" }])
    );
    let resources =
        cli.json(&[&["cloudformation", "describe-stack-resources"][..], &name].concat());
    let shown = |value: &Value| {
        let (id, physical) = (&value["LogicalResourceId"], &value["PhysicalResourceId"]);
        format!("{} {}", id.as_str().unwrap(), physical.as_str().unwrap())
    };
    let resources: Vec<_> = resources["StackResources"]
        .as_array()
        .unwrap()
        .iter()
        .map(shown)
        .collect();
    assert_eq!(resources, ["Database kickytime-db", "Vpc vpc-1"]);
    let listed = cli.json(&[&["cloudformation", "list-stack-resources"][..], &name].concat());
    let listed: Vec<_> = listed["StackResourceSummaries"]
        .as_array()
        .unwrap()
        .iter()
        .map(shown)
        .collect();
    assert_eq!(listed, resources);
    let one = ["--logical-resource-id", "Vpc"];
    let one = cli.json(
        &[
            &["cloudformation", "describe-stack-resources"][..],
            &name,
            &one,
        ]
        .concat(),
    );
    assert_eq!(one["StackResources"].as_array().unwrap().len(), 1);

    let refused = cli.refused(&["cloudformation", "describe-stacks", "--stack-name", "other"]);
    assert!(
        refused.contains("(ValidationError)")
            && refused.contains("Stack with id other does not exist"),
        "{refused}"
    );
    let refused = cli.refused(&[
        "cloudformation",
        "delete-stack",
        "--stack-name",
        "kickytime",
    ]);
    assert!(
        refused.contains("`DeleteStack` of `AWS CloudFormation`"),
        "{refused}"
    );
}

#[test]
fn instances_are_found_by_what_they_are() {
    let Some(cli) = Cli::with(seed_with_instances()) else {
        return;
    };
    let found = |arguments: &[&str]| {
        let answer = cli.json(&[&["ec2", "describe-instances"], arguments].concat());
        let reservations = answer["Reservations"].as_array().unwrap().clone();
        let instances = reservations.iter().map(|r| r["Instances"][0].clone());
        instances.collect::<Vec<_>>()
    };
    let ids = |arguments: &[&str]| -> Vec<String> {
        let ids = found(arguments);
        ids.iter()
            .map(|i| i["InstanceId"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = found(&[]);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0]["State"], json!({ "Code": 16, "Name": "running" }));
    assert_eq!(all[0]["PrivateIpAddress"], "10.0.10.5");
    assert_eq!(
        all[0]["Tags"],
        json!([{ "Key": "Project", "Value": "Kickytime" }])
    );
    assert_eq!(all[0]["SecurityGroups"][0]["GroupName"], "kickytime-app-sg");
    assert_eq!(ids(&["--instance-ids", OTHER]), [OTHER]);
    let by = |filter: &str| ids(&["--filters", filter]);
    assert_eq!(by("Name=tag:Project,Values=Kicky*"), [INSTANCE]);
    assert_eq!(
        by("Name=private-ip-address,Values=10.0.10.6,10.0.10.7"),
        [OTHER]
    );
    assert_eq!(by("Name=instance-state-name,Values=running").len(), 2);
    assert_eq!(by("Name=instance-state-name,Values=stopped").len(), 0);
    assert_eq!(by("Name=vpc-id,Values=vpc-2").len(), 0);
    let both = [
        "--filters",
        "Name=subnet-id,Values=subnet-1",
        "Name=instance-id,Values=i-0b*",
    ];
    assert_eq!(ids(&both), [OTHER]);
    let refused = cli.refused(&["ec2", "describe-instances", "--instance-ids", "i-0123"]);
    assert!(
        refused.contains("(InvalidInstanceID.NotFound)"),
        "{refused}"
    );
    let refused = cli.refused(&[
        "ec2",
        "describe-instances",
        "--filters",
        "Name=colour,Values=red",
    ]);
    assert!(
        refused.contains("The filter 'colour' is invalid"),
        "{refused}"
    );
}

#[test]
fn databases_are_described_to_whom_may_know_them() {
    let database = format!("arn:aws:rds:{REGION}:{ACCOUNT}:db:kickytime-db");
    let mut seed = seed_with_instances();
    seed.users.push(UserSeed {
        name: "person".into(),
        arn: format!("arn:aws:iam::{ACCOUNT}:user/person"),
        policies: vec![policy(
            "FindTheDatabase",
            &json!([{ "Effect": "Allow", "Action": "rds:DescribeDBInstances", "Resource": database }]),
        )],
        boundary: None,
        tags: Tags::new(),
    });
    let Some(mut cli) = Cli::with(seed) else {
        return;
    };
    let one = [
        "rds",
        "describe-db-instances",
        "--db-instance-identifier",
        "kickytime-db",
    ];
    let answer = cli.json(&one);
    let found = &answer["DBInstances"][0];
    assert_eq!(found["Endpoint"]["Port"], 5432);
    assert_eq!(found["DBName"], "kickytime");
    assert_eq!(found["StorageEncrypted"], true);
    assert_eq!(found["DBSubnetGroup"]["VpcId"], "vpc-1");
    assert_eq!(
        found["TagList"],
        json!([{ "Key": "Project", "Value": "Kickytime" }])
    );
    let all = cli.json(&["rds", "describe-db-instances"]);
    assert_eq!(all, answer);
    let none = cli.refused(&[
        "rds",
        "describe-db-instances",
        "--db-instance-identifier",
        "other",
    ]);
    assert!(none.contains("(DBInstanceNotFound)"), "{none}");

    cli.who = cli.emulator.user_credentials("person").unwrap();
    cli.ok(&one);
    let refused = cli.refused(&["rds", "describe-db-instances"]);
    assert!(
        refused.contains("(AccessDenied)") && refused.contains(":db:*"),
        "{refused}"
    );
    let refused = cli.refused(&["ec2", "describe-instances"]);
    assert!(refused.contains("(UnauthorizedOperation)"), "{refused}");
}
