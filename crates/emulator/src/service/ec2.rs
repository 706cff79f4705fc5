//! EC2: which instances there are.

use bytes::Bytes;
use http::Response;

use super::query::{Parameters, Xml};
use crate::call::{Ask, Call};
use crate::error::{ApiError, ApiResult};
use crate::seed::InstanceSeed;

const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";
/// What instances of the seed are: the plan has no others.
const RUNNING: (&str, &str) = ("16", "running");

/// Runs an EC2 operation.
pub(crate) fn handle(
    call: &Call<'_>,
    operation: &str,
    parameters: &Parameters<'_>,
) -> ApiResult<Response<Bytes>> {
    match operation {
        "DescribeInstances" => describe_instances(call, parameters),
        other => Err(ApiError::unsupported("Amazon EC2", other)),
    }
}

fn describe_instances(call: &Call<'_>, parameters: &Parameters<'_>) -> ApiResult<Response<Bytes>> {
    call.authorize(&Ask::new("ec2:DescribeInstances", "*"))?;
    let known = ["MaxResults", "NextToken"];
    if let Some(name) = parameters.unknown(&known, &["Filter", "InstanceId"]) {
        let message = format!("The parameter {name} is not recognized");
        return Err(ApiError::client("UnknownParameter", message));
    }
    let instances = &call.emulator.seed.instances;
    let ids = parameters.list("InstanceId");
    if let Some(id) = ids
        .iter()
        .find(|id| !instances.iter().any(|i| i.id == **id))
    {
        let message = format!("The instance ID '{id}' does not exist");
        return Err(ApiError::client("InvalidInstanceID.NotFound", message));
    }
    let filters = parameters.filters("Filter", "Value");
    let mut found = Vec::new();
    for instance in instances {
        let mut wanted = ids.is_empty() || ids.contains(&instance.id.as_str());
        for (name, values) in &filters {
            wanted &= admits(instance, name, values)?;
        }
        if wanted {
            found.push(instance);
        }
    }
    let (page, next) = parameters.page(found, "MaxResults", "NextToken", 5..=1_000)?;
    let launched = call.emulator.opened.iso8601_ms();
    let owner = &call.emulator.seed.account;
    let mut xml = Xml::default();
    xml.list("reservationSet", "item", page, |xml, instance| {
        let reservation = format!("r-{}", instance.id.trim_start_matches("i-"));
        xml.text("reservationId", &reservation)
            .text("ownerId", owner)
            .within("groupSet", |_| {})
            .within("instancesSet", |xml| {
                xml.within("item", |xml| describe(xml, instance, owner, &launched));
            });
    });
    xml.maybe("nextToken", next.as_deref());
    Ok(xml.ec2_answer("DescribeInstances", NAMESPACE, call.request_id))
}

/// Whether an instance has one of a filter's values.
fn admits(instance: &InstanceSeed, name: &str, values: &[&str]) -> ApiResult<bool> {
    let is = |text: &str| values.iter().any(|pattern| matches(pattern, text));
    let groups = &instance.security_groups;
    Ok(match name {
        "instance-id" => is(&instance.id),
        "instance-state-name" => is(RUNNING.1),
        "instance-state-code" => is(RUNNING.0),
        "instance-type" => is(&instance.instance_type),
        "vpc-id" => is(&instance.vpc_id),
        "subnet-id" | "network-interface.subnet-id" => is(&instance.subnet_id),
        "private-ip-address" => is(&instance.private_ip.to_string()),
        "private-dns-name" => is(&instance.private_dns_name),
        "availability-zone" => is(&instance.availability_zone),
        "image-id" => is(&instance.image_id),
        "architecture" => is(&instance.architecture),
        "iam-instance-profile.arn" => instance
            .instance_profile
            .as_ref()
            .is_some_and(|(arn, _)| is(arn)),
        "instance.group-id" | "group-id" => groups.iter().any(|(id, _)| is(id)),
        "instance.group-name" | "group-name" => groups.iter().any(|(_, name)| is(name)),
        "tag-key" => instance.tags.keys().any(|key| is(key)),
        "tag-value" => instance.tags.values().any(|value| is(value)),
        _ => match name.strip_prefix("tag:") {
            Some(key) => instance.tags.get(key).is_some_and(|value| is(value)),
            None => {
                let message = format!("The filter '{name}' is invalid");
                return Err(ApiError::client("InvalidParameterValue", message));
            }
        },
    })
}

/// `*` is any text, `?` any character ("Filter resources", EC2 User Guide).
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

fn describe(xml: &mut Xml, instance: &InstanceSeed, owner: &str, launched: &str) {
    let address = instance.private_ip.to_string();
    xml.text("instanceId", &instance.id)
        .text("imageId", &instance.image_id)
        .within("instanceState", |xml| {
            xml.text("code", RUNNING.0).text("name", RUNNING.1);
        })
        .text("privateDnsName", &instance.private_dns_name)
        .text("dnsName", "")
        .text("amiLaunchIndex", "0")
        .text("instanceType", &instance.instance_type)
        .text("launchTime", launched)
        .within("placement", |xml| {
            xml.text("availabilityZone", &instance.availability_zone)
                .text("tenancy", "default");
        })
        .within("monitoring", |xml| {
            xml.text("state", "disabled");
        })
        .text("subnetId", &instance.subnet_id)
        .text("vpcId", &instance.vpc_id)
        .text("privateIpAddress", &address)
        .text("sourceDestCheck", "true")
        .text("architecture", &instance.architecture)
        .text("rootDeviceType", "ebs")
        .text("virtualizationType", "hvm");
    groups(xml, instance);
    if let Some((arn, id)) = &instance.instance_profile {
        xml.within("iamInstanceProfile", |xml| {
            xml.text("arn", arn).text("id", id);
        });
    }
    xml.list("tagSet", "item", &instance.tags, |xml, (key, value)| {
        xml.text("key", key).text("value", value);
    });
    xml.within("networkInterfaceSet", |xml| {
        xml.within("item", |xml| {
            xml.text("networkInterfaceId", &instance.interface_id)
                .text("subnetId", &instance.subnet_id)
                .text("vpcId", &instance.vpc_id)
                .text("ownerId", owner)
                .text("status", "in-use")
                .text("macAddress", &instance.mac)
                .text("privateIpAddress", &address)
                .text("privateDnsName", &instance.private_dns_name)
                .text("sourceDestCheck", "true");
            groups(xml, instance);
        });
    });
}

fn groups(xml: &mut Xml, instance: &InstanceSeed) {
    let groups = &instance.security_groups;
    xml.list("groupSet", "item", groups, |xml, (id, name)| {
        xml.text("groupId", id).text("groupName", name);
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn filters_know_stars_and_question_marks() {
        assert!(
            matches("kicky*", "kickytime") && matches("*", "") && matches("k?cky*e", "kickytime")
        );
        assert!(matches("*a*b", "xaxab") && !matches("*a*b", "xaxba") && !matches("", "x"));
    }

    proptest! {
        #[test]
        fn a_filter_without_wildcards_is_equality(a in "[a-c]{0,4}", b in "[a-c]{0,4}") {
            prop_assert_eq!(matches(&a, &b), a == b);
        }

        #[test]
        fn stars_around_a_text_find_it(a in "[a-c]{0,3}", b in "[a-c]{0,6}") {
            let pattern = format!("*{a}*");
            prop_assert_eq!(matches(&pattern, &b), b.contains(&a));
        }
    }
}
