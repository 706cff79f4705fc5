//! Which resource is meant, under which ARN, and what does a call on it imply?

use std::collections::BTreeMap;

use model::{LogicalId, Model};

use super::Call;

/// A resource of a call.
#[derive(Clone, Debug)]
pub struct Resource {
    /// As it was asked for.
    pub name: String,
    /// In the template, when it is there.
    pub id: Option<LogicalId>,
    pub arn: String,
    /// The account that owns it, when that is known to be another's or ours.
    pub account: Option<String>,
    pub tags: BTreeMap<String, String>,
}

impl Resource {
    /// A logical id, an ARN or `*`.
    pub(crate) fn find(model: &Model, action: &str, name: &str) -> Option<Self> {
        let account = model.stack.account_id.clone();
        if name == "*" || name.starts_with("arn:") {
            let owner = name.split(':').nth(4).filter(|owner| !owner.is_empty());
            return Some(Self {
                name: name.to_owned(),
                id: by_arn(model, name),
                arn: name.to_owned(),
                account: Some(owner.map_or(account, str::to_owned)),
                tags: BTreeMap::new(),
            });
        }
        let resource = model.stack.resources.get(name)?;
        let attribute = |attribute: &str| {
            let symbol = cfn::Symbol::GetAtt(name.to_owned(), attribute.to_owned());
            model.resolve(&symbol)
        };
        let reference = model.resolve(&cfn::Symbol::Ref(name.to_owned()));
        let arn = match resource.resource_type.as_str() {
            "AWS::RDS::DBInstance" => attribute("DBInstanceArn"),
            "AWS::SSM::Parameter" => reference.map(|parameter| {
                let (partition, region) = (&model.stack.partition, &model.stack.region);
                let parameter = parameter.trim_start_matches('/');
                format!("arn:{partition}:ssm:{region}:{account}:parameter/{parameter}")
            }),
            _ => attribute("Arn").or(reference),
        }?;
        Some(Self {
            name: name.to_owned(),
            arn: narrowed(action, &resource.resource_type, arn),
            id: Some(LogicalId::new(name)),
            account: Some(account),
            tags: tags(model, name),
        })
    }
}

/// The ARN of what an action is really about: an object of a bucket, a stream
/// of a log group. (Service Authorization Reference, "Resource types")
fn narrowed(action: &str, resource_type: &str, arn: String) -> String {
    let action = action.to_ascii_lowercase();
    match resource_type {
        "AWS::S3::Bucket" if action.contains("object") || action.contains("upload") => {
            format!("{arn}/object")
        }
        "AWS::Logs::LogGroup" => {
            let group = arn.trim_end_matches(":*");
            match action.as_str() {
                "logs:putlogevents" | "logs:getlogevents" | "logs:deletelogstream" => {
                    format!("{group}:log-stream:stream")
                }
                _ => format!("{group}:*"),
            }
        }
        _ => arn,
    }
}

fn by_arn(model: &Model, arn: &str) -> Option<LogicalId> {
    let keys = model.keys.values().map(|key| (&key.id, &key.arn));
    let secrets = model
        .secrets
        .values()
        .map(|secret| (&secret.id, &secret.arn));
    let buckets = model
        .buckets
        .values()
        .map(|bucket| (&bucket.id, &bucket.arn));
    let repositories = model.repositories.values().map(|one| (&one.id, &one.arn));
    let roles = model.roles.values().map(|role| (&role.id, &role.arn));
    let mut all = keys
        .chain(secrets)
        .chain(buckets)
        .chain(repositories)
        .chain(roles);
    let found = all.find(|(_, own)| {
        *own == arn
            || arn
                .strip_prefix(own.as_str())
                .is_some_and(|rest| rest.starts_with('/'))
    })?;
    Some(found.0.clone())
}

/// The tags of any resource, in either spelling.
pub(crate) fn tags(model: &Model, id: &str) -> BTreeMap<String, String> {
    let Some(resource) = model.stack.resources.get(id) else {
        return BTreeMap::new();
    };
    let names = ["Tags", "UserPoolTags"];
    let Some(value) = names.iter().find_map(|name| resource.properties.get(name)) else {
        return BTreeMap::new();
    };
    let as_map = value
        .entries()
        .filter_map(|(key, value)| Some((key.to_owned(), model.text(value)?)));
    let as_list = value
        .items()
        .iter()
        .filter_map(|tag| Some((model.text(tag.get("Key")?)?, model.text(tag.get("Value")?)?)));
    as_map.chain(as_list).collect()
}

/// The calls that are made on the caller's behalf, and count against its own
/// permissions. (KMS Developer Guide, "How AWS services use AWS KMS")
pub(crate) fn implied<'a>(model: &Model, call: &Call<'a>) -> Vec<(Call<'a>, String)> {
    let Some(id) = &call.resource.id else {
        return Vec::new();
    };
    let action = call.action.to_ascii_lowercase();
    let region = &model.stack.region;
    let (key, actions, service, encryption): (_, &[&str], _, _) = match action.as_str() {
        "secretsmanager:getsecretvalue" | "secretsmanager:putsecretvalue" => {
            let Some(secret) = model.secrets.get(id) else {
                return Vec::new();
            };
            let writes = action.ends_with("putsecretvalue");
            let actions: &[&str] = if writes {
                &["Decrypt", "GenerateDataKey"]
            } else {
                &["Decrypt"]
            };
            (
                &secret.key,
                actions,
                "secretsmanager",
                ("SecretARN", secret.arn.clone()),
            )
        }
        "s3:getobject" | "s3:putobject" => {
            let Some(bucket) = model.buckets.get(id) else {
                return Vec::new();
            };
            let actions: &[&str] = if action.ends_with("putobject") {
                &["GenerateDataKey"]
            } else {
                &["Decrypt"]
            };
            (
                &bucket.key,
                actions,
                "s3",
                ("aws:s3:arn", bucket.arn.clone()),
            )
        }
        _ => return Vec::new(),
    };
    let Some(key) = key.as_ref().and_then(|key| model.keys.get(key)) else {
        return Vec::new();
    };
    let because = format!("{id} is encrypted with {}", key.id);
    let make = |name: &&str| {
        let action = format!("kms:{name}");
        let context = call
            .context
            .clone()
            .with(
                "kms:ViaService",
                format!("{service}.{region}.amazonaws.com"),
            )
            .with(
                &format!("kms:EncryptionContext:{}", encryption.0),
                encryption.1.as_str(),
            );
        let resource = Resource::find(model, &action, key.id.as_str())?;
        let call = Call {
            action,
            resource,
            context,
            endpoint: None,
        };
        Some((call, because.clone()))
    };
    actions.iter().filter_map(make).collect()
}
