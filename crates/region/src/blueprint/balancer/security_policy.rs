//! Which TLS versions a named security policy allows.

use std::str::FromStr;

/// The TLS versions a listener speaks.
///
/// TLS 1.0 and 1.1 are not spoken here: a policy that also allows them serves
/// 1.2 and up, which every client of this century understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersions {
    /// TLS 1.2 only.
    OneTwo,
    /// TLS 1.2 and 1.3.
    OneTwoAndThree,
    /// TLS 1.3 only.
    OneThree,
}

/// A policy name AWS does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a security policy of Elastic Load Balancing or CloudFront")]
pub struct UnknownSecurityPolicy {
    /// The user's words.
    pub name: String,
}

/// Elastic Load Balancing user guide, "Security policies for your Application
/// Load Balancer"; CloudFront developer guide, "Supported protocols and ciphers
/// between viewers and CloudFront".
const POLICIES: &[(&str, TlsVersions)] = &[
    ("ELBSecurityPolicy-2015-05", TlsVersions::OneTwo),
    ("ELBSecurityPolicy-2016-08", TlsVersions::OneTwo),
    ("ELBSecurityPolicy-FS-1-1-2019-08", TlsVersions::OneTwo),
    ("ELBSecurityPolicy-FS-1-2-2019-08", TlsVersions::OneTwo),
    ("ELBSecurityPolicy-FS-1-2-Res-2019-08", TlsVersions::OneTwo),
    ("ELBSecurityPolicy-FS-1-2-Res-2020-10", TlsVersions::OneTwo),
    ("ELBSecurityPolicy-FS-2018-06", TlsVersions::OneTwo),
    ("ELBSecurityPolicy-TLS-1-0-2015-04", TlsVersions::OneTwo),
    ("ELBSecurityPolicy-TLS-1-1-2017-01", TlsVersions::OneTwo),
    ("ELBSecurityPolicy-TLS-1-2-2017-01", TlsVersions::OneTwo),
    ("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", TlsVersions::OneTwo),
    (
        "ELBSecurityPolicy-TLS13-1-0-2021-06",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-0-FIPS-2023-04",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-0-PQ-2025-09",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-1-2021-06",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-1-FIPS-2023-04",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-2021-06",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-Ext0-FIPS-2023-04",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-Ext1-FIPS-2023-04",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-Ext1-PQ-2025-09",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-Ext2-FIPS-2023-04",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-Ext2-PQ-2025-09",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-PQ-2025-09",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04",
        TlsVersions::OneTwoAndThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
        TlsVersions::OneTwoAndThree,
    ),
    ("ELBSecurityPolicy-TLS13-1-3-2021-06", TlsVersions::OneThree),
    (
        "ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04",
        TlsVersions::OneThree,
    ),
    (
        "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09",
        TlsVersions::OneThree,
    ),
    ("TLSv1", TlsVersions::OneTwoAndThree),
    ("TLSv1_2016", TlsVersions::OneTwoAndThree),
    ("TLSv1.1_2016", TlsVersions::OneTwoAndThree),
    ("TLSv1.2_2018", TlsVersions::OneTwoAndThree),
    ("TLSv1.2_2019", TlsVersions::OneTwoAndThree),
    ("TLSv1.2_2021", TlsVersions::OneTwoAndThree),
    ("TLSv1.2_2025", TlsVersions::OneTwoAndThree),
    ("TLSv1.3_2025", TlsVersions::OneThree),
];

impl FromStr for TlsVersions {
    type Err = UnknownSecurityPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownSecurityPolicy> {
        POLICIES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, versions)| *versions)
            .ok_or_else(|| UnknownSecurityPolicy {
                name: name.to_owned(),
            })
    }
}
