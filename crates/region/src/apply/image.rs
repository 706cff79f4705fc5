//! The image's program, built from this workspace, and the site's files.

use std::io;
use std::path::{Path, PathBuf};

use emulator::Emulator;
use serde_json::Value as Json;

use crate::host::launch::{RunningTask, TaskEnd};

/// The package and program of the image.
pub const PROGRAM: &str = "server";
/// Where the pages find their settings.
const CONFIG: &str = "config.json";

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("no build was started")]
    NotStarted,
    #[error("the build could not be run: {0}")]
    NotRun(String),
    #[error("`cargo build` failed with code {0}; its messages are above")]
    Failed(i32),
    #[error("the build was ended before it was done")]
    Ended,
    #[error("the build made no program named `{PROGRAM}`")]
    NoProgram,
    #[error("cannot wait for the build")]
    Wait(#[from] io::Error),
}

/// Waits for a `cargo build --message-format=json` and gives the program it made.
///
/// # Errors
///
/// When the build failed, or made no such program.
pub async fn built(task: Option<RunningTask>) -> Result<PathBuf, ImageError> {
    let task = task.ok_or(ImageError::NotStarted)?;
    let outcome = tokio::task::spawn_blocking(move || task.wait()).await;
    let outcome = outcome.map_err(io::Error::other)??;
    match outcome.end {
        TaskEnd::Exited(0) => program(&outcome.output).ok_or(ImageError::NoProgram),
        TaskEnd::Exited(code) => Err(ImageError::Failed(code)),
        TaskEnd::Killed => Err(ImageError::Ended),
        TaskEnd::NotStarted(reason) => Err(ImageError::NotRun(reason)),
    }
}

/// (The Cargo Book, "External tools", JSON messages: `compiler-artifact`)
fn program(output: &[u8]) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(output);
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let mut programs = messages.filter_map(|message| {
        let is_ours =
            message["reason"] == "compiler-artifact" && message["target"]["name"] == PROGRAM;
        let path = message["executable"].as_str()?;
        is_ours.then(|| PathBuf::from(path))
    });
    programs.next()
}

/// Puts every file below `directory`, and the pages' settings, into the bucket.
///
/// # Errors
///
/// When a file cannot be read, or the bucket does not take it.
pub fn upload(
    emulator: &Emulator,
    bucket: &str,
    directory: &Path,
    config: &[u8],
) -> io::Result<()> {
    let put = |key: &str, body: &[u8]| {
        let kept = emulator.put_object(bucket, key, media_type(key), body);
        kept.map_err(|error| io::Error::other(format!("bucket `{bucket}`: {error}")))
    };
    for (key, path) in files(directory, "")? {
        put(&key, &std::fs::read(path)?)?;
    }
    put(CONFIG, config)
}

/// Files below a directory with their keys, sorted; hidden ones are left out.
fn files(directory: &Path, prefix: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let key = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path(), &format!("{key}/"))?);
        } else {
            found.push((key, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// The media type by the file's ending, as `aws s3 sync` guesses it.
fn media_type(key: &str) -> &'static str {
    match key.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargo_messages() {
        let output = br#"{"reason":"compiler-artifact","target":{"name":"tokio"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"server"},"executable":"/t/release/server"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(program(output), Some(PathBuf::from("/t/release/server")));
        assert_eq!(program(b""), None);
    }

    #[test]
    fn files_are_found_with_their_keys() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("js")).unwrap();
        for name in ["index.html", "js/app.js", ".hidden"] {
            std::fs::write(directory.path().join(name), "x").unwrap();
        }
        let keys: Vec<_> = files(directory.path(), "")
            .unwrap()
            .into_iter()
            .map(|f| f.0)
            .collect();
        assert_eq!(keys, ["index.html", "js/app.js"]);
    }
}
