//! Which source do the settings name?
//!
//! The order is that of the AWS tools: variables, the profile's role, the
//! variables' web identity, the profile's sign-in, its keys, its program, the
//! container service, the instance. A profile named on the command line wins
//! over keys in variables.

use crate::config::{Endpoint, Environment, Options, Profile, Profiles};

use super::{Credentials, CredentialsError, Role, Source, container, sso};

/// A profile stands on another, that on a third; more is a mistake.
const MAX_DEPTH: usize = 8;

/// Where the containers of ECS find their credentials.
const CONTAINER_HOST: &str = "http://169.254.170.2";

pub(crate) fn plan(
    environment: &Environment,
    profiles: &Profiles,
    profile: &Profile,
    options: &Options,
) -> Result<Source, CredentialsError> {
    if options.profile.is_none()
        && let Some(credentials) = from_variables(environment)?
    {
        return Ok(Source::Static { credentials });
    }
    let mut way = Vec::new();
    if let Some(source) = of_role(environment, profiles, profile, &mut way)? {
        return Ok(source);
    }
    if options.profile.is_none()
        && let Some(source) = web_identity(environment)
    {
        return Ok(source);
    }
    if let Some(source) = of_profile(environment, profiles, profile)? {
        return Ok(source);
    }
    if let Some(source) = of_container(environment)? {
        return Ok(source);
    }
    Ok(if environment.is_true("AWS_EC2_METADATA_DISABLED") {
        Source::Nowhere
    } else {
        Source::Metadata
    })
}

fn from_variables(environment: &Environment) -> Result<Option<Credentials>, CredentialsError> {
    let id = environment.get("AWS_ACCESS_KEY_ID");
    let secret = environment.get("AWS_SECRET_ACCESS_KEY");
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let token = environment.get("AWS_SESSION_TOKEN");
            Ok(Some(Credentials::new(id, secret, token)))
        }
        (Some(_), None) => Err(CredentialsError::Setting {
            setting: "AWS_SECRET_ACCESS_KEY",
            fault: "missing, though there is an AWS_ACCESS_KEY_ID",
        }),
        _ => Ok(None),
    }
}

fn web_identity(environment: &Environment) -> Option<Source> {
    let token_file = environment.get("AWS_WEB_IDENTITY_TOKEN_FILE")?.to_owned();
    let role = Role {
        arn: environment.get("AWS_ROLE_ARN")?.to_owned(),
        session_name: environment.get("AWS_ROLE_SESSION_NAME").map(str::to_owned),
        external_id: None,
        duration_s: None,
    };
    Some(Source::WebIdentity { token_file, role })
}

/// A profile that assumes a role, with whatever that stands on.
fn of_role(
    environment: &Environment,
    profiles: &Profiles,
    profile: &Profile,
    way: &mut Vec<String>,
) -> Result<Option<Source>, CredentialsError> {
    let Some(arn) = profile.get("role_arn") else {
        return Ok(None);
    };
    way.push(profile.name.clone());
    let unsupported = |setting| CredentialsError::Unsupported {
        profile: profile.name.clone(),
        setting,
    };
    let text = |name| profile.get(name).map(str::to_owned);
    let role = Role {
        arn: arn.to_owned(),
        session_name: text("role_session_name"),
        external_id: text("external_id"),
        duration_s: text("duration_seconds"),
    };
    if profile.get("mfa_serial").is_some() {
        return Err(unsupported("mfa_serial"));
    }
    if let Some(file) = profile.get("web_identity_token_file") {
        let token_file = environment.path(file).to_string_lossy().into_owned();
        return Ok(Some(Source::WebIdentity { token_file, role }));
    }
    let from = match (
        profile.get("source_profile"),
        profile.get("credential_source"),
    ) {
        (Some(name), _) => source_profile(environment, profiles, profile, name, way)?,
        (None, Some("Environment")) => {
            let credentials = from_variables(environment)?.ok_or(CredentialsError::None)?;
            Source::Static { credentials }
        }
        (None, Some("Ec2InstanceMetadata")) => Source::Metadata,
        (None, Some("EcsContainer")) => of_container(environment)?.ok_or(CredentialsError::None)?,
        (None, Some(_)) => return Err(unsupported("credential_source")),
        (None, None) => {
            return Err(CredentialsError::Incomplete {
                profile: profile.name.clone(),
                has: "role_arn",
                lacks: "source_profile or credential_source",
            });
        }
    };
    let from = Box::new(from);
    Ok(Some(Source::AssumeRole { from, role }))
}

fn source_profile(
    environment: &Environment,
    profiles: &Profiles,
    profile: &Profile,
    name: &str,
    way: &mut Vec<String>,
) -> Result<Source, CredentialsError> {
    let missing = || CredentialsError::NoProfile {
        name: name.to_owned(),
    };
    let other = profiles.profile(name).map_err(|_| missing())?;
    let own = of_profile(environment, profiles, other)?;
    // a profile may stand on its own keys, but on nothing else of its own
    let is_itself = name == profile.name;
    if let Some(source) = own.filter(|_| is_itself || other.get("role_arn").is_none()) {
        return Ok(source);
    }
    if is_itself || way.iter().any(|seen| seen == name) || way.len() >= MAX_DEPTH {
        way.push(name.to_owned());
        return Err(CredentialsError::Circle { names: way.clone() });
    }
    of_role(environment, profiles, other, way)?.ok_or_else(|| CredentialsError::Incomplete {
        profile: name.to_owned(),
        has: "settings",
        lacks: "credentials or a way to them",
    })
}

/// A profile's sign-in, keys or program.
fn of_profile(
    environment: &Environment,
    profiles: &Profiles,
    profile: &Profile,
) -> Result<Option<Source>, CredentialsError> {
    if let Some(sign_in) = sso::SignIn::of(environment, profiles, profile)? {
        return Ok(Some(Source::Sso(Box::new(sign_in))));
    }
    if profile.get("login_session").is_some() {
        return Err(CredentialsError::Unsupported {
            profile: profile.name.clone(),
            setting: "login_session",
        });
    }
    if let Some(id) = profile.get("aws_access_key_id") {
        let secret = profile.get("aws_secret_access_key");
        let secret = secret.ok_or_else(|| CredentialsError::Incomplete {
            profile: profile.name.clone(),
            has: "aws_access_key_id",
            lacks: "aws_secret_access_key",
        })?;
        let credentials = Credentials::new(id, secret, profile.get("aws_session_token"));
        return Ok(Some(Source::Static { credentials }));
    }
    Ok(profile
        .get("credential_process")
        .map(|command| Source::Process {
            command: command.to_owned(),
        }))
}

fn of_container(environment: &Environment) -> Result<Option<Source>, CredentialsError> {
    let relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let full = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let url = match (relative, full) {
        (Some(path), _) => format!("{CONTAINER_HOST}{path}"),
        (None, Some(url)) => url.to_owned(),
        (None, None) => return Ok(None),
    };
    let setting = |fault| CredentialsError::Setting {
        setting: "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        fault,
    };
    let mut endpoint = Endpoint::parse(&url).map_err(|_| setting("not a URL"))?;
    // credentials over plain HTTP come from this machine or its link only
    if !endpoint.is_tls && !container::is_near(&endpoint.host) {
        return Err(setting("neither https nor the container service's address"));
    }
    // the path is asked for, nothing stands below it
    endpoint.path = String::new();
    let after = url.split_once("://").map_or("", |(_, rest)| rest);
    let path = after.find('/').map_or("/", |start| &after[start..]);
    Ok(Some(Source::Container {
        endpoint,
        path: path.to_owned(),
        token: container::Token::of(environment),
    }))
}
