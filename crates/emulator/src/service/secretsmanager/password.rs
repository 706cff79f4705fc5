//! What a generated secret looks like: `GenerateSecretString` and `GetRandomPassword`.
//!
//! Character kinds and their default set are those of the Secrets Manager API reference,
//! `GetRandomPassword`.

use serde_json::Value;

use crate::random;
use crate::seed::GenerateSecretString;

/// Why a description of a password cannot be met.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// The length is outside what AWS allows.
    #[error("password length {0} is not between 1 and 4096")]
    Length(usize),
    /// Everything was excluded.
    #[error("no character is left to choose from")]
    NothingLeft,
    /// More kinds are required than characters wanted.
    #[error("{kinds} kinds of characters are required in {length} characters")]
    TooShort {
        /// Kinds that are left in.
        kinds: usize,
        /// The length wanted.
        length: usize,
    },
    /// Template and key go together.
    #[error("SecretStringTemplate and GenerateStringKey must be given together")]
    HalfTemplate,
    /// The template is not a JSON object.
    #[error("SecretStringTemplate is not a JSON object")]
    Template,
}

const LOWERCASE: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPERCASE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// A whole secret string: the password alone, or the template with the password in its place.
pub(crate) fn secret_string(spec: &GenerateSecretString) -> Result<String, PasswordError> {
    let password = password(spec)?;
    match (&spec.secret_string_template, &spec.generate_string_key) {
        (None, None) => Ok(password),
        (Some(template), Some(key)) => {
            let mut value: Value =
                serde_json::from_str(template).map_err(|_| PasswordError::Template)?;
            value
                .as_object_mut()
                .ok_or(PasswordError::Template)?
                .insert(key.clone(), Value::String(password));
            Ok(value.to_string())
        }
        _ => Err(PasswordError::HalfTemplate),
    }
}

/// A password as described.
pub(crate) fn password(spec: &GenerateSecretString) -> Result<String, PasswordError> {
    let length = spec.password_length;
    if !(1..=4_096).contains(&length) {
        return Err(PasswordError::Length(length));
    }
    let kinds = kinds(spec);
    let all: Vec<u8> = kinds.concat();
    if all.is_empty() {
        return Err(PasswordError::NothingLeft);
    }
    let mut out = Vec::with_capacity(length);
    if spec.require_each_included_type {
        if kinds.len() > length {
            return Err(PasswordError::TooShort {
                kinds: kinds.len(),
                length,
            });
        }
        out.extend(kinds.iter().map(|kind| kind[random::below(kind.len())]));
    }
    while out.len() < length {
        out.push(all[random::below(all.len())]);
    }
    shuffle(&mut out);
    Ok(String::from_utf8(out).expect("every kind is ASCII"))
}

/// The kinds left in, each without the excluded characters and none empty.
fn kinds(spec: &GenerateSecretString) -> Vec<Vec<u8>> {
    let space = if spec.include_space { " " } else { "" };
    [
        (LOWERCASE, spec.exclude_lowercase),
        (UPPERCASE, spec.exclude_uppercase),
        (NUMBERS, spec.exclude_numbers),
        (PUNCTUATION, spec.exclude_punctuation),
        (space, false),
    ]
    .into_iter()
    .filter(|(_, excluded)| !excluded)
    .map(|(kind, _)| {
        kind.bytes()
            .filter(|byte| !spec.exclude_characters.as_bytes().contains(byte))
            .collect()
    })
    .filter(|kind: &Vec<u8>| !kind.is_empty())
    .collect()
}

/// Fisher and Yates.
fn shuffle(out: &mut [u8]) {
    for last in (1..out.len()).rev() {
        out.swap(last, random::below(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_template_keeps_its_members_and_gains_the_password() {
        let spec = GenerateSecretString {
            exclude_characters: "\"@/\\".to_owned(),
            secret_string_template: Some(r#"{"username":"kickytime"}"#.to_owned()),
            generate_string_key: Some("password".to_owned()),
            ..GenerateSecretString::default()
        };
        let value: Value = serde_json::from_str(&secret_string(&spec).unwrap()).unwrap();
        assert_eq!(value["username"], "kickytime");
        assert_eq!(value["password"].as_str().unwrap().len(), 32);
    }

    #[test]
    fn what_cannot_be_met_is_said() {
        let all_out = GenerateSecretString {
            exclude_lowercase: true,
            exclude_uppercase: true,
            exclude_numbers: true,
            exclude_punctuation: true,
            ..GenerateSecretString::default()
        };
        assert_eq!(password(&all_out), Err(PasswordError::NothingLeft));
        let length = |password_length| GenerateSecretString {
            password_length,
            ..Default::default()
        };
        assert_eq!(password(&length(0)), Err(PasswordError::Length(0)));
        assert_eq!(
            password(&length(3)),
            Err(PasswordError::TooShort {
                kinds: 4,
                length: 3
            })
        );
        let half = GenerateSecretString {
            generate_string_key: Some("k".into()),
            ..Default::default()
        };
        assert_eq!(secret_string(&half), Err(PasswordError::HalfTemplate));
    }

    proptest! {
        #[test]
        fn every_password_is_as_described(
            password_length in 5usize..200,
            exclude_characters in "[a-m0-4!-/]{0,20}",
            flags: [bool; 5],
        ) {
            let spec = GenerateSecretString {
                password_length,
                exclude_characters,
                exclude_lowercase: flags[0],
                exclude_uppercase: flags[1],
                exclude_numbers: flags[2],
                exclude_punctuation: false,
                include_space: flags[3],
                require_each_included_type: flags[4],
                ..GenerateSecretString::default()
            };
            let made = password(&spec).unwrap();
            prop_assert_eq!(made.len(), password_length);
            prop_assert!(!made.chars().any(|c| spec.exclude_characters.contains(c)));
            let has = |kind: &str| made.chars().any(|c| kind.contains(c));
            for (kind, excluded) in [(LOWERCASE, flags[0]), (UPPERCASE, flags[1]), (NUMBERS, flags[2])] {
                prop_assert!(!(excluded && has(kind)));
                prop_assert!(excluded || !flags[4] || has(kind));
            }
            prop_assert!(flags[3] || !has(" "));
        }
    }
}
