use std::os::unix::fs::PermissionsExt;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A handshake in memory: the protocol version, or what the client objected to.
async fn handshake(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    name: &str,
) -> Result<rustls::ProtocolVersion, String> {
    let (near, far) = duplex(64 * 1024);
    let accept = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(server).accept(far).await?;
        stream.write_all(b"hello").await?;
        stream.shutdown().await
    });
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = TlsConnector::from(client)
        .connect(name, near)
        .await
        .map_err(|error| error.to_string())?;
    let mut hello = String::new();
    stream.read_to_string(&mut hello).await.unwrap();
    assert_eq!(hello, "hello");
    accept.await.unwrap().unwrap();
    Ok(stream.get_ref().1.protocol_version().unwrap())
}

#[tokio::test]
async fn a_listener_answers_for_its_own_names_only() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open(directory.path()).unwrap());
    let server = server_config(
        &authority,
        &names(&["api.kickytime.example", "*.s3.ap-northeast-2.amazonaws.com"]),
        TlsVersions::OneTwoAndThree,
        true,
    )
    .unwrap();
    for good in [
        "api.kickytime.example",
        "web.s3.ap-northeast-2.amazonaws.com",
    ] {
        let version = handshake(Arc::clone(&server), authority.client_config(), good).await;
        assert_eq!(version.unwrap(), rustls::ProtocolVersion::TLSv1_3, "{good}");
    }
    for bad in [
        "db.kickytime.example",
        "a.b.s3.ap-northeast-2.amazonaws.com",
    ] {
        let refusal = handshake(Arc::clone(&server), authority.client_config(), bad).await;
        assert!(
            refusal.as_ref().unwrap_err().contains("not valid for name"),
            "{bad}: {refusal:?}"
        );
    }
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let ours = tempfile::tempdir().unwrap();
    let theirs = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open(ours.path()).unwrap());
    let stranger = Authority::open(theirs.path()).unwrap();
    let server = server_config(
        &authority,
        &names(&["a.example"]),
        TlsVersions::OneTwoAndThree,
        true,
    )
    .unwrap();
    let refusal = handshake(server, stranger.client_config(), "a.example")
        .await
        .unwrap_err();
    assert!(refusal.contains("invalid peer certificate"), "{refusal}");
}

#[tokio::test]
async fn the_policy_decides_the_versions() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open(directory.path()).unwrap());
    let config =
        |versions| server_config(&authority, &names(&["a.example"]), versions, false).unwrap();
    let old = handshake(
        config(TlsVersions::OneTwo),
        authority.client_config(),
        "a.example",
    )
    .await;
    assert_eq!(old.unwrap(), rustls::ProtocolVersion::TLSv1_2);
    let new = handshake(
        config(TlsVersions::OneThree),
        authority.client_config(),
        "a.example",
    )
    .await;
    assert_eq!(new.unwrap(), rustls::ProtocolVersion::TLSv1_3);
}

#[test]
fn the_authority_is_kept_and_its_key_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let first = Authority::open(directory.path()).unwrap();
    let again = Authority::open(directory.path()).unwrap();
    assert_eq!(first.certificate(), again.certificate());
    let mode = |name: &str| {
        std::fs::metadata(directory.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("ca-key.pem"), 0o600);
    assert_eq!(mode("ca.pem"), 0o644);
    let files = first
        .certificate_files(directory.path(), "db", &names(&["db.example"]))
        .unwrap();
    assert_eq!(mode("db-key.pem"), 0o600);
    assert!(
        std::fs::read_to_string(files.certificate)
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE")
    );
    assert!(!format!("{first:?}").contains("key:"), "{first:?}");
}

#[test]
fn a_damaged_authority_is_named_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    Authority::open(directory.path()).unwrap();
    Authority::open(other.path()).unwrap();
    // a key that belongs to another certificate
    std::fs::copy(
        other.path().join("ca-key.pem"),
        directory.path().join("ca-key.pem"),
    )
    .unwrap();
    let error = Authority::open(directory.path()).unwrap_err();
    assert!(
        matches!(&error, AuthorityError::Damaged { path } if path.ends_with("ca-key.pem")),
        "{error}"
    );
    std::fs::write(directory.path().join("ca.pem"), "no certificate").unwrap();
    let error = Authority::open(directory.path()).unwrap_err();
    assert!(
        matches!(&error, AuthorityError::Damaged { path } if path.ends_with("ca.pem")),
        "{error}"
    );
}

#[test]
fn a_name_no_certificate_can_carry_is_refused_before_the_first_handshake() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open(directory.path()).unwrap());
    let refused = server_config(
        &authority,
        &names(&["매치.example"]),
        TlsVersions::OneThree,
        true,
    );
    assert!(matches!(refused, Err(AuthorityError::Name { name }) if name == "매치.example"));
    let none = server_config(&authority, &[], TlsVersions::OneThree, true);
    assert!(matches!(none, Err(AuthorityError::NoNames)));
}
