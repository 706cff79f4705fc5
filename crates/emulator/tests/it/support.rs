//! A small account to test against, a clock that stands still, and requests signed as clients sign.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use emulator::*;
use http::{HeaderMap, Request, Response};
use iam::sigv4::{self, HttpRequest, Payload, Scope, SecretKey, SessionToken};
use iam::{Named, PolicyDocument};
use serde_json::{Value, json};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "ap-northeast-2";
pub(crate) const KEY_ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
pub(crate) const KEY_ARN: &str =
    "arn:aws:kms:ap-northeast-2:111122223333:key/0f8fad5b-d9cb-469f-a165-70867728950e";
pub(crate) const SECRET_ARN: &str =
    "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:kickytime/db-AbCdEf";
pub(crate) const TASK_ROLE: &str = "arn:aws:iam::111122223333:role/UsersTaskRole";
pub(crate) const LOG_ROLE: &str = "arn:aws:iam::111122223333:role/LogRole";
pub(crate) const START_MS: i64 = 1_795_341_600_000;

/// A clock that moves when told to.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct Account {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) clock: Arc<TestClock>,
}

pub(crate) fn document(value: &Value) -> PolicyDocument {
    PolicyDocument::parse(value).unwrap()
}

pub(crate) fn policy(name: &str, statements: &Value) -> Named {
    Named::new(
        name,
        document(&json!({ "Version": "2012-10-17", "Statement": statements })),
    )
}

fn trust(service: &str) -> PolicyDocument {
    document(&json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole"
    }] }))
}

pub(crate) fn role(name: &str, service: &str, statements: &Value) -> RoleSeed {
    RoleSeed {
        name: name.to_owned(),
        arn: format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        trust: trust(service),
        policies: vec![policy(&format!("{name}Policy"), statements)],
        boundary: None,
        max_session_seconds: 3_600,
        tags: Tags::new(),
    }
}

pub(crate) fn key_policy() -> PolicyDocument {
    document(&json!({ "Version": "2012-10-17", "Statement": [
        { "Sid": "Account", "Effect": "Allow",
          "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:root") },
          "Action": "kms:*", "Resource": "*" },
    ] }))
}

pub(crate) fn tags() -> Tags {
    [("Project".to_owned(), "Kickytime".to_owned())].into()
}

/// What the template of a small system would plan.
pub(crate) fn seed() -> Seed {
    let mut seed = Seed::empty(ACCOUNT, REGION);
    seed.users.push(UserSeed {
        name: "operator".into(),
        arn: format!("arn:aws:iam::{ACCOUNT}:user/operator"),
        policies: vec![policy(
            "Admin",
            &json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }]),
        )],
        boundary: None,
        tags: Tags::new(),
    });
    seed.roles.push(role(
        "UsersTaskRole",
        "ecs-tasks.amazonaws.com",
        &json!([
            { "Sid": "ReadDbSecret", "Effect": "Allow",
              "Action": "secretsmanager:GetSecretValue", "Resource": SECRET_ARN },
            { "Sid": "DecryptViaSecretsManager", "Effect": "Allow", "Action": "kms:Decrypt",
              "Resource": KEY_ARN, "Condition": { "StringEquals": {
                  "kms:ViaService": format!("secretsmanager.{REGION}.amazonaws.com") } } },
        ]),
    ));
    seed.roles.push(role(
        "LogRole",
        "ec2.amazonaws.com",
        &json!([{ "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                 "Resource": format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/kickytime/users:*") }]),
    ));
    seed.keys.push(KeySeed {
        id: KEY_ID.into(),
        arn: KEY_ARN.into(),
        aliases: vec!["alias/kickytime-key".into()],
        description: "the one key".into(),
        policy: key_policy(),
        rotation: true,
        enabled: true,
        tags: tags(),
    });
    seed.secrets.push(SecretSeed {
        name: "kickytime/db".into(),
        arn: SECRET_ARN.into(),
        description: "database".into(),
        kms_key: Some(KEY_ARN.into()),
        content: SecretContent::Generated(GenerateSecretString {
            exclude_characters: "\"@/\\ ".into(),
            secret_string_template: Some(r#"{"username":"kickytime"}"#.into()),
            generate_string_key: Some("password".into()),
            ..GenerateSecretString::default()
        }),
        attachment: Some(TargetAttachment {
            engine: "postgres".into(),
            host: "kickytime.rds.example".into(),
            port: 5432,
            dbname: Some("kickytime".into()),
            db_instance_identifier: Some("kickytime-db".into()),
            username: None,
        }),
        policy: None,
        tags: tags(),
    });
    for (name, kms_key) in [
        ("/kickytime/users", Some(KEY_ARN)),
        ("/kickytime/matches", None),
    ] {
        seed.log_groups.push(LogGroupSeed {
            name: name.into(),
            arn: format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"),
            retention_days: Some(30),
            kms_key: kms_key.map(str::to_owned),
            tags: tags(),
        });
    }
    seed
}

/// The same with a user pool, whose key and passwords take a moment to make.
pub(crate) fn seed_with_pool() -> Seed {
    let mut seed = seed();
    seed.user_pools.push(pool());
    seed
}

pub(crate) const POOL_ID: &str = "ap-northeast-2_KickyTime";
pub(crate) const CLIENT_ID: &str = "1example23456789";
pub(crate) const CALLBACK: &str = "http://localhost:8000/callback";
pub(crate) const PASSWORD: &str = "Adm1n-password!";

fn pool() -> UserPoolSeed {
    UserPoolSeed {
        id: POOL_ID.into(),
        name: "kickytime".into(),
        arn: format!("arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{POOL_ID}"),
        domain: Some("kickytime".into()),
        clients: vec![PoolClientSeed {
            id: CLIENT_ID.into(),
            name: "web".into(),
            callback_urls: vec![CALLBACK.into()],
            logout_urls: vec!["http://localhost:8000/".into()],
            scopes: ["openid", "email", "profile"].map(str::to_owned).into(),
            auth_flows: vec![AuthFlow::UserPassword],
            validity: TokenValidity::default(),
        }],
        groups: vec![GroupSeed {
            name: "admin".into(),
            description: "match admins".into(),
        }],
        users: vec![PoolUserSeed {
            email: "Admin@kickytime.example".into(),
            password: PASSWORD.into(),
            nickname: "관리자".into(),
            groups: vec!["admin".into()],
        }],
        password_policy: PasswordPolicy::default(),
        self_sign_up: true,
        tags: tags(),
    }
}

impl Account {
    pub(crate) fn new() -> Self {
        Self::with(seed())
    }

    pub(crate) fn with(seed: Seed) -> Self {
        Self::open(seed, None).unwrap()
    }

    pub(crate) fn open(seed: Seed, directory: Option<&Path>) -> Result<Self, OpenError> {
        let clock = Arc::new(TestClock(AtomicI64::new(START_MS)));
        let emulator = Arc::new(Emulator::open(seed, directory, clock.clone())?);
        Ok(Self { emulator, clock })
    }

    pub(crate) fn operator(&self) -> Credentials {
        self.emulator.user_credentials("operator").unwrap()
    }

    pub(crate) fn task(&self) -> Credentials {
        let hour = std::time::Duration::from_secs(3_600);
        self.emulator
            .role_session("ecs-tasks.amazonaws.com", None, TASK_ROLE, "task-1", hour)
            .unwrap()
    }

    /// A session of the task's role under another name.
    pub(crate) fn task_like(&self, name: &str) -> Credentials {
        let hour = std::time::Duration::from_secs(3_600);
        self.emulator
            .role_session("ecs-tasks.amazonaws.com", None, TASK_ROLE, name, hour)
            .unwrap()
    }

    /// A JSON operation by host name; status and body.
    pub(crate) fn json(&self, who: &Credentials, target: &str, input: &Value) -> (u16, Value) {
        self.json_via(who, target, input, &direct())
    }

    pub(crate) fn json_via(
        &self,
        who: &Credentials,
        target: &str,
        input: &Value,
        via: &Via,
    ) -> (u16, Value) {
        let request = self.json_request(who, target, input);
        parts(&self.emulator.handle(&request, via))
    }

    pub(crate) fn json_request(
        &self,
        who: &Credentials,
        target: &str,
        input: &Value,
    ) -> Request<Bytes> {
        let service = match target.split('.').next().unwrap() {
            "TrentService" => "kms",
            "Logs_20140328" => "logs",
            "AWSCognitoIdentityProviderService" => "cognito-idp",
            "AmazonSSM" => "ssm",
            "EC2WindowsMessageDeliveryService" => "ec2messages",
            other => other,
        };
        let request = Request::post("/")
            .header("host", format!("{service}.{REGION}.amazonaws.com"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .body(Bytes::from(input.to_string()))
            .unwrap();
        self.signed(who, service, request)
    }

    pub(crate) fn signed(
        &self,
        who: &Credentials,
        service: &str,
        request: Request<Bytes>,
    ) -> Request<Bytes> {
        signed_at(&*self.clock, who, service, request)
    }
}

/// A request signed at a clock's time.
pub(crate) fn signed_at(
    clock: &dyn Clock,
    who: &Credentials,
    service: &str,
    mut request: Request<Bytes>,
) -> Request<Bytes> {
    let credentials = sigv4::Credentials {
        access_key_id: who.access_key_id.clone(),
        secret_access_key: SecretKey::new(who.secret_access_key.expose()),
        session_token: who
            .session_token
            .as_ref()
            .map(|t| SessionToken::new(t.expose())),
    };
    let http = HttpRequest {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: request.headers(),
    };
    let scope = Scope {
        region: REGION,
        service,
        at: clock.now().to_utc(),
    };
    let added: HeaderMap = sigv4::sign(&http, &credentials, &scope, Payload::Bytes(request.body()));
    request.headers_mut().extend(added);
    request
}

pub(crate) fn direct() -> Via {
    Via::direct("203.0.113.9".parse().unwrap())
}

pub(crate) fn parts(response: &Response<Bytes>) -> (u16, Value) {
    let body = serde_json::from_slice(response.body())
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(response.body()).into_owned()));
    (response.status().as_u16(), body)
}

pub(crate) fn ok((status, body): (u16, Value)) -> Value {
    assert_eq!(status, 200, "{body}");
    body
}

/// Error code and message.
pub(crate) fn refused((status, body): (u16, Value)) -> (String, String) {
    assert!(status >= 400, "{status}: {body}");
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (text("__type"), text("message"))
}
