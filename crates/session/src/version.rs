//! Version numbers as the two ends compare them.

/// Four numbers: `3.3.3572.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u32; 4]);

impl Version {
    /// Reads exactly four dot-separated numbers; anything else is no version.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        let version = Self([
            parts.next()??,
            parts.next()??,
            parts.next()??,
            parts.next()??,
        ]);
        parts.next().is_none().then_some(version)
    }
}

/// A client multiplexes towards agents newer than this.
pub(crate) const AGENT_BEFORE_MUX: Version = Version([3, 0, 196, 0]);
/// An agent multiplexes towards clients from this on.
pub(crate) const CLIENT_WITH_MUX: Version = Version([1, 1, 70, 0]);
/// Agents up to this one need smux keepalive from the client.
pub(crate) const AGENT_WITH_KEEPALIVE: Version = Version([3, 1, 1511, 0]);
/// Clients up to this one need smux keepalive from the agent.
pub(crate) const CLIENT_WITH_KEEPALIVE: Version = Version([1, 2, 331, 0]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_numbers_are_a_version() {
        assert_eq!(Version::parse("3.3.3572.0"), Some(Version([3, 3, 3572, 0])));
        for text in [
            "3.3.3572",
            "3.3.3572.0.1",
            "3.3.x.0",
            "",
            "3.3..0",
            "-1.0.0.0",
        ] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        assert!(Version::parse("3.0.1390.0") > Some(AGENT_BEFORE_MUX));
        assert!(Version::parse("1.2.9.0") < Version::parse("1.2.10.0"));
    }
}
