//! How fast is a forward, compared with what it is made of?
//!
//! Client, relay and agent have a thread and a runtime each, as they have a process each in
//! earnest, and talk TLS. Three ways lead from the load to the same destination: TCP
//! alone; bytes in websocket messages through the same TLS and the same relay, with
//! no session in them; and a forward. They take turns, in an order that reverses.
//!
//! `bench/session` runs it.
#![expect(clippy::print_stdout, reason = "this is what an example is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop")]
#![expect(
    dead_code,
    reason = "the relay can do more to messages than a bench wants"
)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use bytes::Bytes;
use session::{AgentOffer, Extension, SessionKind};
use session_io::{
    Dial as _, DialError, Forward, ForwardConfig, ServeConfig, Socket, Start, Started,
    connect_in_turn, serve_port,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig, pki_types::PrivatePkcs8KeyDer,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[path = "../tests/it/relay.rs"]
mod relay;

use relay::{Relay, RelayDial, Side};

const PAYLOAD_BYTES: usize = 128 << 10;
const TRANSFER: u64 = 256 << 20;
const ROUND_TRIPS: usize = 1000;
const CONNECTIONS: usize = 2000;
const CLIENTS: usize = 8;

fn main() {
    let rounds = std::env::args()
        .nth(1)
        .map_or(5, |rounds| rounds.parse().unwrap());
    let destination = destination();
    let relay = in_thread(Relay::start(Some(tls())));
    let agents = agents(&relay, destination);
    let ways = [
        ("TCP", destination),
        ("websocket", plain(&relay, destination)),
        ("forward", forward(&relay, agents)),
    ];
    let mut measured: BTreeMap<&str, [Vec<f64>; 7]> = BTreeMap::new();
    for (name, way) in &ways {
        echo(*way, 10);
        measured.insert(name, Default::default());
    }
    for round in 0..rounds {
        let mut order = ways;
        if round % 2 == 1 {
            order.reverse();
        }
        for (index, measure) in [
            upload as fn(SocketAddr) -> Vec<f64>,
            download,
            latency,
            rate,
        ]
        .into_iter()
        .enumerate()
        {
            for (name, way) in order {
                // its connections are TLS handshakes, which is another question
                if index == 3 && name == "websocket" {
                    continue;
                }
                let values = measure(way);
                let columns = measured.get_mut(name).unwrap();
                for (offset, value) in values.into_iter().enumerate() {
                    columns[[0, 2, 4, 6][index] + offset].push(value);
                }
            }
        }
    }
    println!(
        "{:<10} {:>9} {:>8} {:>9} {:>8} {:>9} {:>9} {:>9}",
        "", "up MB/s", "CPU s/GB", "down MB/s", "CPU s/GB", "p50 us", "p99 us", "conn/s"
    );
    let medians: Vec<_> = ways
        .iter()
        .map(|(name, _)| {
            (
                *name,
                measured[name].each_ref().map(|values| median(values)),
            )
        })
        .collect();
    for (name, [up, up_cpu, down, down_cpu, p50, p99, rate]) in &medians {
        let rate = match rate.is_nan() {
            true => "-".to_owned(),
            false => format!("{rate:.0}"),
        };
        println!(
            "{name:<10} {up:>9.0} {up_cpu:>8.2} {down:>9.0} {down_cpu:>8.2} {p50:>9.0} {p99:>9.0} {rate:>9}"
        );
    }
    let (tcp, websocket, forward) = (&medians[0].1, &medians[1].1, &medians[2].1);
    println!(
        "forward/websocket: up {:.2}, down {:.2}; forward/TCP: up {:.2}, down {:.2}, connections {:.2}; added latency {:.0} us (websocket {:.0} us)",
        forward[0] / websocket[0],
        forward[2] / websocket[2],
        forward[0] / tcp[0],
        forward[2] / tcp[2],
        forward[6] / tcp[6],
        forward[4] - tcp[4],
        websocket[4] - tcp[4],
    );
    println!("{}", checked(ways[2].1, 1 << 30));
}

/// Starts something on a runtime of its own that goes on for good.
fn in_thread<T: Send + 'static>(begin: impl Future<Output = T> + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            sender.send(begin.await).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

fn tls() -> (TlsAcceptor, TlsConnector) {
    let names = vec!["localhost".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let certificate = cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (
        TlsAcceptor::from(Arc::new(server)),
        TlsConnector::from(Arc::new(client)),
    )
}

/// Reads what is wanted, then does it: `u` takes, `d` gives, `e` echoes.
fn destination() -> SocketAddr {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || serve(stream).ok());
        }
    });
    address
}

fn serve(mut stream: StdStream) -> std::io::Result<()> {
    let mut request = [0; 9];
    stream.read_exact(&mut request)?;
    let mut left = u64::from_le_bytes(request[1..].try_into().unwrap());
    let mut buffer = vec![0; 256 << 10];
    match request[0] {
        b'u' => {
            let mut sum = digest::Context::new(&digest::SHA256);
            let is_checked = left == 1 << 30;
            while left > 0 {
                let length = stream.read(&mut buffer)?;
                if length == 0 {
                    return Ok(());
                }
                left -= length as u64;
                if is_checked {
                    sum.update(&buffer[..length]);
                }
            }
            stream.write_all(sum.finish().as_ref())
        }
        b'd' => {
            while left > 0 {
                let length = usize::try_from(left).unwrap().min(buffer.len());
                stream.write_all(&buffer[..length])?;
                left -= length as u64;
            }
            Ok(())
        }
        _ => loop {
            let length = stream.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            stream.write_all(&buffer[..length])?;
        },
    }
}

/// Agents that join sessions by name.
fn agents(relay: &Relay, destination: SocketAddr) -> mpsc::Sender<String> {
    let (sender, mut receiver) = mpsc::channel::<String>(16);
    let relay = relay.clone();
    in_thread(async move {
        tokio::spawn(async move {
            while let Some(session_id) = receiver.recv().await {
                let offer = AgentOffer {
                    agent_version: "3.3.3572.0".to_owned(),
                    kind: SessionKind::Port,
                    properties: BTreeMap::from([(
                        "type".to_owned(),
                        "LocalPortForwarding".to_owned(),
                    )]),
                    kms_key_id: None,
                    customer_message: String::new(),
                    extension: Some(Extension {
                        payload_bytes: PAYLOAD_BYTES,
                    }),
                };
                let dial = relay.dialer(&session_id, Side::Agent);
                let connect = move || async move { connect_in_turn(&[destination]).await };
                let config = ServeConfig::new(&session_id);
                let told = |_: &std::io::Error| ();
                tokio::spawn(serve_port(
                    config,
                    offer,
                    dial,
                    connect,
                    told,
                    std::future::pending(),
                ));
            }
        });
    });
    sender
}

struct BenchStart {
    relay: Relay,
    agents: mpsc::Sender<String>,
}

impl Start for BenchStart {
    type Dial = RelayDial;

    async fn start(&mut self) -> Result<Started<RelayDial>, DialError> {
        let session_id = "forward".to_owned();
        self.agents.send(session_id.clone()).await.unwrap();
        Ok(Started {
            dial: self.relay.dialer(&session_id, Side::Client),
            session_id,
        })
    }

    async fn terminate(&mut self, _session_id: &str) {}
}

/// A forward's local port.
fn forward(relay: &Relay, agents: mpsc::Sender<String>) -> SocketAddr {
    let start = BenchStart {
        relay: relay.clone(),
        agents,
    };
    in_thread(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, mut told) = mpsc::channel(1000);
        let forward = Forward {
            listeners: vec![listener],
            start,
            config: ForwardConfig::new("1.2.896.0"),
            events,
        };
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        tokio::spawn(async move {
            let end = forward.run(std::future::pending()).await;
            println!("the forward ended: {end:?}");
        });
        address
    })
}

/// A local port whose connections each have a websocket of their own, without a session.
fn plain(relay: &Relay, destination: SocketAddr) -> SocketAddr {
    let (sender, mut receiver) = mpsc::channel::<String>(16);
    let there = relay.clone();
    in_thread(async move {
        tokio::spawn(async move {
            while let Some(name) = receiver.recv().await {
                let mut dial = there.dialer(&name, Side::Agent);
                tokio::spawn(async move {
                    let socket = dial.dial().await.unwrap();
                    let stream = TcpStream::connect(destination).await.unwrap();
                    pump(stream, socket).await;
                });
            }
        });
    });
    let here = relay.clone();
    in_thread(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for count in 0_u64.. {
                let (stream, _) = listener.accept().await.unwrap();
                let name = format!("plain-{count}");
                // the stand-in loses what is for an end that is not there yet
                let ready = here.connections();
                sender.send(name.clone()).await.unwrap();
                while here.connections() == ready {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
                let socket = here.dialer(&name, Side::Client).dial().await.unwrap();
                while here.connections() < ready + 2 {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
                tokio::spawn(pump(stream, socket));
            }
        });
        address
    })
}

async fn pump(mut stream: TcpStream, mut socket: Socket) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; PAYLOAD_BYTES];
    loop {
        tokio::select! {
            length = stream.read(&mut buffer) => {
                let Ok(length @ 1..) = length else {
                    // the end, for both directions
                    socket.send(Bytes::new()).await.ok();
                    return;
                };
                if socket.send(Bytes::copy_from_slice(&buffer[..length])).await.is_err() {
                    return;
                }
            }
            message = socket.next() => {
                let Ok(Some(message)) = message else { return };
                if message.is_empty() {
                    return;
                }
                if stream.write_all(&message).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn open(way: SocketAddr, wanted: u8, length: u64) -> StdStream {
    let mut stream = StdStream::connect(way).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut request = vec![wanted];
    request.extend_from_slice(&length.to_le_bytes());
    stream.write_all(&request).unwrap();
    stream
}

/// Megabytes a second, and seconds of processor time for a gigabyte.
fn throughput(transfer: impl FnOnce()) -> Vec<f64> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    transfer();
    let bytes = TRANSFER as f64;
    vec![
        bytes / 1e6 / start.elapsed().as_secs_f64(),
        (cpu_seconds() - cpu) / (bytes / 1e9),
    ]
}

fn upload(way: SocketAddr) -> Vec<f64> {
    let chunk = vec![7; 256 << 10];
    throughput(|| {
        let mut stream = open(way, b'u', TRANSFER);
        for _ in 0..TRANSFER / chunk.len() as u64 {
            stream.write_all(&chunk).unwrap();
        }
        stream.read_exact(&mut [0; 32]).unwrap();
    })
}

fn download(way: SocketAddr) -> Vec<f64> {
    let mut buffer = vec![0; 256 << 10];
    throughput(|| {
        let mut stream = open(way, b'd', TRANSFER);
        let mut left = TRANSFER;
        while left > 0 {
            left -= stream.read(&mut buffer).unwrap() as u64;
        }
    })
}

/// Microseconds there and back: the median, and what one in a hundred exceeds.
fn latency(way: SocketAddr) -> Vec<f64> {
    let mut times = echo(way, ROUND_TRIPS);
    times.sort_by(f64::total_cmp);
    vec![times[times.len() / 2], times[times.len() * 99 / 100]]
}

fn echo(way: SocketAddr, times: usize) -> Vec<f64> {
    let mut stream = open(way, b'e', 0);
    let trip = |_| {
        let start = Instant::now();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        start.elapsed().as_secs_f64() * 1e6
    };
    (0..times).map(trip).collect()
}

/// Connections a second that ask one question each.
fn rate(way: SocketAddr) -> Vec<f64> {
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..CONNECTIONS / CLIENTS {
                    echo(way, 1);
                }
            });
        }
    });
    vec![CONNECTIONS as f64 / start.elapsed().as_secs_f64()]
}

/// One long upload, compared by its digest.
fn checked(way: SocketAddr, length: u64) -> String {
    let start = Instant::now();
    let mut stream = open(way, b'u', length);
    let mut sum = digest::Context::new(&digest::SHA256);
    let mut chunk = vec![0_u8; 1 << 20];
    let mut x = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..length / chunk.len() as u64 {
        for word in chunk.chunks_exact_mut(8) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            word.copy_from_slice(&x.to_le_bytes());
        }
        sum.update(&chunk);
        stream.write_all(&chunk).unwrap();
    }
    let mut theirs = [0; 32];
    stream.read_exact(&mut theirs).unwrap();
    let is_same = sum.finish().as_ref() == theirs;
    assert!(is_same, "the digests differ");
    let seconds = start.elapsed().as_secs_f64();
    format!("1 GiB up in {seconds:.1} s, the digests are the same")
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat[stat.rfind(')').unwrap()..].split(' ').collect();
    let ticks: f64 = fields[12].parse::<f64>().unwrap() + fields[13].parse::<f64>().unwrap();
    ticks / 100.0
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
