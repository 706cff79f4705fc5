//! Log events, a line each.

use aws::logs::LogEvent;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::cli::Format;

/// UTC, to the millisecond.
const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// The names of groups.
pub(crate) fn groups(names: &[String], format: Format) -> String {
    match format {
        Format::Human => names.join("\n"),
        Format::Json => format!("{:#}", json!(names)),
    }
}

/// One event.
pub(crate) fn event(event: &LogEvent, format: Format) -> String {
    let moment = moment(event.timestamp_ms);
    match format {
        Format::Human => {
            let message = event.message.trim_end_matches(['\r', '\n']);
            format!("{moment} {} {}", event.stream, printable(message))
        }
        Format::Json => json!({
            "timestamp": moment,
            "stream": event.stream,
            "message": event.message,
        })
        .to_string(),
    }
}

fn moment(ms: i64) -> String {
    let nanoseconds = i128::from(ms) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
        .ok()
        .and_then(|moment| moment.format(MOMENT).ok())
        .unwrap_or_else(|| ms.to_string())
}

/// What was logged may be a stranger's: it does not command the terminal.
fn printable(message: &str) -> String {
    let show = |letter: char| match letter {
        '\n' | '\t' => letter.to_string(),
        letter if letter.is_control() => letter.escape_default().to_string(),
        letter => letter.to_string(),
    };
    message.chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_and_does_not_command_the_terminal() {
        let logged = LogEvent {
            id: "1".to_owned(),
            stream: "app/1".to_owned(),
            timestamp_ms: 1_700_000_000_123,
            message: "a\u{1b}[2Jb한글\n".to_owned(),
        };
        assert_eq!(
            event(&logged, Format::Human),
            "2023-11-14T22:13:20.123Z app/1 a\\u{1b}[2Jb한글"
        );
        let parsed: serde_json::Value =
            serde_json::from_str(&event(&logged, Format::Json)).unwrap();
        assert_eq!(parsed["message"], "a\u{1b}[2Jb한글\n");
    }
}
