use proptest::prelude::*;

use super::*;

const PREFIX: &str = "arn:aws:kms:ap-northeast-2:111122223333:key/";

fn policy() -> PolicyDocument {
    PolicyDocument::parse(&serde_json::json!({"Version": "2012-10-17", "Statement": []})).unwrap()
}

fn seed(id: &str) -> KeySeed {
    KeySeed {
        id: id.to_owned(),
        arn: format!("{PREFIX}{id}"),
        aliases: vec![format!("alias/{id}")],
        description: String::new(),
        policy: policy(),
        rotation: true,
        enabled: true,
        tags: Tags::new(),
    }
}

fn ring(store: &Store, now: i64) -> Keyring {
    Keyring::open(store, &[seed("one"), seed("two")], PREFIX, Timestamp(now)).unwrap()
}

fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

#[test]
fn a_key_goes_by_four_names_and_no_other() {
    let ring = ring(&Store::memory(), 0);
    for name in [
        "one",
        "alias/one",
        "arn:aws:kms:ap-northeast-2:111122223333:key/one",
        "arn:aws:kms:ap-northeast-2:111122223333:alias/one",
    ] {
        assert_eq!(
            ring.find(name).map(|key| key.id.as_str()),
            Some("one"),
            "{name}"
        );
    }
    for name in [
        "",
        "three",
        "alias/three",
        "arn:aws:kms:us-east-1:111122223333:key/one",
        "arn:",
    ] {
        assert!(ring.find(name).is_none(), "{name}");
    }
}

#[test]
fn the_context_must_be_the_same() {
    let ring = ring(&Store::memory(), 0);
    let blob = ring
        .encrypt("one", b"secret", &context(&[("a", "b")]))
        .unwrap();
    assert_eq!(
        ring.decrypt(&blob, &context(&[("a", "b")])).unwrap(),
        b"secret"
    );
    for other in [context(&[]), context(&[("a", "c")]), context(&[("ab", "")])] {
        assert_eq!(
            ring.decrypt(&blob, &other),
            Err(CipherError::InvalidCiphertext)
        );
    }
}

#[test]
fn rotated_keys_still_open_what_the_old_version_closed() {
    let store = Store::memory();
    let blob = ring(&store, 0)
        .encrypt("one", b"old", &context(&[]))
        .unwrap();
    let later = ring(&store, YEAR_SECONDS * 1_000);
    assert_eq!(later.keys["one"].versions.len(), 2);
    assert_eq!(later.decrypt(&blob, &context(&[])).unwrap(), b"old");
    assert_eq!(
        ring(&store, YEAR_SECONDS * 1_000 + 1).keys["one"]
            .versions
            .len(),
        2
    );
}

#[test]
fn a_disabled_key_does_nothing() {
    let store = Store::memory();
    let blob = ring(&store, 0).encrypt("one", b"x", &context(&[])).unwrap();
    let disabled = KeySeed {
        enabled: false,
        ..seed("one")
    };
    let ring = Keyring::open(&store, &[disabled], PREFIX, Timestamp(0)).unwrap();
    let expected = CipherError::Disabled(format!("{PREFIX}one"));
    assert_eq!(ring.encrypt("one", b"x", &context(&[])), Err(expected));
    assert!(matches!(
        ring.decrypt(&blob, &context(&[])),
        Err(CipherError::Disabled(_))
    ));
}

proptest! {
    #[test]
    fn no_byte_of_a_ciphertext_can_change(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let ring = ring(&Store::memory(), 0);
        let mut blob = ring.encrypt("one", b"the quick brown fox", &context(&[])).unwrap();
        let at = at.index(blob.len());
        blob[at] ^= flip;
        prop_assert_eq!(ring.decrypt(&blob, &context(&[])), Err(CipherError::InvalidCiphertext));
    }

    #[test]
    fn noise_is_refused_without_panic(noise in prop::collection::vec(any::<u8>(), 0..100)) {
        let ring = ring(&Store::memory(), 0);
        prop_assert!(ring.decrypt(&noise, &context(&[])).is_err());
    }
}
