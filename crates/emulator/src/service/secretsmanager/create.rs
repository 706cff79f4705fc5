//! From seed to secret: when is there a new version, and what does it hold?
//!
//! As with CloudFormation, a secret's value changes when its description changes and stays
//! otherwise. An attachment adds the database's address to the JSON, in a new version if the address
//! is not there yet.

use aws_lc_rs::digest;
use serde_json::{Map, Value};

use super::password;
use super::state::{self, CURRENT, Secret, SecretValue, VersionChoice};
use super::{disk, state::Version};
use crate::clock::Timestamp;
use crate::emulator::OpenError;
use crate::random;
use crate::seed::{SecretContent, SecretSeed, TargetAttachment};
use crate::service::kms::keyring::{CipherError, Keyring};
use crate::store::Store;

/// The secret as kept, brought up to what the seed says.
pub(super) fn from_seed(
    store: &Store,
    keys: &Keyring,
    seed: &SecretSeed,
    now: Timestamp,
) -> Result<Secret, OpenError> {
    let no_key = |key: &str| OpenError::Key {
        resource: seed.arn.clone(),
        key: key.to_owned(),
    };
    if let Some(key) = seed
        .kms_key
        .as_deref()
        .filter(|key| keys.find(key).is_none())
    {
        return Err(no_key(key));
    }
    let unusable = |_: CipherError| no_key(seed.kms_key.as_deref().unwrap_or("aws/secretsmanager"));
    let kept = disk::load(store, keys, seed)?;
    let mut changed = false;
    let mut secret = kept.unwrap_or_else(|| disk::blank(keys, seed, now));
    if secret.arn != seed.arn {
        // replaced under the same name: the values do not carry over, their context is the old ARN
        secret = disk::blank(keys, seed, now);
    }
    let mark = mark_of(&seed.content);
    if secret.seed_mark != mark {
        let value = SecretValue::Text(first_value(seed)?);
        add_current(keys, &mut secret, &value, now).map_err(unusable)?;
        secret.seed_mark = mark;
        changed = true;
    }
    if let Some(attachment) = &seed.attachment
        && let Some(value) = attached(keys, &secret, attachment).map_err(unusable)?
    {
        add_current(keys, &mut secret, &value, now).map_err(unusable)?;
        changed = true;
    }
    if changed {
        disk::save(store, keys, &secret)?;
    }
    Ok(secret)
}

fn first_value(seed: &SecretSeed) -> Result<String, OpenError> {
    match &seed.content {
        SecretContent::Text(text) => Ok(text.expose().to_owned()),
        SecretContent::Generated(spec) => {
            password::secret_string(spec).map_err(|source| OpenError::Password {
                name: seed.name.clone(),
                source,
            })
        }
    }
}

fn add_current(
    keys: &Keyring,
    secret: &mut Secret,
    value: &SecretValue,
    now: Timestamp,
) -> Result<(), CipherError> {
    let id = random::uuid();
    let version = state::seal(keys, secret, &id, value, now)?;
    let stages = [CURRENT.to_owned()].into();
    secret.add_version(&id, Version { stages, ..version }, now);
    Ok(())
}

/// The current value with the attachment's members, if it does not have them already.
fn attached(
    keys: &Keyring,
    secret: &Secret,
    attachment: &TargetAttachment,
) -> Result<Option<SecretValue>, CipherError> {
    let current = secret.version(VersionChoice {
        id: None,
        stage: None,
    });
    let Some((id, version)) = current else {
        return Ok(None);
    };
    let SecretValue::Text(text) = state::unseal(keys, secret, id, version)? else {
        return Ok(None);
    };
    let Ok(Value::Object(before)) = serde_json::from_str(&text) else {
        return Ok(None);
    };
    let after = with_members(before.clone(), attachment);
    Ok((after != before).then(|| SecretValue::Text(Value::Object(after).to_string())))
}

fn with_members(mut members: Map<String, Value>, at: &TargetAttachment) -> Map<String, Value> {
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("engine", Value::from(at.engine.as_str()));
    put("host", Value::from(at.host.as_str()));
    put("port", Value::from(at.port));
    for (name, value) in [
        ("dbname", &at.dbname),
        ("dbInstanceIdentifier", &at.db_instance_identifier),
    ] {
        if let Some(value) = value {
            put(name, Value::from(value.as_str()));
        }
    }
    if let Some(username) = &at.username {
        members
            .entry("username")
            .or_insert_with(|| Value::from(username.as_str()));
    }
    members
}

/// A digest of the description: equal descriptions, equal marks.
fn mark_of(content: &SecretContent) -> String {
    let text = match content {
        SecretContent::Text(text) => format!("text:{}", text.expose()),
        SecretContent::Generated(spec) => format!("generated:{spec:?}"),
    };
    random::hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}
