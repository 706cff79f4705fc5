//! What does a command's document say is to be run?

use std::time::Duration;

use serde_json::Value as Json;

const SHELL_SCRIPT: &str = "aws:runShellScript";
/// Without a word about it in the document.
/// (Systems Manager User Guide, `AWS-RunShellScript`, `executionTimeout`)
const TIMEOUT: Duration = Duration::from_secs(3600);
const LONGEST: Duration = Duration::from_secs(172_800);

/// One script.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) action: String,
    pub(super) lines: Vec<String>,
    pub(super) timeout: Duration,
    pub(super) directory: Option<String>,
}

/// The scripts of a message, their parameters filled in.
pub(super) fn steps(payload: &str) -> Result<Vec<Step>, String> {
    let message: Json = serde_json::from_str(payload)
        .map_err(|error| format!("the message cannot be read: {error}"))?;
    let content = &message["DocumentContent"];
    let parameters = &message["Parameters"];
    let steps = match content["mainSteps"].as_array() {
        Some(steps) => steps
            .iter()
            .map(|step| {
                let text = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
                (text("name"), text("action"), &step["inputs"])
            })
            .collect(),
        // schema version 1.2, as the public document has it
        None => {
            let list = content["runtimeConfig"][SHELL_SCRIPT]["properties"].as_array();
            let list = list.into_iter().flatten();
            list.map(|inputs| (SHELL_SCRIPT.to_owned(), SHELL_SCRIPT.to_owned(), inputs))
                .collect::<Vec<_>>()
        }
    };
    if steps.is_empty() {
        return Err("the document has no steps".to_owned());
    }
    let read = steps.into_iter();
    read.map(|(name, action, inputs)| step(name, action, inputs, parameters))
        .collect()
}

fn step(name: String, action: String, inputs: &Json, parameters: &Json) -> Result<Step, String> {
    if action != SHELL_SCRIPT {
        return Err(format!("steps of action `{action}` are not supported"));
    }
    let input = |name: &str| filled(&inputs[name], parameters);
    let lines = match input("runCommand") {
        Json::Array(lines) => lines.iter().map(text).collect(),
        Json::Null => Vec::new(),
        line => vec![text(&line)],
    };
    let timeout = text(&input("timeoutSeconds")).parse().ok();
    let directory = text(&input("workingDirectory"));
    Ok(Step {
        name,
        action,
        lines,
        timeout: timeout.map_or(TIMEOUT, Duration::from_secs).min(LONGEST),
        directory: (!directory.is_empty()).then_some(directory),
    })
}

/// A value with its `{{ parameters }}` replaced. One that is nothing but a
/// parameter takes that one's form, a list's also.
fn filled(value: &Json, parameters: &Json) -> Json {
    match value {
        Json::String(words) => {
            let whole = words
                .strip_prefix("{{")
                .and_then(|rest| rest.strip_suffix("}}"));
            if let Some(found) = whole.and_then(|name| parameters.get(name.trim())) {
                return found.clone();
            }
            let mut words = words.clone();
            for (name, found) in parameters.as_object().into_iter().flatten() {
                for form in [format!("{{{{ {name} }}}}"), format!("{{{{{name}}}}}")] {
                    words = words.replace(&form, &text(found));
                }
            }
            Json::String(words)
        }
        Json::Array(values) => {
            let mut all = Vec::new();
            for value in values {
                match filled(value, parameters) {
                    Json::Array(several) => all.extend(several),
                    one => all.push(one),
                }
            }
            Json::Array(all)
        }
        other => other.clone(),
    }
}

/// A text, number, or list of one.
fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        Json::Array(list) if list.len() <= 1 => list.first().map(text).unwrap_or_default(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(document: &Json, parameters: &Json) -> Result<Vec<Step>, String> {
        steps(&json!({ "DocumentContent": document, "Parameters": parameters }).to_string())
    }

    #[test]
    fn the_two_forms_of_the_public_document() {
        let inputs = json!({
            "runCommand": "{{ commands }}",
            "timeoutSeconds": "{{ executionTimeout }}",
            "workingDirectory": "{{ workingDirectory }}",
        });
        let new = json!({"schemaVersion": "2.2", "mainSteps": [
            {"action": "aws:runShellScript", "name": "aws:runShellScript", "inputs": inputs}]});
        let old = json!({"schemaVersion": "1.2", "runtimeConfig": {
            "aws:runShellScript": {"properties": [{
                "runCommand": inputs["runCommand"],
                "timeoutSeconds": inputs["timeoutSeconds"],
                "workingDirectory": inputs["workingDirectory"]}]}}});
        let parameters = json!({
            "commands": ["id", "date"], "executionTimeout": ["60"], "workingDirectory": [""],
        });
        let expected = [Step {
            name: "aws:runShellScript".to_owned(),
            action: "aws:runShellScript".to_owned(),
            lines: vec!["id".to_owned(), "date".to_owned()],
            timeout: Duration::from_secs(60),
            directory: None,
        }];
        assert_eq!(check(&new, &parameters).unwrap(), expected);
        assert_eq!(check(&old, &parameters).unwrap(), expected);
    }

    #[test]
    fn other_documents_are_refused_by_name() {
        let other = json!({"mainSteps": [{"action": "aws:runPowerShellScript", "name": "x"}]});
        assert_eq!(
            check(&other, &json!({})).unwrap_err(),
            "steps of action `aws:runPowerShellScript` are not supported"
        );
        assert!(check(&json!({}), &json!({})).is_err());
        assert!(steps("no JSON").is_err());
    }

    #[test]
    fn parameters_inside_words() {
        let step = json!({"mainSteps": [{"action": "aws:runShellScript", "name": "hello", "inputs": {
            "runCommand": ["echo {{ who }}", "{{more}}", "echo {{other}}"]}}]});
        let steps = check(&step, &json!({"who": ["you"], "more": ["a", "b"]})).unwrap();
        assert_eq!(steps[0].lines, ["echo you", "a", "b", "echo {{other}}"]);
        assert_eq!(steps[0].timeout, TIMEOUT);
    }
}
