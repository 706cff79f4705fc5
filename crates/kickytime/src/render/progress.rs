//! What a person sees while a region starts, runs and stops.

use std::path::PathBuf;
use std::time::Duration;

use region::apply::board::Event;
use region::control::{self, Request};

use super::{Terminal, status, talk};

/// Shows events on standard error, and the table when everything runs.
pub(crate) struct Progress {
    color: bool,
    state: PathBuf,
}

impl Progress {
    pub(crate) fn new(terminal: &Terminal, state: PathBuf) -> Self {
        Self {
            color: terminal.color,
            state,
        }
    }

    pub(crate) fn show(&self, event: Event) {
        match event {
            Event::Done { stage, took } => {
                talk(&format!(
                    "{} {stage} ({})",
                    self.paint("✓", "32"),
                    spoken(took)
                ));
            }
            Event::Notice(text) => talk(&format!("{} {text}", self.paint("!", "33"))),
            Event::Stopping => talk("stopping"),
            Event::Ready { took } => {
                // asked on a thread of its own: the answer comes from this program
                let state = self.state.clone();
                let line = format!("{} ready in {}\n", self.paint("✓", "1;32"), spoken(took));
                std::thread::spawn(move || match control::ask(&state, Request::Status) {
                    Ok(answer) => talk(&format!(
                        "{line}\n{}\nCtrl-C stops it.",
                        status::table(&answer)
                    )),
                    Err(error) => talk(&format!("{line}\n{error}")),
                });
            }
        }
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

fn spoken(took: Duration) -> String {
    match took.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}
