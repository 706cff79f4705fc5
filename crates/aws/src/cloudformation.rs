//! CloudFormation: what a stack says of itself.

use std::collections::BTreeMap;

use crate::client::Client;
use crate::error::CallError;
use crate::xml;

const VERSION: &str = "2010-05-15";

/// A stack's outputs, by key.
///
/// # Errors
///
/// A stack that does not exist (`ValidationError`), want of permission, or no
/// way to the service.
pub async fn describe_stack_outputs(
    client: &Client,
    stack: &str,
) -> Result<BTreeMap<String, String>, CallError> {
    let action = "DescribeStacks";
    let parameters = [("StackName", stack)];
    let asked = client.query("cloudformation", VERSION, action, &parameters);
    let answer = asked.await?;
    read(&answer).ok_or(CallError::Answer {
        operation: action.to_owned(),
        reason: "it has no stack",
    })
}

fn read(answer: &str) -> Option<BTreeMap<String, String>> {
    let document = xml::parse(answer)?;
    let stacks = xml::find(&document, "Stacks")?;
    let stack = xml::children(stacks, "member").next()?;
    let outputs = xml::children(stack, "Outputs");
    let members = outputs.flat_map(|outputs| xml::children(outputs, "member"));
    Some(
        members
            .filter_map(|output| {
                let key = xml::text(output, "OutputKey")?;
                Some((key, xml::text(output, "OutputValue")?))
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read_and_a_list_without_stacks_is_none() {
        let answer = |stacks: &str| {
            format!(
                "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
                 <DescribeStacksResult><Stacks>{stacks}</Stacks></DescribeStacksResult>\
                 </DescribeStacksResponse>"
            )
        };
        let outputs = "<member><StackName>s</StackName><Outputs>\
             <member><Description>d</Description><OutputKey>A</OutputKey>\
             <OutputValue>a&amp;b</OutputValue></member>\
             <member><OutputKey>B</OutputKey><OutputValue/></member></Outputs></member>";
        let found = read(&answer(outputs)).unwrap();
        let expected = [("A", "a&b"), ("B", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
        assert_eq!(read(&answer("<member/>")), Some(BTreeMap::new()));
        assert_eq!(read(&answer("")), None);
    }
}
