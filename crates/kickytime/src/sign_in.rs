//! The people who can sign in from the start, with passwords of their own.
//!
//! Passwords are made at the first start and kept in the state directory,
//! readable by its owner alone: none stands in the repository.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use emulator::Sensitive;
use region::apply::status::ShownSignIn;
use region::plan::SignIn;
use serde_json::{Value as Json, json};

use crate::error::CommandError;

const FILE: &str = "sign-ins.json";
const GROUP: &str = "admin";
/// Letters and digits that are not taken for one another.
const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Twelve characters of 32 are 60 bits; with the rest, any policy is met.
const RANDOM_CHARACTERS: usize = 12;

/// Somebody seeded into the user pool.
pub(crate) struct Person {
    email: &'static str,
    nickname: &'static str,
    is_admin: bool,
    password: Sensitive,
}

const PEOPLE: [(&str, &str, bool); 3] = [
    ("admin@kickytime.test", "Admin", true),
    ("minji@kickytime.test", "민지", false),
    ("junho@kickytime.test", "준호", false),
];

/// The people, with the passwords of earlier starts.
pub(crate) fn people(state: &Path) -> Result<Vec<Person>, CommandError> {
    let path = state.join(FILE);
    let failed = |source| CommandError::Read {
        path: path.clone(),
        source,
    };
    let known: Json = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|fault| failed(io::Error::new(io::ErrorKind::InvalidData, fault)))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => json!({}),
        Err(error) => return Err(failed(error)),
    };
    let mut people = Vec::new();
    for (email, nickname, is_admin) in PEOPLE {
        let password = match known[email].as_str() {
            Some(password) => password.to_owned(),
            None => new_password().map_err(failed)?,
        };
        people.push(Person {
            email,
            nickname,
            is_admin,
            password: Sensitive(password),
        });
    }
    let all: serde_json::Map<_, _> = people
        .iter()
        .map(|person| (person.email.to_owned(), json!(person.password.expose())))
        .collect();
    let all = Json::Object(all);
    if all != known {
        replace(&path, all.to_string().as_bytes()).map_err(failed)?;
    }
    Ok(people)
}

/// The whole file at once: a full disk must not cost the passwords that were.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

fn new_password() -> io::Result<String> {
    let mut random = [0; RANDOM_CHARACTERS];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    // 256 is a multiple of 32, so every character is as likely
    let text = random
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    // one of each kind that a password policy may ask for
    Ok(format!("Kt-{}-9", text.collect::<String>()))
}

pub(crate) fn for_plan(people: &[Person]) -> Vec<SignIn> {
    people
        .iter()
        .map(|person| SignIn {
            email: person.email.to_owned(),
            nickname: person.nickname.to_owned(),
            password: person.password.clone(),
            groups: if person.is_admin {
                vec![GROUP.to_owned()]
            } else {
                Vec::new()
            },
        })
        .collect()
}

pub(crate) fn for_status(people: &[Person]) -> Vec<ShownSignIn> {
    people
        .iter()
        .map(|person| ShownSignIn {
            email: person.email.to_owned(),
            password: person.password.clone(),
            role: if person.is_admin { "admin" } else { "player" }.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_made_once_and_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        let first = people(state.path()).unwrap();
        let second = people(state.path()).unwrap();
        assert!(
            first
                .iter()
                .zip(&second)
                .all(|(a, b)| a.password == b.password)
        );
        assert_ne!(first[0].password, first[1].password);
        let mode = std::fs::metadata(state.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
