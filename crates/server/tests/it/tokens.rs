//! Which tokens are good, and what happens when the key set is not there.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use server::token::{TokenError, Verifier};

use crate::people::{KeySet, PoolKey, access_claims, cognito, id_claims, now_s};

fn with(mut claims: Value, field: &str, value: Value) -> Value {
    claims[field] = value;
    claims
}

#[tokio::test]
async fn only_tokens_of_this_pool_client_use_and_time() {
    let key = PoolKey::usual();
    let verifier = Verifier::new(&cognito(), KeySet::with(std::slice::from_ref(key)));
    let good = access_claims("s");
    assert_eq!(
        verifier.access(&key.sign(&good)).await.expect("good").sub,
        "s"
    );
    let cases = [
        (
            "another pool",
            with(
                good.clone(),
                "iss",
                json!("https://cognito-idp.example/other"),
            ),
        ),
        (
            "another client",
            with(good.clone(), "client_id", json!("other")),
        ),
        ("an ID token", id_claims("s", "s@example.com", &[])),
        ("expired", with(good.clone(), "exp", json!(now_s() - 60))),
        (
            "not yet valid",
            with(good.clone(), "nbf", json!(now_s() + 600)),
        ),
        ("no expiry", with(good.clone(), "exp", Value::Null)),
        ("no subject", with(good.clone(), "sub", Value::Null)),
    ];
    for (what, claims) in cases {
        verifier.access(&key.sign(&claims)).await.expect_err(what);
    }
    let id = id_claims("s", "s@example.com", &["admin"]);
    assert!(verifier.id(&key.sign(&id)).await.expect("good").is_admin());
    for (what, claims) in [
        ("another client", with(id.clone(), "aud", json!("other"))),
        ("an access token", good.clone()),
        ("no audience", with(id, "aud", Value::Null)),
    ] {
        verifier.id(&key.sign(&claims)).await.expect_err(what);
    }
    // the leeway forgives a clock that is a little ahead
    verifier
        .access(&key.sign(&with(good, "exp", json!(now_s() - 5))))
        .await
        .expect("within leeway");
}

#[tokio::test]
async fn a_signature_must_be_the_pools_rs256() {
    let key = PoolKey::usual();
    let verifier = Verifier::new(&cognito(), KeySet::with(std::slice::from_ref(key)));
    let claims = access_claims("s");
    // another key under the same id
    let forged = PoolKey::generate(key.kid).sign(&claims);
    assert!(matches!(
        verifier.access(&forged).await,
        Err(TokenError::Forged)
    ));
    // HMAC keyed with something public, the classic confusion
    let header = Header {
        kid: Some(key.kid.into()),
        ..Header::new(Algorithm::HS256)
    };
    let confused = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(b"public"))
        .expect("signed");
    assert!(matches!(
        verifier.access(&confused).await,
        Err(TokenError::Forged)
    ));
    // no signature at all
    let unsigned = format!(
        "eyJhbGciOiJub25lIiwia2lkIjoidXN1YWwifQ.{}.",
        confused.split('.').nth(1).expect("claims")
    );
    verifier.access(&unsigned).await.expect_err("alg none");
    for noise in ["", ".", "a.b.c", &"x".repeat(100_000)] {
        verifier.access(noise).await.expect_err("noise");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_is_found_with_bounded_fetches() {
    let (old, new) = (PoolKey::usual().clone(), PoolKey::generate("new"));
    let set = KeySet::with(std::slice::from_ref(&old));
    let reads = set.reads.clone();
    let verifier = Verifier::new(&cognito(), set.clone());
    let (by_old, by_new) = (old.sign(&access_claims("s")), new.sign(&access_claims("s")));
    verifier.access(&by_old).await.expect("known");
    verifier.access(&by_old).await.expect("known");
    assert_eq!(reads.load(Ordering::Relaxed), 1);

    for _ in 0..50 {
        assert!(matches!(
            verifier.access(&by_new).await,
            Err(TokenError::UnknownKey)
        ));
    }
    assert_eq!(
        reads.load(Ordering::Relaxed),
        1,
        "just fetched: not again for an unknown id"
    );
    set.publish(Some(&[old, new]));
    tokio::time::advance(Duration::from_secs(11)).await;
    verifier.access(&by_new).await.expect("rotated in");
    assert_eq!(reads.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn known_keys_stay_good_while_the_set_is_away() {
    let key = PoolKey::usual();
    let set = KeySet::default();
    let reads = set.reads.clone();
    let verifier = Verifier::new(&cognito(), set.clone());
    let token = key.sign(&access_claims("s"));
    for _ in 0..20 {
        assert!(matches!(
            verifier.access(&token).await,
            Err(TokenError::KeysUnavailable)
        ));
    }
    assert_eq!(
        reads.load(Ordering::Relaxed),
        1,
        "not once for each request"
    );
    set.publish(Some(std::slice::from_ref(key)));
    tokio::time::advance(Duration::from_secs(2)).await;
    verifier.access(&token).await.expect("the set is back");

    set.publish(None);
    tokio::time::advance(Duration::from_secs(2 * 3600)).await;
    // the token has not expired: its time is the wall clock's
    verifier.access(&token).await.expect("stale, but known");
    tokio::task::yield_now().await;
    assert!(reads.load(Ordering::Relaxed) >= 3, "renewal was tried");
    verifier.access(&token).await.expect("still known");
}
