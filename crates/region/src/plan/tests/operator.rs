//! What a person with the template's `OperatorPolicy`, and nothing else, may ask of the region.

use std::sync::Arc;

use bytes::Bytes;
use emulator::{Clock as _, Emulator, SystemClock, UserSeed, Via};
use http::Request;
use iam::sigv4::{self, HttpRequest, Payload, Scope, SecretKey};
use serde_json::{Value, json};

use super::draft::Draft;

const REGION: &str = "ap-northeast-2";
/// Allowed, as far as policies go: what is asked for is not connected.
const NOT_CONNECTED: &str = "TargetNotConnected";
const DENIED: &str = "AccessDeniedException";

struct Person {
    emulator: Emulator,
    instance: String,
    secret: String,
    other_secret: String,
    key: String,
}

impl Person {
    /// The policy is attached to a role, for the plan to read it, and given to a user.
    fn new() -> Self {
        let attached = "      ManagedPolicyArns: [!Ref OperatorPolicy]\n      Policies:\n";
        // as in an account whose preferences are somebody else's
        let name = "      Name: !Ref SessionDocumentName\n";
        let draft = Draft::template()
            .replacing("MatchesInstanceRole", "      Policies:\n", attached)
            .replacing("SessionDocument", name, "      Name: kickytime-shell\n");
        let mut seed = draft.planned().seed;
        let mut policies = seed.roles.iter_mut().flat_map(|role| &mut role.policies);
        let policy = policies
            .find(|policy| policy.name.contains("OperatorPolicy"))
            .unwrap()
            .clone();
        // an instance of another project, which the policy must not reach
        let mut foreign = seed.instances[0].clone();
        foreign.id = "i-0ffffffffffffffff".to_owned();
        foreign.tags = [("Project".to_owned(), "Other".to_owned())].into();
        seed.instances.push(foreign);
        seed.users.push(UserSeed {
            name: "person".to_owned(),
            arn: format!("arn:aws:iam::{}:user/person", seed.account),
            policies: vec![policy],
            boundary: None,
            tags: emulator::Tags::new(),
        });
        let named = |name: &str| {
            let mut secrets = seed.secrets.iter();
            let found = secrets.find(|secret| (secret.name == "kickytime/db") == (name == "db"));
            found.unwrap().arn.clone()
        };
        Self {
            instance: seed.instances[0].id.clone(),
            secret: named("db"),
            other_secret: named("other"),
            key: seed.keys[0].arn.clone(),
            emulator: Emulator::open(seed, None, Arc::new(SystemClock)).unwrap(),
        }
    }

    /// The error's code, or `ok`.
    fn json(&self, target: &str, input: &Value) -> String {
        let service = match target.split('.').next().unwrap() {
            "AmazonSSM" => "ssm",
            "TrentService" => "kms",
            other => other,
        };
        let request = Request::post("/")
            .header("host", format!("{service}.{REGION}.amazonaws.com"))
            .header("x-amz-target", target)
            .body(Bytes::from(input.to_string()))
            .unwrap();
        let (status, body) = self.ask(service, request);
        let body: Value = serde_json::from_str(&body).unwrap();
        if status == 200 {
            return "ok".to_owned();
        }
        body["__type"].as_str().unwrap().to_owned()
    }

    /// The status of a Query service's answer.
    fn query(&self, service: &str, form: &str) -> u16 {
        let request = Request::post("/")
            .header("host", format!("{service}.{REGION}.amazonaws.com"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(form.to_owned()))
            .unwrap();
        self.ask(service, request).0
    }

    fn ask(&self, service: &str, mut request: Request<Bytes>) -> (u16, String) {
        let key = self.emulator.user_credentials("person").unwrap();
        let credentials = sigv4::Credentials {
            access_key_id: key.access_key_id.clone(),
            secret_access_key: SecretKey::new(key.secret_access_key.expose()),
            session_token: None,
        };
        let http = HttpRequest {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: "",
            headers: request.headers(),
        };
        let scope = Scope {
            region: REGION,
            service,
            at: SystemClock.now().to_utc(),
        };
        let added = sigv4::sign(&http, &credentials, &scope, Payload::Bytes(request.body()));
        request.headers_mut().extend(added);
        let via = Via::direct([203, 0, 113, 9].into());
        let response = self.emulator.handle(&request, &via);
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        (response.status().as_u16(), body)
    }

    fn start(&self, target: &str, document: Option<&str>) -> String {
        let mut input = json!({ "Target": target });
        if let Some(document) = document {
            input["DocumentName"] = json!(document);
            if document.ends_with("RemoteHost") {
                input["Parameters"] = json!({ "host": ["db"], "portNumber": ["5432"] });
            }
        }
        self.json("AmazonSSM.StartSession", &input)
    }
}

#[test]
fn sessions_of_two_kinds_with_the_projects_instances() {
    let person = Person::new();
    let remote = "AWS-StartPortForwardingSessionToRemoteHost";
    for document in [remote, "kickytime-shell"] {
        let to = |target: &str| person.start(target, Some(document));
        assert_eq!(to(&person.instance), NOT_CONNECTED, "{document}");
        assert_eq!(to("i-0ffffffffffffffff"), DENIED, "{document}");
        assert_eq!(to("i-0123456789abcdef0"), DENIED, "{document}");
    }
    for document in [
        "AWS-StartPortForwardingSession",
        "AWS-StartSSHSession",
        "SSM-SessionManagerRunShell",
    ] {
        let to = person.start(&person.instance, Some(document));
        assert_eq!(to, DENIED, "{document}");
    }
    assert_eq!(person.start(&person.instance, None), DENIED, "the default");
    let session = |operation: &str, id: &str| {
        let target = format!("AmazonSSM.{operation}");
        person.json(&target, &json!({ "SessionId": id }))
    };
    for operation in ["ResumeSession", "TerminateSession"] {
        let own = session(operation, "person-abcdefghijklmnopqrstuvwxyz");
        assert_eq!(own, "DoesNotExistException", "{operation}");
        let anothers = session(operation, "operator-abcdefghijklmnopqrstuvwxyz");
        assert_eq!(anothers, DENIED, "{operation}");
    }
    let command = json!({ "DocumentName": "AWS-RunShellScript", "InstanceIds": [person.instance],
                          "Parameters": { "commands": ["id"] } });
    assert_eq!(person.json("AmazonSSM.SendCommand", &command), DENIED);
}

#[test]
fn the_database_and_its_secret_and_no_other() {
    let person = Person::new();
    let get = |secret: &str| {
        let input = json!({ "SecretId": secret });
        person.json("secretsmanager.GetSecretValue", &input)
    };
    assert_eq!(get(&person.secret), "ok");
    assert_eq!(get(&person.other_secret), DENIED);
    let data_key = |context: Value| {
        let input =
            json!({ "KeyId": person.key, "NumberOfBytes": 64, "EncryptionContext": context });
        person.json("TrentService.GenerateDataKey", &input)
    };
    let session = json!({ "aws:ssm:SessionId": "person-x", "aws:ssm:TargetId": person.instance });
    assert_eq!(data_key(session), "ok");
    assert_eq!(data_key(json!({})), DENIED);
    let one = "Action=DescribeDBInstances&Version=2014-10-31&DBInstanceIdentifier=kickytime";
    assert_eq!(person.query("rds", one), 200);
    assert_eq!(
        person.query("rds", "Action=DescribeDBInstances&Version=2014-10-31"),
        403
    );
}

#[test]
fn what_leads_there_and_nothing_beside() {
    let person = Person::new();
    assert_eq!(
        person.json("AmazonSSM.DescribeInstanceInformation", &json!({})),
        "ok"
    );
    assert_eq!(
        person.query("ec2", "Action=DescribeInstances&Version=2016-11-15"),
        200
    );
    let stack = "Action=DescribeStacks&Version=2010-05-15&StackName=kickytime";
    assert_eq!(person.query("cloudformation", stack), 200);
    let every = "Action=DescribeStacks&Version=2010-05-15";
    assert_eq!(person.query("cloudformation", every), 403);
    let resources = "Action=ListStackResources&Version=2010-05-15&StackName=kickytime";
    assert_eq!(person.query("cloudformation", resources), 403);
    for (operation, input) in [
        ("DescribeSessions", json!({ "State": "Active" })),
        ("GetConnectionStatus", json!({ "Target": person.instance })),
        ("GetParameter", json!({ "Name": "/kickytime/image-tag" })),
        ("GetDocument", json!({ "Name": "kickytime-shell" })),
        ("ListCommands", json!({})),
    ] {
        let target = format!("AmazonSSM.{operation}");
        assert_eq!(person.json(&target, &input), DENIED, "{operation}");
    }
}
