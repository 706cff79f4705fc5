//! A headless Chromium, driven through chromedriver.
//! (W3C WebDriver, <https://www.w3.org/TR/webdriver2/>)

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value as Json, json};

use crate::region::{DEADLINE, eventually};

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// chromedriver, which ends its browsers with it.
pub(crate) struct Driver {
    child: Child,
    port: u16,
}

/// A browser of its own: nobody else's cookies.
pub(crate) struct Browser<'a> {
    driver: &'a Driver,
    session: String,
}

impl Driver {
    pub(crate) fn start() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: `./setup test` does");
        let driver = Self { child, port };
        let up = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        eventually("chromedriver", up);
        driver
    }

    /// Opens a browser that asks for pages in `language`.
    pub(crate) fn open(&self, language: &str) -> Browser<'_> {
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1100,900",
        ];
        let mut options = json!({
            "args": arguments,
            "prefs": { "intl.accept_languages": language },
        });
        if let Some(program) = program() {
            options["binary"] = json!(program);
        }
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let opened = self
            .call("POST", "/session", &wanted)
            .expect("Chromium starts");
        let session = opened["sessionId"].as_str().expect("a session").to_owned();
        Browser {
            driver: self,
            session,
        }
    }

    fn call(&self, method: &str, path: &str, body: &Json) -> Result<Json, String> {
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let body = self.exchange(&request).map_err(|error| error.to_string())?;
        let body = String::from_utf8_lossy(&body);
        let mut answer: Json =
            serde_json::from_str(body.trim()).map_err(|error| format!("{error}: {body}"))?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"])),
            None => Ok(value),
        }
    }
}

impl Driver {
    /// The body of the answer. chromedriver keeps connections open, so its
    /// length counts and not their end.
    fn exchange(&self, request: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(request.as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().map_err(std::io::Error::other)?;
                }
                _ if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).map(|()| body)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Where Chromium is, when chromedriver might not know.
fn program() -> Option<String> {
    let places = [
        "/usr/bin/chromium",
        "/usr/bin/google-chrome",
        "/usr/bin/chromium-browser",
    ];
    places
        .iter()
        .find(|place| Path::new(place).exists())
        .map(|place| (*place).to_owned())
}

impl Browser<'_> {
    fn call(&self, method: &str, path: &str, body: &Json) -> Result<Json, String> {
        self.driver
            .call(method, &format!("/session/{}{path}", self.session), body)
    }

    pub(crate) fn visit(&self, address: &str) {
        self.call("POST", "/url", &json!({ "url": address }))
            .expect("the page opens");
    }

    pub(crate) fn title(&self) -> String {
        self.text_of("/title")
    }

    pub(crate) fn address(&self) -> String {
        self.text_of("/url")
    }

    fn text_of(&self, path: &str) -> String {
        let value = self.call("GET", path, &Json::Null).unwrap_or_default();
        value.as_str().unwrap_or_default().to_owned()
    }

    fn find(&self, selector: &str) -> Result<String, String> {
        let query = json!({ "using": "css selector", "value": selector });
        let element = self.call("POST", "/element", &query)?;
        Ok(element[ELEMENT].as_str().unwrap_or_default().to_owned())
    }

    /// Does something to the element, as soon as it is there and lets it.
    fn with(&self, selector: &str, command: &str, body: &Json) {
        let started = Instant::now();
        loop {
            let done = self.find(selector).and_then(|element| {
                self.call("POST", &format!("/element/{element}/{command}"), body)
            });
            let Err(error) = done else { return };
            assert!(
                started.elapsed() < DEADLINE,
                "{command} `{selector}`: {error}\n{}",
                self.page()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn click(&self, selector: &str) {
        self.with(selector, "click", &json!({}));
    }

    /// Replaces what a field holds.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.with(selector, "clear", &json!({}));
        self.with(selector, "value", &json!({ "text": text }));
    }

    /// The text of the first such element, or nothing.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self
            .find(selector)
            .and_then(|element| self.call("GET", &format!("/element/{element}/text"), &Json::Null));
        text.unwrap_or_default()
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until an element reads so.
    pub(crate) fn expect(&self, selector: &str, text: &str) {
        let started = Instant::now();
        loop {
            let found = self.text(selector);
            if found.contains(text) {
                return;
            }
            assert!(
                started.elapsed() < DEADLINE,
                "`{selector}` reads `{found}`, not `{text}`, at {}\n{}",
                self.address(),
                self.page()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn attribute(&self, selector: &str, name: &str) -> String {
        let value = self.find(selector).and_then(|element| {
            self.call(
                "GET",
                &format!("/element/{element}/attribute/{name}"),
                &Json::Null,
            )
        });
        value
            .unwrap_or_default()
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Keeps a picture of the page in the folder that
    /// `KICKYTIME_TEST_SCREENSHOTS` names, if it names one.
    pub(crate) fn photograph(&self, name: &str) {
        let Some(folder) = std::env::var_os("KICKYTIME_TEST_SCREENSHOTS") else {
            return;
        };
        let picture = self.text_of("/screenshot");
        let picture = BASE64_STANDARD.decode(picture).expect("base64");
        let file = Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(file, picture).expect("writable");
    }

    /// What a person sees, for messages.
    fn page(&self) -> String {
        self.text("body")
    }
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        let _closed = self.call("DELETE", "", &Json::Null);
    }
}
