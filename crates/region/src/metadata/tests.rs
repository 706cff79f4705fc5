use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, Request};
use time::macros::datetime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::instance::{InstanceFacts, InstanceMetadata, InstanceProfile};
use super::task::{ContainerFacts, TaskFacts, TaskMetadata};
use super::*;
use crate::serve::stop_pair;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);
const ROLE: &str = "arn:aws:iam::000000000000:role/kickytime/MatchesInstanceRole";

fn here() -> IpAddr {
    "10.0.10.5".parse().unwrap()
}

/// Credentials that last an hour and are numbered in the order of issue.
fn issue() -> Issue {
    let count = AtomicUsize::new(0);
    Arc::new(move |session| {
        Some(RoleCredentials {
            access_key_id: format!("ASIA{}", count.fetch_add(1, Ordering::Relaxed)),
            secret_access_key: "secret".into(),
            session_token: format!("token of {}", session.session_name),
            issued_at: NOW,
            expires_at: NOW + Duration::hours(1),
        })
    })
}

fn instance() -> InstanceFacts {
    InstanceFacts {
        instance_id: "i-0123456789abcdef0".into(),
        image_id: "ami-0123456789abcdef0".into(),
        instance_type: "t4g.micro".into(),
        architecture: "arm64".into(),
        local_ipv4: "10.0.10.5".parse().unwrap(),
        local_hostname: "ip-10-0-10-5.ap-northeast-2.compute.internal".into(),
        mac: "02:00:0a:00:0a:05".into(),
        interface_id: "eni-1".into(),
        security_groups: [("sg-1".to_owned(), "kickytime-app-sg".to_owned())].into(),
        subnet_id: "subnet-1".into(),
        subnet_cidr: "10.0.10.0/24".parse().unwrap(),
        vpc_id: "vpc-1".into(),
        vpc_cidr: "10.0.0.0/16".parse().unwrap(),
        availability_zone: "ap-northeast-2a".into(),
        region: "ap-northeast-2".into(),
        account_id: "000000000000".into(),
        profile: Some(InstanceProfile {
            arn: "arn:aws:iam::000000000000:instance-profile/matches".into(),
            id: "AIPA1".into(),
            role_arn: ROLE.into(),
        }),
        user_data: None,
        tags: None,
        endpoint_enabled: true,
        token_required: true,
        hop_limit: 2,
    }
}

fn service(facts: InstanceFacts) -> Arc<InstanceMetadata> {
    let service = InstanceMetadata::new(issue());
    service.insert(facts);
    service
}

fn request(method: Method, path: &str, fields: &[(&str, &str)]) -> Request<Bytes> {
    let builder = Request::builder().method(method).uri(path);
    let builder = fields.iter().fold(builder, |builder, (name, value)| {
        builder.header(*name, *value)
    });
    builder.body(Bytes::new()).unwrap()
}

fn text(response: Response<Bytes>) -> String {
    String::from_utf8(response.into_body().to_vec()).unwrap()
}

fn token(service: &InstanceMetadata, ttl: &str, at: OffsetDateTime) -> Response<Bytes> {
    let request = request(
        Method::PUT,
        "/latest/api/token",
        &[("x-aws-ec2-metadata-token-ttl-seconds", ttl)],
    );
    service.answer(&request, here(), at)
}

fn get(service: &InstanceMetadata, path: &str) -> (u16, String) {
    let token = text(token(service, "60", NOW));
    let request = request(Method::GET, path, &[("x-aws-ec2-metadata-token", &token)]);
    let response = service.answer(&request, here(), NOW);
    (response.status().as_u16(), text(response))
}

#[test]
fn nothing_is_told_without_a_good_token() {
    let service = service(instance());
    let status = |fields: &[(&str, &str)], source: IpAddr, at| {
        let request = request(Method::GET, "/latest/meta-data/instance-id", fields);
        service.answer(&request, source, at).status().as_u16()
    };
    let granted = token(&service, "60", NOW);
    assert_eq!(
        granted.headers()["x-aws-ec2-metadata-token-ttl-seconds"],
        "60"
    );
    let good = text(granted);
    let with = [("x-aws-ec2-metadata-token", good.as_str())];
    assert_eq!(status(&with, here(), NOW), 200);
    assert_eq!(
        status(&with, here(), NOW + Duration::seconds(60)),
        401,
        "expired"
    );
    assert_eq!(status(&[], here(), NOW), 401, "none");
    let other = if &good[20..21] == "A" { "B" } else { "A" };
    let forged = format!("{}{other}{}", &good[..20], &good[21..]);
    assert_eq!(
        status(&[("x-aws-ec2-metadata-token", &forged)], here(), NOW),
        401,
        "forged"
    );
    let stranger: IpAddr = "10.0.10.6".parse().unwrap();
    assert_eq!(status(&with, stranger, NOW), 403, "no instance");
    let neighbour = InstanceFacts {
        instance_id: "i-2".into(),
        local_ipv4: "10.0.10.6".parse().unwrap(),
        ..instance()
    };
    service.insert(neighbour);
    assert_eq!(
        status(&with, stranger, NOW),
        401,
        "another instance's token"
    );
}

#[test]
fn a_token_is_given_on_terms() {
    let service = service(instance());
    for (ttl, expected) in [
        ("1", 200),
        ("21600", 200),
        ("0", 400),
        ("21601", 400),
        ("x", 400),
    ] {
        assert_eq!(
            token(&service, ttl, NOW).status().as_u16(),
            expected,
            "{ttl}"
        );
    }
    let status = |method, fields: &[(&str, &str)]| {
        service
            .answer(&request(method, "/latest/api/token", fields), here(), NOW)
            .status()
            .as_u16()
    };
    let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", "60");
    assert_eq!(status(Method::PUT, &[]), 400);
    assert_eq!(
        status(Method::PUT, &[ttl, ("x-forwarded-for", "192.0.2.1")]),
        403,
        "came through a proxy"
    );
    assert_eq!(status(Method::POST, &[ttl]), 405);
}

#[test]
fn version_1_works_only_where_allowed() {
    let optional = service(InstanceFacts {
        token_required: false,
        ..instance()
    });
    let ask = request(Method::GET, "/latest/meta-data/instance-id", &[]);
    assert_eq!(
        text(optional.answer(&ask, here(), NOW)),
        "i-0123456789abcdef0"
    );
    let wrong = request(
        Method::GET,
        "/latest/meta-data/",
        &[("x-aws-ec2-metadata-token", "wrong")],
    );
    assert_eq!(
        optional.answer(&wrong, here(), NOW).status(),
        401,
        "a wrong token is not no token"
    );
    let off = service(InstanceFacts {
        endpoint_enabled: false,
        ..instance()
    });
    assert_eq!(off.answer(&ask, here(), NOW).status(), 403);
}

#[test]
fn paths_lead_to_values_and_lists() {
    let tagged = InstanceFacts {
        tags: Some([("Project".into(), "Kickytime".into())].into()),
        ..instance()
    };
    let service = service(tagged);
    let ok = |path: &str| {
        let (status, text) = get(&service, path);
        assert_eq!(status, 200, "{path}: {text}");
        text
    };
    insta::assert_snapshot!(ok("/latest/meta-data/network/interfaces/macs/02:00:0a:00:0a:05"), @r"
    device-number
    interface-id
    local-hostname
    local-ipv4s
    mac
    owner-id
    security-group-ids
    security-groups
    subnet-id
    subnet-ipv4-cidr-block
    vpc-id
    vpc-ipv4-cidr-block
    vpc-ipv4-cidr-blocks
    ");
    insta::assert_snapshot!(ok("/latest/meta-data/"), @r"
    ami-id
    ami-launch-index
    hostname
    iam/
    instance-action
    instance-id
    instance-life-cycle
    instance-type
    local-hostname
    local-ipv4
    mac
    network/
    placement/
    security-groups
    services/
    tags/
    ");
    assert_eq!(ok("/latest"), "dynamic/\nmeta-data/");
    assert_eq!(
        ok("/latest/meta-data/placement/availability-zone"),
        "ap-northeast-2a"
    );
    assert_eq!(
        ok("/2021-07-15/meta-data/tags/instance/Project"),
        "Kickytime"
    );
    assert_eq!(
        ok("/latest/meta-data/iam/security-credentials/"),
        "MatchesInstanceRole"
    );
    assert!(
        ok("/latest/dynamic/instance-identity/document").contains("\"privateIp\": \"10.0.10.5\"")
    );
    for missing in [
        "/latest/user-data",
        "/latest/meta-data/public-ipv4",
        "/1999-01-01/meta-data/",
        "/latest/meta-dat",
    ] {
        assert_eq!(get(&service, missing).0, 404, "{missing}");
    }
}

#[test]
fn credentials_are_kept_and_issued_anew_before_they_end() {
    let service = service(instance());
    let at = |minutes| {
        let at = NOW + Duration::minutes(minutes);
        let token = text(token(&service, "60", at));
        let path = "/latest/meta-data/iam/security-credentials/MatchesInstanceRole";
        let request = request(Method::GET, path, &[("x-aws-ec2-metadata-token", &token)]);
        serde_json::from_str::<serde_json::Value>(&text(service.answer(&request, here(), at)))
            .unwrap()
    };
    assert_eq!(at(0)["AccessKeyId"], "ASIA0");
    assert_eq!(at(39)["AccessKeyId"], "ASIA0");
    assert_eq!(at(41)["AccessKeyId"], "ASIA1");
    assert_eq!(at(0)["Expiration"], "2026-11-22T13:00:00Z");
    assert_eq!(at(0)["Token"], "token of i-0123456789abcdef0");
}

fn task() -> TaskFacts {
    TaskFacts {
        address: "10.0.10.5".parse().unwrap(),
        task_arn: "arn:aws:ecs:ap-northeast-2:000000000000:task/kickytime/abc".into(),
        cluster_arn: "arn:aws:ecs:ap-northeast-2:000000000000:cluster/kickytime".into(),
        service: Some("users".into()),
        family: "users".into(),
        revision: "1".into(),
        availability_zone: "ap-northeast-2a".into(),
        role_arn: Some(ROLE.into()),
        cpu: "0.5".into(),
        memory_mib: 1024,
        container: ContainerFacts {
            name: "users".into(),
            image: "kickytime/server:1".into(),
            image_id: "sha256:0".into(),
            log: None,
            started_at: NOW,
        },
    }
}

#[test]
fn a_task_gets_its_own_and_nobody_elses() {
    let service = TaskMetadata::new(issue());
    let mine = service.insert(task());
    let other = service.insert(TaskFacts {
        address: "10.0.10.6".parse().unwrap(),
        ..task()
    });
    assert!(
        !format!("{mine:?}").contains("credentials/"),
        "the path is a secret"
    );
    let ask = |path: &str, source: &str| {
        let response = service.answer(
            &request(Method::GET, path, &[]),
            source.parse().unwrap(),
            NOW,
        );
        (response.status().as_u16(), text(response))
    };
    let mine_path = mine.credentials_relative_uri.unwrap();
    let (status, body) = ask(&mine_path, "10.0.10.5");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &body["RoleArn"], &body["Token"]),
        (200, &ROLE.into(), &"token of abc".into())
    );
    assert_eq!(
        ask(&other.credentials_relative_uri.unwrap(), "10.0.10.5").0,
        400,
        "another task's path"
    );
    assert_eq!(ask(&mine_path, "10.0.10.9").0, 400, "another address");
    assert_eq!(ask("/v2/credentials/", "10.0.10.5").0, 400);
    let metadata = mine
        .metadata_uri_v4
        .strip_prefix("http://169.254.170.2")
        .unwrap()
        .to_owned();
    let (status, described) = ask(&format!("{metadata}/task"), "10.0.10.5");
    assert!(
        status == 200 && described.contains("\"ServiceName\":\"users\""),
        "{described}"
    );
    assert!(ask(&metadata, "10.0.10.5").1.contains("\"10.0.10.5\""));
    service.remove(here());
    assert_eq!(ask(&mine_path, "10.0.10.5").0, 400, "gone");
}

/// The least time to live that a socket takes packets with (`ip(7)`).
#[derive(Debug, Clone, Copy)]
struct MinTtl;
nix::setsockopt_impl!(
    MinTtl,
    libc::IPPROTO_IP,
    libc::IP_MINTTL,
    i32,
    nix::sys::socket::sockopt::SetStruct<'_, i32>
);

#[tokio::test]
async fn answers_travel_no_further_than_the_hop_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let facts = InstanceFacts {
        local_ipv4: "127.0.0.1".parse().unwrap(),
        hop_limit: 3,
        ..instance()
    };
    let (_stopper, stop) = stop_pair();
    tokio::spawn(service(facts).run(listener, stop));
    let put = "PUT /latest/api/token HTTP/1.1\r\nhost: a\r\nx-aws-ec2-metadata-token-ttl-seconds: 60\r\nconnection: close\r\n\r\n";
    for (least, arrives) in [(3, true), (4, false)] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        nix::sys::socket::setsockopt(&stream, MinTtl, &least).unwrap();
        stream.write_all(put.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        let read = tokio::time::timeout(
            std::time::Duration::from_millis(300),
            stream.read_exact(&mut head),
        )
        .await;
        assert_eq!(read.is_ok(), arrives, "{least}");
    }
}
