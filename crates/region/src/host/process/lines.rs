//! A child's output, line by line, with bounded lines.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// Longest line that is passed on, bytes; the rest of a longer one is dropped.
pub const LINE_LIMIT: usize = 16 << 10;

/// What ends a line that was too long.
const CUT: &str = " [cut]";

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
struct Splitter {
    partial: Vec<u8>,
    cut: bool,
}

impl Splitter {
    /// Takes `bytes`; returns the lines they complete.
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.append(&rest[..end]);
            lines.extend(self.take());
            rest = &rest[end + 1..];
        }
        self.append(rest);
        lines
    }

    /// What is left when the stream ends without a newline.
    fn finish(&mut self) -> Option<String> {
        if self.partial.is_empty() {
            None
        } else {
            self.take()
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = LINE_LIMIT - self.partial.len();
        self.partial
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
    }

    fn take(&mut self) -> Option<String> {
        let bytes = std::mem::take(&mut self.partial);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
        let mut line = String::from_utf8_lossy(bytes).into_owned();
        if std::mem::take(&mut self.cut) {
            line.push_str(CUT);
        }
        Some(line)
    }
}

/// The lines of one of a child's output pipes.
#[derive(Debug)]
pub struct Lines {
    pipe: Receiver,
    splitter: Splitter,
    ready: std::collections::VecDeque<String>,
    ended: bool,
}

impl Lines {
    /// Must be called on a runtime.
    pub(super) fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pipe: Receiver::from_owned_fd(pipe)?,
            splitter: Splitter::default(),
            ready: std::collections::VecDeque::new(),
            ended: false,
        })
    }

    /// The next line without its newline; `None` when every holder of the
    /// other end has closed it. Cancelling this loses nothing.
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        let mut buffer = [0; 8192];
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            match self.pipe.read(&mut buffer).await? {
                0 => {
                    self.ended = true;
                    self.ready.extend(self.splitter.finish());
                }
                length => self.ready.extend(self.splitter.push(&buffer[..length])),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_across_reads() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(b"one\ntw"), ["one"]);
        assert_eq!(splitter.push(b"o\r\n\nthree"), ["two", ""]);
        assert_eq!(splitter.finish().as_deref(), Some("three"));
        assert_eq!(splitter.finish(), None);
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut splitter = Splitter::default();
        for _ in 0..100 {
            assert!(splitter.push(&[b'x'; 4096]).is_empty());
        }
        assert!(splitter.partial.capacity() < 4 * LINE_LIMIT);
        let line = splitter.push(b"\nnext\n");
        assert_eq!(line[0].len(), LINE_LIMIT + CUT.len());
        assert_eq!(line[1], "next");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        assert_eq!(Splitter::default().push(b"a\xff\n"), ["a\u{fffd}"]);
    }
}
