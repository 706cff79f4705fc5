//! What time is it where the matches are played?
//!
//! Instants leave as ISO 8601 with Seoul's offset, which has been +09:00
//! without daylight saving since 1988; a time that arrives without an offset
//! is Seoul's wall clock.

use serde::Serializer;
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

const SEOUL: UtcOffset = time::macros::offset!(+9);

/// Reads a date and time, with an offset or without.
#[must_use]
pub fn parse(text: &str) -> Option<OffsetDateTime> {
    let with_offset = OffsetDateTime::parse(text, &Iso8601::PARSING).ok();
    with_offset.or_else(|| {
        Some(
            PrimitiveDateTime::parse(text, &Iso8601::PARSING)
                .ok()?
                .assume_offset(SEOUL),
        )
    })
}

/// For `#[serde(serialize_with)]`.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(
    instant: &OffsetDateTime,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let instant = instant.to_offset(SEOUL);
    // milliseconds are enough for people and for JavaScript
    let rounded = instant
        .replace_millisecond(instant.millisecond())
        .unwrap_or(instant);
    serializer.serialize_str(
        &rounded
            .format(&Rfc3339)
            .map_err(serde::ser::Error::custom)?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn no_offset_means_seoul() {
        assert_eq!(
            parse("2026-12-01T20:00"),
            Some(datetime!(2026-12-01 11:00 UTC))
        );
        assert_eq!(
            parse("2026-12-01T20:00:30.5"),
            Some(datetime!(2026-12-01 11:00:30.5 UTC))
        );
        assert_eq!(
            parse("2026-12-01T20:00+00:00"),
            Some(datetime!(2026-12-01 20:00 UTC))
        );
        assert_eq!(
            parse("2026-12-01T20:00:00Z"),
            Some(datetime!(2026-12-01 20:00 UTC))
        );
        for wrong in [
            "",
            "tomorrow",
            "2026-13-01T20:00",
            "2026-12-01",
            "2026-02-30T10:00",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn leaves_with_seouls_offset_and_milliseconds_at_most() {
        let shown = |instant| {
            serialize(&instant, serde_json::value::Serializer).expect("a time of our century")
        };
        assert_eq!(
            shown(datetime!(2026-12-01 11:00 UTC)),
            "2026-12-01T20:00:00+09:00"
        );
        assert_eq!(
            shown(datetime!(2026-12-01 11:00:00.123456 UTC)),
            "2026-12-01T20:00:00.123+09:00"
        );
    }
}
