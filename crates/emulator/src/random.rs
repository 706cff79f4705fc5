//! Where does chance come from? The operating system, through the one crypto provider.

use std::fmt::Write as _;

use aws_lc_rs::rand;

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    fill(&mut out);
    out
}

/// Fills a buffer with random bytes.
pub(crate) fn fill(out: &mut [u8]) {
    rand::fill(out).expect("the kernel's generator cannot fail once seeded");
}

/// A number below `bound`, every one equally likely.
pub(crate) fn below(bound: usize) -> usize {
    assert!(bound > 0, "nothing is below zero");
    let bound = bound as u64;
    let fair = u64::MAX - u64::MAX % bound;
    loop {
        let drawn = u64::from_le_bytes(bytes());
        if drawn < fair {
            return usize::try_from(drawn % bound).expect("below a usize");
        }
    }
}

/// `length` characters of `alphabet`, which is ASCII.
pub(crate) fn text(alphabet: &[u8], length: usize) -> String {
    (0..length)
        .map(|_| char::from(alphabet[below(alphabet.len())]))
        .collect()
}

/// A version 4 UUID (RFC 9562 §5.4), the shape of AWS request, key and version ids.
pub(crate) fn uuid() -> String {
    let mut raw: [u8; 16] = bytes();
    raw[6] = raw[6] & 0x0f | 0x40;
    raw[8] = raw[8] & 0x3f | 0x80;
    let mut out = String::with_capacity(36);
    for (index, byte) in raw.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        write!(out, "{byte:02x}").expect("a String takes any text");
    }
    out
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            write!(out, "{byte:02x}").expect("a String takes any text");
            out
        })
}

/// Letters and digits.
pub(crate) const ALPHANUMERIC: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// The alphabet of access key ids.
pub(crate) const UPPER_BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_version_and_variant() {
        let id = uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]), "{id}");
        assert_ne!(id, uuid());
    }

    #[test]
    fn every_number_below_the_bound_occurs() {
        let mut seen = [false; 7];
        for _ in 0..2_000 {
            seen[below(7)] = true;
        }
        assert_eq!(seen, [true; 7]);
    }
}
