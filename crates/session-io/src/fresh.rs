//! What the pure crate takes as arguments: randomness and the date.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use session::ChannelConfig;

/// Random bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system's random numbers do not run out");
    bytes
}

/// What a session's message ids come of.
pub(crate) fn seed() -> [u8; 16] {
    random()
}

/// The settings of a channel that begins now.
pub(crate) fn dated(config: &ChannelConfig) -> ChannelConfig {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since_1970.map_or(1, |elapsed| elapsed.as_millis());
    ChannelConfig {
        unix_ms_at_zero: u64::try_from(ms).unwrap_or(u64::MAX),
        ..config.clone()
    }
}
