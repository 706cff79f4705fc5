//! What the account holds when the region starts.

use emulator::{
    BucketSeed, DocumentSeed, Encryption, GenerateSecretString, GroupSeed, InstanceSeed, KeySeed,
    LogGroupSeed, ParameterSeed, PasswordPolicy, PoolClientSeed, PoolUserSeed, RepositorySeed,
    RoleSeed, SecretContent, SecretSeed, Seed, TargetAttachment, TokenValidity, UserPoolSeed,
    UserSeed,
};
use iam::{Named, PolicyDocument};
use model::{LogicalId, Model, Secret, UserPool};
use serde_json::{Value as Json, json};

use super::fault::{Faults, POLICY_HINT};
use super::settings::Settings;
use super::workload::instance_facts;

mod stack;

/// The IAM user of the person at the keyboard.
pub const OPERATOR: &str = "operator";

pub(super) fn seed(model: &Model, settings: &Settings, faults: &mut Faults) -> Seed {
    let stack = &model.stack;
    Seed {
        account: stack.account_id.clone(),
        region: stack.region.clone(),
        partition: stack.partition.clone(),
        roles: model
            .roles
            .values()
            .map(|role| self::role(role, faults))
            .collect(),
        users: vec![operator(model, faults)],
        keys: keys(model, faults),
        secrets: model
            .secrets
            .values()
            .map(|secret| self::secret(model, secret))
            .collect(),
        log_groups: log_groups(model),
        buckets: buckets(model, faults),
        repositories: repositories(model, faults),
        user_pools: model
            .user_pools
            .values()
            .map(|pool| user_pool(model, pool, settings))
            .collect(),
        instances: instances(model),
        documents: documents(model),
        parameters: parameters(model),
        databases: stack::databases(model),
        stacks: vec![stack::stack(model)],
    }
}

/// The instances of Auto Scaling groups, as their metadata service describes them.
fn instances(model: &Model) -> Vec<InstanceSeed> {
    let mut seeds = Vec::new();
    for group in model.auto_scaling_groups.values() {
        let template = group.launch_template.as_ref();
        let Some(template) = template.and_then(|id| model.launch_templates.get(id)) else {
            continue;
        };
        for eni in model.enis_of(&group.id) {
            let Some(facts) = instance_facts(model, template, eni) else {
                continue;
            };
            let mut tags = template.tags.clone();
            // what EC2 Auto Scaling adds, and CloudFormation to the group for its instances
            for (name, value) in [
                ("aws:autoscaling:groupName", group.name.as_str()),
                ("aws:cloudformation:logical-id", group.id.as_str()),
                ("aws:cloudformation:stack-name", &model.stack.stack_name),
            ] {
                tags.insert(name.to_owned(), value.to_owned());
            }
            seeds.push(InstanceSeed {
                id: facts.instance_id,
                image_id: facts.image_id,
                instance_type: facts.instance_type,
                architecture: facts.architecture,
                private_ip: facts.local_ipv4,
                private_dns_name: facts.local_hostname,
                interface_id: facts.interface_id,
                mac: facts.mac,
                subnet_id: facts.subnet_id,
                vpc_id: facts.vpc_id,
                availability_zone: facts.availability_zone,
                security_groups: facts.security_groups.into_iter().collect(),
                role_arn: facts
                    .profile
                    .as_ref()
                    .map(|profile| profile.role_arn.clone()),
                instance_profile: facts.profile.map(|profile| (profile.arn, profile.id)),
                tags,
            });
        }
    }
    seeds
}

fn documents(model: &Model) -> Vec<DocumentSeed> {
    let documents = model.ssm_documents.values().map(|document| DocumentSeed {
        name: document.name.clone(),
        kind: document.kind.clone(),
        content: document.content.clone(),
        tags: document.tags.clone(),
    });
    documents.collect()
}

fn parameters(model: &Model) -> Vec<ParameterSeed> {
    let parameters = model
        .ssm_parameters
        .values()
        .map(|parameter| ParameterSeed {
            name: parameter.name.clone(),
            kind: parameter.kind.clone(),
            value: parameter.value.clone(),
            description: parameter.description.clone().unwrap_or_default(),
            tags: parameter.tags.clone(),
        });
    parameters.collect()
}

/// The person owns the account: allowed everything by a policy of their own,
/// which is weighed like any other.
fn operator(model: &Model, faults: &mut Faults) -> UserSeed {
    let stack = &model.stack;
    let everything = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }],
    });
    let arn = format!(
        "arn:{}:iam::{}:user/{OPERATOR}",
        stack.partition, stack.account_id
    );
    let provenance = cfn::Provenance::default();
    let policy = policy(&everything, "AdministratorAccess", &provenance, faults);
    UserSeed {
        name: OPERATOR.to_owned(),
        arn,
        policies: policy.into_iter().collect(),
        boundary: None,
        tags: [("Project".to_owned(), "Kickytime".to_owned())].into(),
    }
}

fn role(role: &model::Role, faults: &mut Faults) -> RoleSeed {
    let trust = document(
        &role.trust.document,
        "trust",
        &role.trust.provenance,
        faults,
    );
    let policies = role.policies.iter();
    let policies: Vec<_> = policies
        .filter_map(|inline| policy(&inline.document, &inline.name, &inline.provenance, faults))
        .collect();
    for arn in &role.managed_policy_arns {
        faults.add(
            format!(
                "role `{}` uses the managed policy `{arn}`, which is not in the template",
                role.id
            ),
            &role.provenance,
            "write its statements as an inline policy or `AWS::IAM::ManagedPolicy`",
        );
    }
    if let Some(boundary) = &role.permissions_boundary {
        faults.add(
            format!(
                "role `{}` has the permissions boundary `{boundary}`, which is not in the template",
                role.id
            ),
            &role.provenance,
            "define it as an `AWS::IAM::ManagedPolicy`, or leave it out",
        );
    }
    RoleSeed {
        name: role.name.clone(),
        arn: role.arn.clone(),
        trust: trust.unwrap_or_else(nobody),
        policies,
        boundary: None,
        max_session_seconds: role.max_session_s,
        tags: role.tags.clone(),
    }
}

fn keys(model: &Model, faults: &mut Faults) -> Vec<KeySeed> {
    let mut seeds = Vec::new();
    for key in model.keys.values() {
        let policy = document(&key.policy, "KeyPolicy", &key.provenance, faults);
        seeds.push(KeySeed {
            id: key.key_id.clone(),
            arn: key.arn.clone(),
            aliases: key.aliases.clone(),
            description: key.description.clone().unwrap_or_default(),
            policy: policy.unwrap_or_else(nobody),
            rotation: key.rotation,
            enabled: true,
            tags: key.tags.clone(),
        });
    }
    seeds
}

fn secret(model: &Model, secret: &Secret) -> SecretSeed {
    let generate = secret.generate.clone().unwrap_or_default();
    let attachment = secret
        .attached_to
        .as_ref()
        .and_then(|id| model.databases.get(id));
    SecretSeed {
        name: secret.name.clone(),
        arn: secret.arn.clone(),
        description: secret.description.clone().unwrap_or_default(),
        kms_key: secret.key.as_ref().and_then(|id| key_arn(model, id)),
        content: SecretContent::Generated(GenerateSecretString {
            password_length: usize::try_from(generate.length).unwrap_or(32),
            exclude_characters: generate.exclude_characters,
            exclude_lowercase: generate.exclude_lowercase,
            exclude_uppercase: generate.exclude_uppercase,
            exclude_numbers: generate.exclude_numbers,
            exclude_punctuation: generate.exclude_punctuation,
            include_space: generate.include_space,
            require_each_included_type: generate.require_each_included_type,
            secret_string_template: generate.template,
            generate_string_key: generate.key,
        }),
        attachment: attachment.map(|database| TargetAttachment {
            engine: database.engine.clone(),
            host: database.endpoint.clone(),
            port: database.port,
            dbname: database.database_name.clone(),
            db_instance_identifier: Some(database.identifier.clone()),
            username: None,
        }),
        policy: None,
        tags: secret.tags.clone(),
    }
}

fn log_groups(model: &Model) -> Vec<LogGroupSeed> {
    let groups = model.log_groups.values().map(|group| LogGroupSeed {
        name: group.name.clone(),
        arn: group.arn.trim_end_matches(":*").to_owned(),
        retention_days: group.retention_days,
        kms_key: group.key.as_ref().and_then(|id| key_arn(model, id)),
        tags: group.tags.clone(),
    });
    groups.collect()
}

fn buckets(model: &Model, faults: &mut Faults) -> Vec<BucketSeed> {
    let mut seeds = Vec::new();
    for bucket in model.buckets.values() {
        let policy = bucket.policy.as_ref();
        let policy =
            policy.and_then(|json| document(json, "bucket policy", &bucket.provenance, faults));
        let encryption = bucket.key.as_ref().and_then(|id| key_arn(model, id));
        seeds.push(BucketSeed {
            name: bucket.name.clone(),
            policy,
            encryption: encryption.map_or(Encryption::S3, |key| Encryption::Kms {
                key,
                bucket_key: true,
            }),
            tags: bucket.tags.clone(),
        });
    }
    seeds
}

fn repositories(model: &Model, faults: &mut Faults) -> Vec<RepositorySeed> {
    let mut seeds = Vec::new();
    for repository in model.repositories.values() {
        let policy = repository.policy.as_ref();
        let policy = policy
            .and_then(|json| document(json, "repository policy", &repository.provenance, faults));
        seeds.push(RepositorySeed {
            name: repository.name.clone(),
            arn: repository.arn.clone(),
            immutable_tags: repository.immutable_tags,
            kms_key: repository.key.as_ref().and_then(|id| key_arn(model, id)),
            policy,
            tags: repository.tags.clone(),
        });
    }
    seeds
}

/// The addresses of a client, and beside each one on the site the same on the
/// site's door: that is where the person's browser comes back to.
fn with_doors(model: &Model, addresses: &[String], settings: &Settings) -> Vec<String> {
    let sites: Vec<String> = model
        .distributions
        .values()
        .flat_map(|distribution| &distribution.aliases)
        .map(|alias| format!("https://{alias}/"))
        .collect();
    let on_door = |address: &String| {
        let rest = sites.iter().find_map(|site| address.strip_prefix(site))?;
        Some(format!("http://localhost:{}/{rest}", settings.site_port))
    };
    let mut all = addresses.to_vec();
    for twin in addresses.iter().filter_map(on_door) {
        if !all.contains(&twin) {
            all.push(twin);
        }
    }
    all
}

fn user_pool(model: &Model, pool: &UserPool, settings: &Settings) -> UserPoolSeed {
    let clients = pool.clients.iter().map(|client| PoolClientSeed {
        id: client.client_id.clone(),
        name: client.name.clone(),
        callback_urls: with_doors(model, &client.callback_urls, settings),
        logout_urls: with_doors(model, &client.logout_urls, settings),
        scopes: client.oauth_scopes.clone(),
        auth_flows: Vec::new(),
        validity: TokenValidity {
            access_seconds: i64::from(client.access_token_validity_min) * 60,
            id_seconds: i64::from(client.id_token_validity_min) * 60,
            refresh_seconds: i64::from(client.refresh_token_validity_days) * 24 * 3_600,
        },
    });
    let group = |name: &String| GroupSeed {
        name: name.clone(),
        description: String::new(),
    };
    let users = settings.sign_ins.iter().map(|sign_in| PoolUserSeed {
        email: sign_in.email.clone(),
        password: sign_in.password.clone(),
        nickname: sign_in.nickname.clone(),
        groups: sign_in
            .groups
            .iter()
            .filter(|name| pool.groups.contains(name))
            .cloned()
            .collect(),
    });
    UserPoolSeed {
        id: pool.pool_id.clone(),
        name: pool.name.clone(),
        arn: pool.arn.clone(),
        domain: pool.domain.clone(),
        clients: clients.collect(),
        groups: pool.groups.iter().map(group).collect(),
        users: users.collect(),
        password_policy: PasswordPolicy {
            minimum_length: usize::try_from(pool.minimum_password_length).unwrap_or(8),
            ..PasswordPolicy::default()
        },
        self_sign_up: pool.self_sign_up,
        tags: emulator::Tags::new(),
    }
}

fn key_arn(model: &Model, id: &LogicalId) -> Option<String> {
    // a reference by alias leads to the alias's key
    let by_alias = || {
        let alias = model.resolve(&cfn::Symbol::Ref(id.to_string()))?;
        model.keys.values().find(|key| key.aliases.contains(&alias))
    };
    model
        .keys
        .get(id)
        .or_else(by_alias)
        .map(|key| key.arn.clone())
}

fn policy(
    json: &Json,
    name: &str,
    provenance: &cfn::Provenance,
    faults: &mut Faults,
) -> Option<Named> {
    let document = document(json, name, provenance, faults)?;
    Some(Named {
        name: name.to_owned(),
        document,
    })
}

fn document(
    json: &Json,
    name: &str,
    provenance: &cfn::Provenance,
    faults: &mut Faults,
) -> Option<PolicyDocument> {
    match PolicyDocument::parse(json) {
        Ok(document) => Some(document),
        Err(found) => {
            for fault in found {
                faults.add(format!("policy `{name}`: {fault}"), provenance, POLICY_HINT);
            }
            None
        }
    }
}

/// A policy that admits nobody, in place of one with faults.
fn nobody() -> PolicyDocument {
    let json = json!({ "Version": "2012-10-17", "Statement": [] });
    PolicyDocument::parse(&json).expect("a document without statements is sound")
}
