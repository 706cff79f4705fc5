use std::sync::{Arc, Mutex};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use session_io::{Dial as _, DialError, Socket, Start as _};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::testing::{self, Asked};
use crate::transport::Stream;

/// A service that starts and resumes sessions, and hands over what comes on their channels.
struct Service {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// The opening text of each channel.
    opened: mpsc::UnboundedReceiver<Json>,
}

impl Service {
    /// `answer` is told the operation, and its number from 0.
    async fn start(
        answer: impl Fn(&str, usize, &str) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = listener.local_addr().unwrap().to_string();
        let url = format!("http://{origin}");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (open, opened) = mpsc::unbounded_channel();
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(stream));
                // one request a connection: it is not kept
                let Some(request) = testing::read(&mut stream).await else {
                    continue;
                };
                let number = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(request.clone());
                    kept.len() - 1
                };
                let operation = match request.headers.get("x-amz-target") {
                    Some(target) => target.clone(),
                    None => "upgrade".to_owned(),
                };
                let (status, body) = answer(&operation, number, &origin);
                if status != 101 {
                    testing::write(&mut stream, status, &body).await;
                    continue;
                }
                let open = open.clone();
                tokio::spawn(async move {
                    let mut socket = accept(stream, &request).await;
                    let text = socket.next().await.unwrap().unwrap();
                    open.send(serde_json::from_slice(&text).unwrap()).unwrap();
                });
            }
        });
        Self { url, asked, opened }
    }

    fn starter(&self) -> SessionStarter {
        let config = testing::config(&[
            ("AWS_ENDPOINT_URL", &self.url),
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ]);
        let request = SessionRequest {
            target: "i-0".to_owned(),
            document: Some("D".to_owned()),
            parameters: BTreeMap::from([("host".to_owned(), vec!["h".to_owned()])]),
            reason: None,
        };
        SessionStarter::new(Client::new(config), request)
    }
}

async fn accept(mut stream: BufReader<Box<dyn Stream>>, request: &Asked) -> Socket {
    let key = &request.headers["sec-websocket-key"];
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        STANDARD.encode(hash)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    Socket::accepted(stream, Vec::new()).await
}

fn started(origin: &str, token: &str) -> (u16, String) {
    let url = format!("ws://{origin}/v1/data-channel/ann-1?role=publish_subscribe");
    let answer = json!({ "SessionId": "ann-1", "TokenValue": token, "StreamUrl": url });
    (200, answer.to_string())
}

#[tokio::test]
async fn a_session_is_dialled_again_with_a_new_token() {
    let mut service = Service::start(|operation, number, origin| match operation {
        "upgrade" => (101, String::new()),
        "AmazonSSM.StartSession" => started(origin, "first"),
        "AmazonSSM.ResumeSession" if number < 4 => started(origin, "second"),
        // without a token: the session is over
        _ => (200, json!({ "SessionId": "ann-1" }).to_string()),
    })
    .await;
    let mut session = service.starter().start().await.unwrap();
    assert_eq!(session.session_id, "ann-1");
    session.dial.dial().await.unwrap();
    let first = service.opened.recv().await.unwrap();
    assert_eq!(first["TokenValue"], "first");
    assert_eq!(first["ClientVersion"], CLIENT_VERSION);
    session.dial.dial().await.unwrap();
    let second = service.opened.recv().await.unwrap();
    assert_eq!(second["TokenValue"], "second");
    assert_eq!(second["ClientId"], first["ClientId"]);
    assert_ne!(second["RequestId"], first["RequestId"]);
    let over = session.dial.dial().await.unwrap_err();
    assert!(matches!(over, DialError::Gone(_)), "{over}");

    let asked = service.asked.lock().unwrap();
    let body: Json = serde_json::from_str(&asked[0].body).unwrap();
    let expected = json!({ "Target": "i-0", "DocumentName": "D", "Parameters": { "host": ["h"] } });
    assert_eq!(body, expected);
    let signature = &asked[1].headers["authorization"];
    assert!(
        signature.contains("/ssmmessages/aws4_request"),
        "{signature}"
    );
}

#[tokio::test]
async fn a_presigned_channel_is_not_signed_again() {
    let mut service = Service::start(|operation, _, origin| match operation {
        "upgrade" => (101, String::new()),
        _ => {
            let url = format!("ws://{origin}/x?role=r&X-Amz-Signature=abc");
            let answer = json!({ "SessionId": "ann-1", "TokenValue": "t", "StreamUrl": url });
            (200, answer.to_string())
        }
    })
    .await;
    let mut session = service.starter().start().await.unwrap();
    session.dial.dial().await.unwrap();
    service.opened.recv().await.unwrap();
    let asked = service.asked.lock().unwrap();
    assert!(!asked[1].headers.contains_key("authorization"));
    assert_eq!(asked[1].path, "/x?role=r&X-Amz-Signature=abc");
}

#[tokio::test]
async fn what_cannot_be_helped_by_trying_again_is_refused() {
    let not_connected = json!({
        "__type": "TargetNotConnected", "Message": "i-0 is not connected.",
    });
    let service = Service::start(move |_, _, _| (400, not_connected.to_string())).await;
    let error = service.starter().start().await.unwrap_err();
    let DialError::Refused(source) = error else {
        panic!("{error}");
    };
    let call = source.downcast_ref::<CallError>().unwrap();
    assert_eq!(call.code(), Some("TargetNotConnected"));
    assert!(call.hint().unwrap().contains("SSM agent"));

    let service = Service::start(|operation, _, origin| match operation {
        "upgrade" => {
            let denied = "<AccessDeniedException><Message>no</Message></AccessDeniedException>";
            (403, denied.to_owned())
        }
        _ => started(origin, "t"),
    })
    .await;
    let mut session = service.starter().start().await.unwrap();
    let error = session.dial.dial().await.unwrap_err();
    let DialError::Refused(source) = error else {
        panic!("{error}");
    };
    let text = source.to_string();
    assert!(text.contains("AccessDeniedException: no"), "{text}");
}

#[tokio::test]
async fn a_service_in_trouble_is_worth_another_try() {
    let service = Service::start(|operation, _, origin| match operation {
        "upgrade" => (503, String::new()),
        _ => started(origin, "t"),
    })
    .await;
    let mut session = service.starter().start().await.unwrap();
    let error = session.dial.dial().await.unwrap_err();
    assert!(matches!(error, DialError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn instances_of_every_page_are_listed_in_order() {
    let service = Service::start(|_, number, _| {
        let instance = |id: &str, ping: &str| json!({ "InstanceId": id, "PingStatus": ping });
        let answer = match number {
            0 => {
                json!({ "InstanceInformationList": [instance("i-2", "Online")], "NextToken": "n" })
            }
            _ => json!({ "InstanceInformationList": [instance("i-1", "ConnectionLost")] }),
        };
        (200, answer.to_string())
    })
    .await;
    let client = service.starter().client;
    let filters = [("tag:Project", &["Kickytime"] as &[&str])];
    let found = describe_instance_information(&client, &filters)
        .await
        .unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.id.as_str(), one.is_online))
        .collect();
    assert_eq!(found, [("i-1", false), ("i-2", true)]);
    let asked = service.asked.lock().unwrap();
    let body: Json = serde_json::from_str(&asked[1].body).unwrap();
    assert_eq!(body["NextToken"], "n");
    assert_eq!(
        body["Filters"],
        json!([{ "Key": "tag:Project", "Values": ["Kickytime"] }])
    );
}
