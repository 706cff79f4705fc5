use proptest::prelude::*;
use serde_json::json;

use super::*;

const REMOTE_HOST: &str = "AWS-StartPortForwardingSessionToRemoteHost";

fn document(name: &str) -> Document {
    Documents::open(&[])
        .ok()
        .unwrap()
        .get(name)
        .unwrap()
        .clone()
}

fn filled(name: &str, given: &Value) -> Result<Value, String> {
    let document = document(name);
    let values = fill(&document, Some(given)).map_err(|error| error.to_string())?;
    Ok(substitute(&document.content["properties"], &values))
}

#[test]
fn values_are_unwrapped_into_the_properties() {
    let given = json!({ "host": ["db.internal"], "portNumber": ["5432"] });
    assert_eq!(
        filled(REMOTE_HOST, &given).unwrap(),
        json!({ "host": "db.internal", "portNumber": "5432", "localPortNumber": "0",
                "type": "LocalPortForwarding" })
    );
    assert_eq!(
        filled("AWS-StartSSHSession", &json!({})).unwrap(),
        json!({ "portNumber": "22" })
    );
}

#[test]
fn values_a_document_does_not_take_are_refused_by_name() {
    let refused = |given: Value| filled(REMOTE_HOST, &given).unwrap_err();
    assert_eq!(
        refused(json!({})),
        format!("Document `{REMOTE_HOST}` requires parameter `host`")
    );
    let port = |text: &str| refused(json!({ "host": ["h"], "portNumber": [text] }));
    for bad in ["0", "65536", "05432", "-1", "", "5432 "] {
        assert!(
            port(bad).starts_with("Parameter `portNumber` with value"),
            "{bad}"
        );
    }
    assert_eq!(
        refused(json!({ "host": ["a", "b"] })),
        "Parameter `host` takes one value, not 2"
    );
    assert!(refused(json!({ "host": ["$(id)"] })).contains("does not match"));
    assert!(refused(json!({ "host": "h" })).contains("lists of strings"));
    assert!(refused(json!({ "hosts": ["h"] })).contains("`hosts` is not defined"));
}

#[test]
fn a_list_takes_the_place_of_its_name_and_values_are_not_searched_again() {
    let document = document(RUN_SHELL_SCRIPT);
    let given = json!({ "commands": ["echo {{ workingDirectory }}", "id"] });
    let values = fill(&document, Some(&given)).unwrap();
    let steps = substitute(&document.content["mainSteps"], &values);
    assert_eq!(
        steps[0]["inputs"],
        json!({ "runCommand": ["echo {{ workingDirectory }}", "id"], "workingDirectory": "",
                "timeoutSeconds": "3600" })
    );
    let values: Values = [("a".to_owned(), json!("1"))].into();
    assert_eq!(
        substitute(&json!("x{{a}}-{{ b }}{{"), &values),
        json!("x1-{{ b }}{{")
    );
}

#[test]
fn limits_come_from_the_document_then_the_preferences_then_aws() {
    let shell = |inputs: Value| DocumentSeed {
        name: "shell".into(),
        kind: "Session".into(),
        content: json!({ "schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs }),
        tags: Tags::new(),
    };
    let limits = |seeds: &[DocumentSeed], name: &str| {
        let documents = Documents::open(seeds).ok().unwrap();
        documents.limits(documents.get(name).unwrap())
    };
    let own = shell(json!({ "idleSessionTimeout": "5", "maxSessionDuration": "60" }));
    assert_eq!(
        limits(std::slice::from_ref(&own), "shell"),
        (300, Some(3_600))
    );
    assert_eq!(limits(&[], REMOTE_HOST), (1_200, None));
    let preferences = DocumentSeed {
        name: PREFERENCES.into(),
        ..own
    };
    assert_eq!(limits(&[preferences], REMOTE_HOST), (300, Some(3_600)));
    let wrong = shell(json!({ "idleSessionTimeout": "61" }));
    let (name, error) = Documents::open(&[wrong]).err().unwrap();
    assert_eq!(name, "shell");
    assert_eq!(
        error.to_string(),
        "`idleSessionTimeout` is `61`, not a number of minutes from 1 to 60"
    );
}

proptest! {
    #[test]
    fn no_text_breaks_substitution(text in "[{} a-z]{0,40}") {
        let values: Values = [("a".to_owned(), json!("1"))].into();
        substitute(&json!(text), &values);
    }
}
