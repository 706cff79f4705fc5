//! An account with two instances behind a real port, an agent and a person with real websockets.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use emulator::*;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use session::message::{Decoded, Message, MessageId, MessageKind, decode, encode};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::server::Server;
use crate::support::*;

pub(crate) const INSTANCE: &str = "i-0aaaaaaaaaaaaaaa1";
pub(crate) const OTHER: &str = "i-0bbbbbbbbbbbbbbb2";
pub(crate) const INSTANCE_ROLE: &str = "arn:aws:iam::111122223333:role/MatchesInstanceRole";
/// Nothing here takes as long.
const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Bed {
    pub(crate) account: Account,
    server: Server,
}

pub(crate) struct Agent {
    who: Credentials,
    pub(crate) control: Socket,
}

/// One end of a websocket, speaking agent messages.
pub(crate) struct Socket(WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>);

/// What the template's instance role may do, as far as the agent needs it.
fn agent_statements() -> Value {
    json!([
        { "Effect": "Allow", "Action": "ssm:UpdateInstanceInformation",
          "Resource": format!("arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*") },
        { "Effect": "Allow", "Resource": "*", "Action": [
            "ec2messages:AcknowledgeMessage", "ec2messages:DeleteMessage", "ec2messages:FailMessage",
            "ec2messages:GetEndpoint", "ec2messages:GetMessages", "ec2messages:SendReply",
            "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"] },
    ])
}

fn instance(id: &str, address: [u8; 4], project: &str) -> InstanceSeed {
    InstanceSeed {
        id: id.into(),
        image_id: "ami-00000000000000000".into(),
        instance_type: "t4g.micro".into(),
        architecture: "arm64".into(),
        private_ip: address.into(),
        private_dns_name: format!("ip-10-0-10-{}.{REGION}.compute.internal", address[3]),
        interface_id: format!("eni-{}", &id[2..]),
        mac: "02:00:00:00:00:01".into(),
        subnet_id: "subnet-1".into(),
        vpc_id: "vpc-1".into(),
        availability_zone: format!("{REGION}a"),
        security_groups: vec![("sg-1".into(), "kickytime-app-sg".into())],
        role_arn: Some(INSTANCE_ROLE.into()),
        instance_profile: Some((
            format!("arn:aws:iam::{ACCOUNT}:instance-profile/matches"),
            "AIPAEXAMPLE".into(),
        )),
        tags: [("Project".to_owned(), project.to_owned())].into(),
    }
}

pub(crate) fn seed_with_instances() -> Seed {
    let mut seed = seed();
    seed.instances
        .push(instance(INSTANCE, [10, 0, 10, 5], "Kickytime"));
    seed.instances
        .push(instance(OTHER, [10, 0, 10, 6], "Other"));
    seed.roles.push(role(
        "MatchesInstanceRole",
        "ec2.amazonaws.com",
        &agent_statements(),
    ));
    seed.roles[0].policies.push(policy(
        "OpensChannels",
        &json!([{ "Effect": "Allow", "Action": "ssmmessages:OpenDataChannel", "Resource": "*" }]),
    ));
    seed.documents.push(DocumentSeed {
        name: "kickytime-shell".into(),
        kind: "Session".into(),
        content: json!({
            "schemaVersion": "1.0", "description": "Shell", "sessionType": "Standard_Stream",
            "inputs": {
                "kmsKeyId": KEY_ARN, "cloudWatchLogGroupName": "/kickytime/ssm",
                "idleSessionTimeout": "20", "maxSessionDuration": "60",
            },
        }),
        tags: tags(),
    });
    seed.parameters.push(ParameterSeed {
        name: "/kickytime/image-tag".into(),
        kind: "String".into(),
        value: "v1".into(),
        description: String::new(),
        tags: tags(),
    });
    seed.databases.push(DatabaseSeed {
        identifier: "kickytime-db".into(),
        arn: format!("arn:aws:rds:{REGION}:{ACCOUNT}:db:kickytime-db"),
        resource_id: "db-EXAMPLE".into(),
        instance_class: Some("db.t4g.micro".into()),
        engine: "postgres".into(),
        engine_version: Some("17".into()),
        address: "kickytime-db.example.ap-northeast-2.rds.amazonaws.com".into(),
        port: 5432,
        database_name: Some("kickytime".into()),
        master_username: None,
        vpc_id: Some("vpc-1".into()),
        subnets: vec![("subnet-2".into(), format!("{REGION}a"))],
        security_groups: vec!["sg-2".into()],
        publicly_accessible: false,
        multi_az: false,
        storage_encrypted: true,
        kms_key: Some(KEY_ARN.into()),
        deletion_protection: true,
        backup_retention_days: 7,
        exported_logs: vec!["postgresql".into()],
        tags: tags(),
    });
    seed.stacks.push(StackSeed {
        name: "kickytime".into(),
        id: format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/kickytime/1"),
        description: Some("A <small> system & its parts".into()),
        outputs: vec![OutputSeed {
            key: "DatabaseEndpoint".into(),
            value: "kickytime-db.example.ap-northeast-2.rds.amazonaws.com".into(),
            description: Some("Host name of the database".into()),
            export: None,
        }],
        resources: vec![
            StackResourceSeed {
                logical_id: "Database".into(),
                physical_id: "kickytime-db".into(),
                kind: "AWS::RDS::DBInstance".into(),
            },
            StackResourceSeed {
                logical_id: "Vpc".into(),
                physical_id: "vpc-1".into(),
                kind: "AWS::EC2::VPC".into(),
            },
        ],
        tags: Tags::new(),
    });
    seed
}

impl Bed {
    pub(crate) fn start() -> Self {
        Self::with(seed_with_instances())
    }

    pub(crate) fn with(seed: Seed) -> Self {
        Self::open(seed, None)
    }

    pub(crate) fn open(seed: Seed, directory: Option<&Path>) -> Self {
        let account = Account::open(seed, directory).unwrap();
        let server = Server::start(account.emulator.clone());
        Self { account, server }
    }

    pub(crate) fn operator(&self) -> Credentials {
        self.account.operator()
    }

    pub(crate) fn agent_credentials(&self, instance: &str) -> Credentials {
        let hour = Duration::from_secs(3_600);
        let session = self.account.emulator.role_session(
            "ec2.amazonaws.com",
            None,
            INSTANCE_ROLE,
            instance,
            hour,
        );
        session.unwrap()
    }

    /// A signed request over the port: status and body.
    async fn send(
        &self,
        who: &Credentials,
        service: &str,
        request: Request<Bytes>,
    ) -> (u16, Bytes) {
        let request = self.account.signed(who, service, request);
        let stream = TcpStream::connect(self.server.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let driving = tokio::spawn(connection);
        let response = sender.send_request(request.map(Full::new)).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        drop(sender);
        driving.await.unwrap().unwrap();
        (status, body)
    }

    fn host(&self) -> String {
        format!("localhost:{}", self.server.address.port())
    }

    /// An operation of SSM, or of `ec2messages` when its name has a dot.
    pub(crate) async fn json(&self, who: &Credentials, name: &str, input: &Value) -> (u16, Value) {
        let (service, target) = match name.strip_prefix("ec2messages.") {
            Some(name) => (
                "ec2messages",
                format!("EC2WindowsMessageDeliveryService.{name}"),
            ),
            None => ("ssm", format!("AmazonSSM.{name}")),
        };
        let request = Request::post("/")
            .header("host", self.host())
            .header("x-amz-target", target)
            .body(Bytes::from(input.to_string()))
            .unwrap();
        let (status, body) = self.send(who, service, request).await;
        (status, serde_json::from_slice(&body).unwrap())
    }

    pub(crate) async fn ok(&self, name: &str, input: &Value) -> Value {
        ok(self.json(&self.operator(), name, input).await)
    }

    pub(crate) async fn refused(&self, name: &str, input: &Value) -> (String, String) {
        refused(self.json(&self.operator(), name, input).await)
    }

    /// A POST of `ssmmessages`: status and text.
    pub(crate) async fn rest(&self, who: &Credentials, path: &str, body: &Value) -> (u16, String) {
        let request = Request::post(path)
            .header("host", self.host())
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let (status, body) = self.send(who, "ssmmessages", request).await;
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn token(&self, who: &Credentials, path: &str) -> String {
        let body = json!({ "MessageSchemaVersion": "1.0", "RequestId": "r", "ClientId": "c" });
        let (status, text) = self.rest(who, path, &body).await;
        assert_eq!(status, 201, "{text}");
        let (_, rest) = text.split_once("<TokenValue>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    }

    /// A signed upgrade; the status of a refusal.
    pub(crate) async fn upgrade(
        &self,
        who: &Credentials,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, u16> {
        let request = self.upgrade_request(path, headers);
        self.connect(self.account.signed(who, "ssmmessages", request))
            .await
    }

    pub(crate) async fn upgrade_unsigned(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, u16> {
        self.connect(self.upgrade_request(path, headers)).await
    }

    fn upgrade_request(&self, path: &str, headers: &[(&str, &str)]) -> Request<Bytes> {
        let mut request = Request::get(path)
            .header("host", self.host())
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Bytes::new()).unwrap()
    }

    async fn connect(&self, request: Request<Bytes>) -> Result<Socket, u16> {
        let stream = TcpStream::connect(self.server.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection.with_upgrades());
        let response = sender.send_request(request.map(Full::new)).await.unwrap();
        let status = response.status().as_u16();
        if status != 101 {
            return Err(status);
        }
        // RFC 6455 §1.3 has this very pair
        assert_eq!(
            response.headers()["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        let upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
        Ok(Socket(socket))
    }

    pub(crate) async fn signed_socket(&self, who: &Credentials, id: &str) -> Result<Socket, u16> {
        let path = format!("/v1/data-channel/{id}?role=publish_subscribe");
        self.upgrade(who, &path, &[]).await
    }

    /// A person's end, opened as an older plugin does: unsigned, a ping first, then the token.
    pub(crate) async fn client(&self, started: &Value) -> Socket {
        let mut socket = self.unsigned_client(started).await;
        socket
            .0
            .send(tungstenite::Message::Ping("again".into()))
            .await
            .unwrap();
        socket
    }

    async fn unsigned_client(&self, started: &Value) -> Socket {
        let url = started["StreamUrl"].as_str().unwrap();
        let path = url.strip_prefix(&format!("ws://{}", self.host())).unwrap();
        let mut socket = self.upgrade_unsigned(path, &[]).await.unwrap();
        socket
            .0
            .send(tungstenite::Message::Ping("keepalive".into()))
            .await
            .unwrap();
        socket
            .open_data(started["TokenValue"].as_str().unwrap())
            .await;
        socket
    }

    /// Why a person's end is closed.
    pub(crate) async fn client_refused(&self, started: &Value) -> String {
        let mut socket = self.unsigned_client(started).await;
        let (code, reason) = socket.close_reason().await;
        assert_eq!(code, 1003, "{reason}");
        let id = started["SessionId"].as_str().unwrap();
        assert!(reason.starts_with(&format!("Channel {id}: ")), "{reason}");
        reason
    }

    /// The agent says that it is there.
    pub(crate) async fn report(&self, instance: &str) {
        let input = json!({ "InstanceId": instance, "AgentName": "amazon-ssm-agent",
            "AgentVersion": "3.3.3572.0", "AgentStatus": "Active", "PlatformType": "Linux",
            "PlatformName": "Amazon Linux", "PlatformVersion": "2023", "IPAddress": "10.0.10.5",
            "ComputerName": "ip-10-0-10-5" });
        let who = self.agent_credentials(instance);
        ok(self.json(&who, "UpdateInstanceInformation", &input).await);
    }

    /// An agent that has reported and holds its control channel.
    pub(crate) async fn agent(&self, instance: &str) -> Agent {
        self.report(instance).await;
        let who = self.agent_credentials(instance);
        let path = format!("/v1/control-channel/{instance}");
        let token = self.token(&who, &path).await;
        let path = format!("{path}?role=subscribe&stream=input");
        let mut control = self.upgrade(&who, &path, &[]).await.unwrap();
        let open = json!({ "Cookie": null, "MessageSchemaVersion": "1.0", "RequestId": "r",
            "TokenValue": token, "AgentVersion": "3.3.3572.0", "PlatformType": "linux" });
        control.text(&open).await;
        super::eventually(async || {
            let status = self
                .ok("GetConnectionStatus", &json!({ "Target": instance }))
                .await;
            status["Status"] == "connected"
        })
        .await;
        Agent { who, control }
    }
}

impl Agent {
    pub(crate) async fn data_token(&self, bed: &Bed, id: &str) -> String {
        bed.token(&self.who, &format!("/v1/data-channel/{id}"))
            .await
    }

    /// The agent's data channel.
    pub(crate) async fn open(&self, bed: &Bed, id: &str) -> Socket {
        let token = self.data_token(bed, id).await;
        let mut data = bed.signed_socket(&self.who, id).await.unwrap();
        let open = json!({ "MessageSchemaVersion": "1.0", "RequestId": "r", "TokenValue": token,
            "ClientInstanceId": INSTANCE, "ClientId": "c" });
        data.text(&open).await;
        data
    }

    /// The same, said to be there.
    pub(crate) async fn join(&self, bed: &Bed, id: &str) -> Socket {
        let mut data = self.open(bed, id).await;
        let state = json!({ "SchemaVersion": 1, "SessionState": "Connected", "SessionId": id });
        data.send(binary("agent_session_state", state.to_string().as_bytes()))
            .await;
        data
    }

    /// Says how a session ended, until it is acknowledged.
    pub(crate) async fn complete(&mut self, id: &str, status: &str, output: &str) {
        let complete = json!({ "SchemaVersion": 1, "TaskId": id, "Topic": "agent_task_complete",
            "FinalTaskStatus": status, "IsRoutingFailure": false, "AwsAccountId": "",
            "InstanceId": INSTANCE, "Output": output, "S3Bucket": "", "S3UrlSuffix": "",
            "CwlGroup": "", "CwlStream": "", "RetryNumber": 0 });
        self.control
            .send(binary(
                "agent_task_complete",
                complete.to_string().as_bytes(),
            ))
            .await;
        let acknowledge = self.control.json_of("agent_task_acknowledge").await;
        assert_eq!(acknowledge["TaskId"], id);
    }
}

impl Socket {
    async fn text(&mut self, value: &Value) {
        let text = tungstenite::Message::text(value.to_string());
        self.0.send(text).await.unwrap();
    }

    pub(crate) async fn open_data(&mut self, token: &str) {
        self.text(
            &json!({ "MessageSchemaVersion": "1.0", "RequestId": "r", "TokenValue": token,
            "ClientId": "c", "ClientVersion": "1.2.677.0" }),
        )
        .await;
    }

    pub(crate) async fn send(&mut self, frame: Bytes) {
        self.0
            .send(tungstenite::Message::Binary(frame))
            .await
            .unwrap();
    }

    async fn next(&mut self) -> tungstenite::Message {
        tokio::time::timeout(DEADLINE, self.0.next())
            .await
            .expect("a message in time")
            .expect("the connection is open")
            .unwrap()
    }

    /// The next agent message.
    pub(crate) async fn message(&mut self) -> Message {
        loop {
            match self.next().await {
                tungstenite::Message::Binary(frame) => match decode(&frame) {
                    Decoded::Message(message) => return message,
                    other => panic!("{other:?}"),
                },
                tungstenite::Message::Ping(_) | tungstenite::Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message of a kind.
    pub(crate) async fn message_of(&mut self, kind: &str) -> Message {
        loop {
            let message = self.message().await;
            if message.kind.name() == kind {
                return message;
            }
        }
    }

    /// The next message's kind and JSON.
    pub(crate) async fn json(&mut self) -> (String, Value) {
        let message = self.message().await;
        let kind = message.kind.name().to_owned();
        (kind, serde_json::from_slice(&message.payload).unwrap())
    }

    pub(crate) async fn json_of(&mut self, kind: &str) -> Value {
        serde_json::from_slice(&self.message_of(kind).await.payload).unwrap()
    }

    /// The end of the session, as this end is told.
    pub(crate) async fn closed(&mut self) -> Value {
        self.json_of("channel_closed").await
    }

    /// Waits for a pong: the service reads on once it knows whose end this is.
    pub(crate) async fn answered(&mut self) {
        self.0
            .send(tungstenite::Message::Ping("answer".into()))
            .await
            .unwrap();
        loop {
            if self.next().await == tungstenite::Message::Pong("answer".into()) {
                return;
            }
        }
    }

    /// Code and reason of the websocket's close.
    pub(crate) async fn close_reason(&mut self) -> (u16, String) {
        loop {
            if let tungstenite::Message::Close(frame) = self.next().await {
                let frame = frame.unwrap();
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }
}

/// A message of an end.
pub(crate) fn binary(kind: &str, payload: &[u8]) -> Bytes {
    encode(&Message {
        kind: MessageKind::named(kind),
        created_ms: 1,
        sequence_number: 0,
        flags: 0,
        id: MessageId([7; 16]),
        payload_type: 1,
        payload: Bytes::copy_from_slice(payload),
    })
}
