//! Which instance does a session go through?

use std::net::IpAddr;

use aws::ssm::{Instance, describe_instance_information};

use super::{Account, OperateError};

/// The output that names the instances of the stack.
const GROUP: &str = "MatchesAutoScalingGroupName";
/// Tags that EC2 Auto Scaling gives its instances, and CloudFormation what it makes.
const OF_GROUP: &str = "tag:aws:autoscaling:groupName";
const OF_STACK: &str = "tag:aws:cloudformation:stack-name";
const OF_LOGICAL_ID: &str = "tag:aws:cloudformation:logical-id";

/// An instance, and how people call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) id: String,
    /// `MatchesAutoScalingGroup/1`, if that is known.
    pub(crate) name: Option<String>,
}

impl Target {
    /// `i-… (MatchesAutoScalingGroup/1)`
    pub(crate) fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("{} ({name})", self.id),
            None => self.id.clone(),
        }
    }
}

/// The instance a person means; without a word, the first connected one of the stack.
pub(crate) async fn find(
    account: &mut Account,
    named: Option<&str>,
) -> Result<Target, OperateError> {
    match named {
        Some(id) if is_id(id) => Ok(Target {
            id: id.to_owned(),
            name: None,
        }),
        Some(name) => by_name(account, name).await,
        None => of_stack(account).await,
    }
}

/// `i-…`, or `mi-…` for a machine elsewhere.
fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix("mi-").or_else(|| text.strip_prefix("i-"));
    digits.is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

async fn of_stack(account: &mut Account) -> Result<Target, OperateError> {
    let of = format!("the stack `{}`", account.stack);
    if let Some(group) = account.output(GROUP).await? {
        let found = tagged(account, &[(OF_GROUP, &group)]).await?;
        return choose(&found, None, Some(GROUP.trim_end_matches("Name")), of);
    }
    // another stack: whatever instances CloudFormation has made for it
    let found = tagged(account, &[(OF_STACK, &account.stack)]).await?;
    choose(&found, None, None, of)
}

/// A logical id with or without a number, or a Name tag.
async fn by_name(account: &Account, text: &str) -> Result<Target, OperateError> {
    let (name, number) = match text.rsplit_once('/') {
        Some((name, number)) => match number.parse() {
            Ok(number) => (name, Some(number)),
            Err(_) => (text, None),
        },
        None => (text, None),
    };
    let of_stack = (OF_STACK, account.stack.as_str());
    let mut found = tagged(account, &[of_stack, (OF_LOGICAL_ID, name)]).await?;
    if found.is_empty() {
        found = tagged(account, &[("tag:Name", name)]).await?;
    }
    choose(&found, number, Some(name), format!("`{text}`"))
}

async fn tagged(account: &Account, tags: &[(&str, &str)]) -> Result<Vec<Instance>, OperateError> {
    let values: Vec<_> = tags.iter().map(|(key, value)| (*key, [*value])).collect();
    let filters: Vec<_> = values
        .iter()
        .map(|(key, value)| (*key, value.as_slice()))
        .collect();
    let mut found = describe_instance_information(&account.client, &filters).await?;
    // numbers go by address: the ids have no order that means anything
    found.sort_by_key(|instance| {
        let address = instance.address.as_deref().unwrap_or_default();
        (address.parse::<IpAddr>().ok(), instance.id.clone())
    });
    Ok(found)
}

/// The instance of this number, from 1, or the first that is online.
fn choose(
    found: &[Instance],
    number: Option<usize>,
    name: Option<&str>,
    of: String,
) -> Result<Target, OperateError> {
    let mut numbered = (1..).zip(found);
    let chosen = match number {
        Some(number) => numbered.find(|(place, instance)| *place == number && instance.is_online),
        None => numbered.find(|(_, instance)| instance.is_online),
    };
    let label = |place: usize| name.map(|name| format!("{name}/{place}"));
    match chosen {
        Some((place, instance)) => Ok(Target {
            id: instance.id.clone(),
            name: label(place),
        }),
        None => {
            let known = (1..).zip(found).map(|(place, instance)| {
                let state = if instance.is_online {
                    "online"
                } else {
                    "not connected"
                };
                let label = label(place).unwrap_or_default();
                format!("{} {label} {state}", instance.id).replace("  ", " ")
            });
            let known = known.collect();
            Err(OperateError::NoInstance { of, known })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(id: &str, is_online: bool) -> Instance {
        Instance {
            id: id.to_owned(),
            is_online,
            name: None,
            address: None,
        }
    }

    #[test]
    fn the_first_that_is_online_or_the_one_that_is_named() {
        let found = [
            instance("i-0", false),
            instance("i-1", true),
            instance("i-2", true),
        ];
        let choose = |number| choose(&found, number, Some("Group"), "x".to_owned());
        assert_eq!(choose(None).unwrap().label(), "i-1 (Group/2)");
        assert_eq!(choose(Some(3)).unwrap().id, "i-2");
        let error = choose(Some(1)).unwrap_err();
        assert_eq!(
            error.hint().unwrap(),
            "there are: i-0 Group/1 not connected, i-1 Group/2 online, i-2 Group/3 online"
        );
        assert!(choose(Some(4)).is_err());
    }

    #[test]
    fn ids_are_told_from_names() {
        assert!(is_id("i-0123abc") && is_id("mi-0"));
        assert!(!is_id("i-") && !is_id("i-xyz") && !is_id("MatchesAutoScalingGroup/1"));
    }
}
