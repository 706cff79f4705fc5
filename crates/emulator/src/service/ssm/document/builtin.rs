//! AWS's own documents, as far as they exist here. Parameters, patterns and defaults are AWS's as
//! far as they are public; the pattern of `host` is ours: a name or an address.

use serde_json::{Value, json};

use super::{Document, PREFERENCES, RUN_SHELL_SCRIPT};

const PORT: &str = "^([1-9]|[1-9][0-9]{1,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$";
const LOCAL_PORT: &str = "^([0-9]|[1-9][0-9]{1,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$";
const HOST: &str = "^[0-9A-Za-z._:-]{1,255}$";
/// Up to 48 hours.
const EXECUTION_SECONDS: &str =
    "^([1-9][0-9]{0,4}|1[0-6][0-9]{4}|17[0-1][0-9]{3}|172[0-7][0-9]{2}|172800)$";

pub(super) fn all() -> Vec<Document> {
    let amazons = [
        (
            "AWS-StartPortForwardingSession",
            "Session",
            port_forwarding(false),
        ),
        (
            "AWS-StartPortForwardingSessionToRemoteHost",
            "Session",
            port_forwarding(true),
        ),
        ("AWS-StartSSHSession", "Session", ssh()),
        (RUN_SHELL_SCRIPT, "Command", run_shell_script()),
    ];
    let read = |(name, kind, content)| {
        Document::read(name, kind, content)
            .expect("the documents here are sound: a test reads them")
    };
    let mut all: Vec<_> = amazons
        .into_iter()
        .map(|amazons| Document {
            is_amazons: true,
            ..read(amazons)
        })
        .collect();
    all.push(read((PREFERENCES, "Session", preferences())));
    all
}

fn text(description: &str, pattern: &str, default: Option<&str>) -> Value {
    let mut rule = json!({
        "type": "String", "description": description, "allowedPattern": pattern,
    });
    if let Some(default) = default {
        rule["default"] = json!(default);
    }
    rule
}

fn port_forwarding(to_host: bool) -> Value {
    let mut document = json!({
        "schemaVersion": "1.0",
        "description": "Document to start port forwarding session over Session Manager",
        "sessionType": "Port",
        "parameters": {
            "portNumber": text("(Optional) Port number of the server on the instance", PORT, Some("80")),
            "localPortNumber": text(
                "(Optional) Port number on local machine to forward traffic to; 0 chooses one",
                LOCAL_PORT, Some("0"),
            ),
        },
        "properties": {
            "portNumber": "{{ portNumber }}",
            "localPortNumber": "{{ localPortNumber }}",
            "type": "LocalPortForwarding",
        },
    });
    if to_host {
        document["description"] =
            json!("Document to start port forwarding session over Session Manager to remote host");
        document["parameters"]["host"] = text(
            "Hostname or IP address of the destination server",
            HOST,
            None,
        );
        document["properties"]["host"] = json!("{{ host }}");
    }
    document
}

fn ssh() -> Value {
    json!({
        "schemaVersion": "1.0",
        "description": "Document to tunnel SSH through Session Manager",
        "sessionType": "Port",
        "parameters": {
            "portNumber": text("(Optional) Port number of SSH server on the instance", PORT, Some("22")),
        },
        "properties": { "portNumber": "{{ portNumber }}" },
    })
}

fn run_shell_script() -> Value {
    json!({
        "schemaVersion": "2.2",
        "description": "Run a shell script or specify the commands to run.",
        "parameters": {
            "commands": {
                "type": "StringList", "minItems": 1, "displayType": "textarea",
                "description": "(Required) Specify a shell script or a command to run.",
            },
            "workingDirectory": {
                "type": "String", "default": "", "maxChars": 4096,
                "description": "(Optional) The path to the working directory on your instance.",
            },
            "executionTimeout": text(
                "(Optional) The time in seconds for a command to complete before it is considered \
                 to have failed. Maximum timeout is 172800 (48 hours).",
                EXECUTION_SECONDS, Some("3600"),
            ),
        },
        "mainSteps": [{
            "action": "aws:runShellScript",
            "name": "aws:runShellScript",
            "inputs": {
                "runCommand": "{{ commands }}",
                "workingDirectory": "{{ workingDirectory }}",
                "timeoutSeconds": "{{ executionTimeout }}",
            },
        }],
    })
}

/// As an account has them before anyone changes them.
fn preferences() -> Value {
    json!({
        "schemaVersion": "1.0",
        "description": "Document to hold regional settings for Session Manager",
        "sessionType": "Standard_Stream",
        "inputs": {
            "s3BucketName": "", "s3KeyPrefix": "", "s3EncryptionEnabled": true,
            "cloudWatchLogGroupName": "", "cloudWatchEncryptionEnabled": true,
            "cloudWatchStreamingEnabled": true,
            "kmsKeyId": "", "runAsEnabled": false, "runAsDefaultUser": "",
            "idleSessionTimeout": "20", "maxSessionDuration": "",
            "shellProfile": { "windows": "", "linux": "" },
        },
    })
}
