use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::*;
use crate::blueprint::dns::{PrivateNames, RecordSet, Records, ZonedAddress};
use crate::serve::stop_pair;

const SECRETS: &str = "secretsmanager.ap-northeast-2.amazonaws.com";

fn addresses(list: &[(&str, &str)]) -> Records {
    let zoned = |&(address, zone): &(&str, &str)| ZonedAddress {
        address: address.parse().unwrap(),
        zone: (!zone.is_empty()).then(|| zone.to_owned()),
    };
    Records::Addresses(list.iter().map(zoned).collect())
}

fn alias(target: &str, flattened: bool) -> Records {
    Records::Name {
        target: target.to_owned(),
        flattened,
    }
}

fn resolver() -> Arc<Resolver> {
    let records = [
        (
            SECRETS,
            addresses(&[("10.0.10.7", "2a"), ("10.0.11.7", "2c")]),
        ),
        (
            "api.kickytime.example",
            alias("kt-alb.elb.amazonaws.com", true),
        ),
        ("www.kickytime.example", alias("kickytime.example", false)),
        ("kickytime.example", addresses(&[("198.51.100.1", "")])),
        (
            "kt-alb.elb.amazonaws.com",
            addresses(&[("203.0.113.10", ""), ("203.0.113.11", "")]),
        ),
        (
            "*.s3.ap-northeast-2.amazonaws.com",
            addresses(&[("198.51.100.9", "")]),
        ),
        (
            "deep.own.s3.ap-northeast-2.amazonaws.com",
            addresses(&[("198.51.100.8", "")]),
        ),
        ("loop.example", alias("loop.example", false)),
        (
            "big.example",
            Records::Addresses(
                (0..200)
                    .map(|last| ZonedAddress {
                        address: IpAddr::from([10, 1, 0, last]),
                        zone: None,
                    })
                    .collect(),
            ),
        ),
    ];
    let view = DnsView {
        records: records
            .into_iter()
            .map(|(name, records)| (name.to_owned(), RecordSet { ttl_s: 60, records }))
            .collect(),
        apexes: [
            "ap-northeast-2.amazonaws.com".to_owned(),
            "kickytime.example".to_owned(),
        ]
        .into(),
        zones: vec![
            ("10.0.10.0/24".parse().unwrap(), "2a".into()),
            ("10.0.11.0/24".parse().unwrap(), "2c".into()),
        ],
        private_names: Some(PrivateNames {
            cidrs: vec!["10.0.0.0/16".parse().unwrap()],
            domain: "ap-northeast-2.compute.internal".into(),
        }),
    };
    Resolver::new(view)
}

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn ask(name: &str, kind: RecordType, source: &str) -> Message {
    let query = query(name, kind);
    let bytes = resolver()
        .answer(
            source.parse().unwrap(),
            &query.to_vec().unwrap(),
            Transport::Tcp,
        )
        .unwrap();
    let answer = Message::from_vec(&bytes).unwrap();
    assert_eq!(answer.metadata.id, query.metadata.id);
    assert_eq!(answer.queries, query.queries);
    answer
}

/// `CODE | answers | authorities`, one record a line.
fn told(name: &str, kind: RecordType, source: &str) -> String {
    let answer = ask(name, kind, source);
    let lines = |records: &[hickory_proto::rr::Record]| {
        records
            .iter()
            .map(|record| format!("\n{record}"))
            .collect::<String>()
    };
    format!(
        "{:?}{}\n-{}",
        answer.metadata.response_code,
        lines(&answer.answers),
        lines(&answer.authorities)
    )
}

#[test]
fn the_endpoint_in_the_askers_zone_comes_first() {
    let order = |source: &str| resolver().lookup(SECRETS, source.parse().unwrap()).unwrap();
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(order("10.0.10.20"), [ip("10.0.10.7"), ip("10.0.11.7")]);
    assert_eq!(order("10.0.11.20"), [ip("10.0.11.7"), ip("10.0.10.7")]);
    assert_eq!(order("203.0.113.1"), [ip("10.0.10.7"), ip("10.0.11.7")]);
}

#[test]
fn answers_read_as_a_resolver_gives_them() {
    let here = "10.0.10.20";
    insta::assert_snapshot!(told("WWW.Kickytime.example.", RecordType::A, here), @r"
    NoError
    WWW.Kickytime.example. 60 IN CNAME kickytime.example.
    kickytime.example. 60 IN A 198.51.100.1
    -
    ");
    insta::assert_snapshot!(told("api.kickytime.example.", RecordType::A, here), @r"
    NoError
    api.kickytime.example. 60 IN A 203.0.113.10
    api.kickytime.example. 60 IN A 203.0.113.11
    -
    ");
    insta::assert_snapshot!(told("kickytime.example.", RecordType::AAAA, here), @r"
    NoError
    -
    kickytime.example. 60 IN SOA ns.kickytime.internal. hostmaster.kickytime.internal. 1 7200 900 1209600 60
    ");
    insta::assert_snapshot!(told("no.kickytime.example.", RecordType::A, here), @r"
    NXDomain
    -
    kickytime.example. 60 IN SOA ns.kickytime.internal. hostmaster.kickytime.internal. 1 7200 900 1209600 60
    ");
    insta::assert_snapshot!(told("example.org.", RecordType::A, here), @r"
    NXDomain
    -
    . 60 IN SOA ns.kickytime.internal. hostmaster.kickytime.internal. 1 7200 900 1209600 60
    ");
    insta::assert_snapshot!(told("5.10.0.10.in-addr.arpa.", RecordType::PTR, here), @r"
    NoError
    5.10.0.10.in-addr.arpa. 60 IN PTR ip-10-0-10-5.ap-northeast-2.compute.internal.
    -
    ");
    insta::assert_snapshot!(told("ip-10-0-10-5.ap-northeast-2.compute.internal.", RecordType::A, here), @r"
    NoError
    ip-10-0-10-5.ap-northeast-2.compute.internal. 60 IN A 10.0.10.5
    -
    ");
}

#[test]
fn wildcards_stop_at_names_that_exist() {
    let lookup = |name: &str| resolver().lookup(name, "10.0.10.20".parse().unwrap());
    assert_eq!(
        lookup("web.s3.ap-northeast-2.amazonaws.com.").unwrap(),
        ["198.51.100.9".parse::<IpAddr>().unwrap()]
    );
    assert_eq!(
        lookup("a.b.s3.ap-northeast-2.amazonaws.com").unwrap().len(),
        1
    );
    let empty = "own.s3.ap-northeast-2.amazonaws.com";
    assert_eq!(
        lookup(empty),
        Err(LookupError::NoAddress { name: empty.into() })
    );
    assert_eq!(
        lookup("s3.ap-northeast-2.amazonaws.com")
            .unwrap_err()
            .to_string(),
        "`s3.ap-northeast-2.amazonaws.com` has no address"
    );
    for unknown in [
        "ip-10-1-0-5.ap-northeast-2.compute.internal",
        "ip-10-0-0.ap-northeast-2.compute.internal",
        "5.1.168.192.in-addr.arpa",
    ] {
        assert_eq!(
            lookup(unknown),
            Err(LookupError::NoSuchName {
                name: unknown.into()
            })
        );
    }
    assert!(lookup("loop.example").is_err());
}

#[test]
fn what_is_not_a_question_gets_what_the_rfc_says() {
    let source = "10.0.10.20".parse().unwrap();
    let code = |message: &Message| {
        let bytes = resolver().answer(source, &message.to_vec().unwrap(), Transport::Udp)?;
        Some(u16::from(
            Message::from_vec(&bytes).unwrap().metadata.response_code,
        ))
    };
    let mut update = query("kickytime.example.", RecordType::A);
    update.metadata.op_code = OpCode::Update;
    assert_eq!(code(&update), Some(ResponseCode::NotImp.into()));
    let mut two = query("kickytime.example.", RecordType::A);
    two.add_query(two.queries[0].clone());
    assert_eq!(code(&two), Some(ResponseCode::FormErr.into()));
    assert_eq!(
        code(&query("kickytime.example.", RecordType::A).into_response()),
        None
    );
    let mut future = query("kickytime.example.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_version(1);
    future.set_edns(edns);
    assert_eq!(code(&future), Some(ResponseCode::BADVERS.into()));
    assert_eq!(resolver().answer(source, b"short", Transport::Udp), None);
    let garbage = resolver().answer(
        source,
        b"\x12\x34\x01\x00\xff\xff\x00\x00\x00\x00\x00\x00",
        Transport::Udp,
    );
    let garbage = Message::from_vec(&garbage.unwrap()).unwrap();
    assert_eq!(
        (garbage.metadata.id, garbage.metadata.response_code),
        (0x1234, ResponseCode::FormErr)
    );
}

#[tokio::test]
async fn a_long_answer_is_cut_over_udp_and_whole_over_tcp() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (udp_address, tcp_address): (SocketAddr, SocketAddr) =
        (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    let (_stopper, stop) = stop_pair();
    tokio::spawn(serve(resolver(), udp, tcp, stop));
    let question = query("big.example.", RecordType::A).to_vec().unwrap();

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&question, udp_address).await.unwrap();
    let mut packet = [0; 4096];
    let received = tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut packet))
        .await
        .unwrap()
        .unwrap();
    let short = Message::from_vec(&packet[..received]).unwrap();
    assert!(short.metadata.truncation && short.answers.is_empty() && received <= 512);

    let mut stream = TcpStream::connect(tcp_address).await.unwrap();
    // two questions at once on one connection
    for _ in 0..2 {
        stream
            .write_u16(u16::try_from(question.len()).unwrap())
            .await
            .unwrap();
        stream.write_all(&question).await.unwrap();
    }
    for _ in 0..2 {
        let mut whole = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut whole).await.unwrap();
        let whole = Message::from_vec(&whole).unwrap();
        assert!(!whole.metadata.truncation);
        assert_eq!(whole.answers.len(), 200);
    }
}

proptest! {
    #[test]
    fn no_packet_hurts(packet in proptest::collection::vec(any::<u8>(), 0..200)) {
        resolver().answer("10.0.10.20".parse().unwrap(), &packet, Transport::Udp);
    }

    #[test]
    fn no_broken_question_hurts(at in 0usize..64, byte in any::<u8>(), cut in 0usize..64) {
        let mut packet = query("www.kickytime.example.", RecordType::A).to_vec().unwrap();
        if let Some(place) = packet.get_mut(at) {
            *place = byte;
        }
        packet.truncate(packet.len().saturating_sub(cut));
        let answer = resolver().answer("10.0.10.20".parse().unwrap(), &packet, Transport::Udp);
        if let Some(answer) = answer {
            prop_assert!(Message::from_vec(&answer).is_ok());
        }
    }
}
