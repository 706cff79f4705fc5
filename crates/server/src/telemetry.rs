//! What does this process say about itself?
//!
//! One JSON object a line on standard output, which the log driver ships to
//! the log group. Lines carry dotted fields and read alone; none carries a
//! token, a password, a mail address or a nickname.

use std::error::Error;
use std::fmt::Write;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. Calling it twice changes nothing.
pub fn start() {
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_filter(LevelFilter::INFO);
    // an already installed subscriber (a test's) keeps its place
    drop(tracing_subscriber::registry().with(lines).try_init());
}

/// An error with all its sources, outermost first.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // some layers repeat their source in their own words
        let words = error.to_string();
        if !text.contains(&words) {
            write!(text, ": {words}").expect("writing to a string does not fail");
        }
        source = error.source();
    }
    text
}
