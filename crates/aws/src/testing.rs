//! A small HTTP server that answers as a test says and keeps what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::{Config, Environment, Options};
use crate::transport::Stream;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// Status and body of an answer.
pub(crate) type Answer = (u16, String);

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers by `answer`, which is told the request and its number, from 0.
    pub(crate) async fn start(
        answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let task = tokio::spawn({
            let asked = Arc::clone(&asked);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
                    tokio::spawn(async move {
                        let mut stream: BufReader<Box<dyn Stream>> =
                            BufReader::new(Box::new(stream));
                        while let Some(request) = read(&mut stream).await {
                            let number = {
                                let mut asked = asked.lock().unwrap();
                                asked.push(request.clone());
                                asked.len() - 1
                            };
                            let (status, body) = answer(&request, number);
                            write(&mut stream, status, &body).await;
                        }
                    });
                }
            }
        });
        Self { port, asked, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// The next request of a connection.
pub(crate) async fn read(stream: &mut BufReader<Box<dyn Stream>>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    let mut asked = Asked {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        ..Asked::default()
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let value = value.trim().to_owned();
        asked.headers.insert(name.to_ascii_lowercase(), value);
    }
    let length = asked.headers.get("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}

pub(crate) async fn write(stream: &mut BufReader<Box<dyn Stream>>, status: u16, body: &str) {
    let answer = format!(
        "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let _gone = stream.write_all(answer.as_bytes()).await;
    let _gone = stream.flush().await;
}

/// A configuration from variables alone, region and home included where not given.
pub(crate) fn config(pairs: &[(&str, &str)]) -> Config {
    load(pairs, &Options::default())
}

pub(crate) fn load(pairs: &[(&str, &str)], options: &Options) -> Config {
    let environment: Environment = [("AWS_REGION", "ap-northeast-2")]
        .iter()
        .chain(pairs)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Config::load(&environment, options).unwrap()
}
