//! What do the shared `config` and `credentials` files say?
//!
//! (AWS SDKs and Tools Reference Guide, "Shared config and credentials files".)
//! The two files are read as one set of sections; for the same setting of the
//! same profile the credentials file wins.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{ConfigError, Environment, Options};

/// Larger files are no hand-written settings.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The settings of one section, and of the groups indented below a setting.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    pub(crate) name: String,
    settings: BTreeMap<String, Setting>,
}

#[derive(Clone, Default)]
struct Setting {
    value: String,
    nested: BTreeMap<String, String>,
}

/// Values may be secrets.
impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Profile {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.settings.get(name)?.value.as_str();
        (!value.is_empty()).then_some(value)
    }

    /// A setting of the group indented below another.
    pub(crate) fn nested(&self, group: &str, name: &str) -> Option<&str> {
        let nested = &self.settings.get(group)?.nested;
        nested.get(name).map(String::as_str)
    }
}

/// Every section of both files.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    profiles: BTreeMap<String, Profile>,
    sso_sessions: BTreeMap<String, Profile>,
    services: BTreeMap<String, Profile>,
}

impl Profiles {
    pub(crate) fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let place = |variable, default| {
            let named = environment.get(variable).map(|text| environment.path(text));
            named.or_else(|| environment.home(default))
        };
        let mut profiles = Self::default();
        if let Some(path) = place("AWS_CONFIG_FILE", ".aws/config") {
            profiles.add(&path, false)?;
        }
        if let Some(path) = place("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials") {
            profiles.add(&path, true)?;
        }
        Ok(profiles)
    }

    /// The profile in use: the one chosen, that of `AWS_PROFILE`, or `default`,
    /// which alone may be missing.
    pub(crate) fn choose(
        &self,
        environment: &Environment,
        options: &Options,
    ) -> Result<Profile, ConfigError> {
        let named = options
            .profile
            .as_deref()
            .or_else(|| environment.get("AWS_PROFILE"))
            .or_else(|| environment.get("AWS_DEFAULT_PROFILE"));
        match (named, self.profiles.get(named.unwrap_or("default"))) {
            (_, Some(profile)) => Ok(profile.clone()),
            (Some(name), None) if name != "default" => Err(self.missing(name)),
            _ => Ok(Profile {
                name: "default".to_owned(),
                ..Profile::default()
            }),
        }
    }

    pub(crate) fn profile(&self, name: &str) -> Result<&Profile, ConfigError> {
        self.profiles.get(name).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn sso_session(&self, name: &str) -> Option<&Profile> {
        self.sso_sessions.get(name)
    }

    pub(super) fn services(&self, name: &str) -> Result<&Profile, ConfigError> {
        self.services
            .get(name)
            .ok_or_else(|| ConfigError::NoProfile {
                name: format!("services {name}"),
                known: self.services.keys().cloned().collect(),
            })
    }

    fn missing(&self, name: &str) -> ConfigError {
        ConfigError::NoProfile {
            name: name.to_owned(),
            known: self.profiles.keys().cloned().collect(),
        }
    }

    fn add(&mut self, path: &Path, is_credentials: bool) -> Result<(), ConfigError> {
        let Some(text) = read(path)? else {
            return Ok(());
        };
        self.parse(&text, is_credentials)
            .map_err(|(line, fault)| ConfigError::Syntax {
                path: path.to_owned(),
                line,
                fault,
            })
    }

    pub(super) fn parse(
        &mut self,
        text: &str,
        is_credentials: bool,
    ) -> Result<(), (usize, &'static str)> {
        // settings before the first section, or in one nobody reads, go nowhere
        let mut passed_over = Profile::default();
        let mut section = &mut passed_over;
        let mut setting: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            let is_indented = line.starts_with([' ', '\t']);
            let content = without_comment(line).trim();
            if content.is_empty() {
                continue;
            }
            if let Some(rest) = content.strip_prefix('[').filter(|_| !is_indented) {
                let name = rest
                    .strip_suffix(']')
                    .ok_or((index + 1, "a section that does not end with `]`"))?;
                section = self
                    .section(name.trim(), is_credentials)
                    .unwrap_or(&mut passed_over);
                setting = None;
                continue;
            }
            let pair = content.split_once('=');
            if is_indented && let Some(group) = &setting {
                // a group's settings, or the rest of a long value, which no setting of ours has
                if let Some((name, value)) = pair {
                    let group = section.settings.entry(group.clone()).or_default();
                    let name = name.trim().to_ascii_lowercase();
                    group.nested.insert(name, value.trim().to_owned());
                }
                continue;
            }
            let (name, value) = pair.ok_or((index + 1, "neither a section nor NAME = VALUE"))?;
            let name = name.trim().to_ascii_lowercase();
            let value = value.trim().to_owned();
            section.settings.entry(name.clone()).or_default().value = value;
            setting = Some(name);
        }
        Ok(())
    }

    /// The section of a header, if it is of a kind that is read here.
    fn section(&mut self, header: &str, is_credentials: bool) -> Option<&mut Profile> {
        let (kind, name) = match header.split_once([' ', '\t']) {
            _ if is_credentials => ("profile", header),
            Some((kind, name)) => (kind, name.trim().trim_matches(['"', '\''])),
            None if header == "default" => ("profile", header),
            None => return None,
        };
        let sections = match kind {
            "profile" => &mut self.profiles,
            "sso-session" => &mut self.sso_sessions,
            "services" => &mut self.services,
            _ => return None,
        };
        let section = sections.entry(name.to_owned()).or_default();
        name.clone_into(&mut section.name);
        Some(section)
    }
}

/// A line up to where a comment begins.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with(['#', ';']) {
        return "";
    }
    let comment = [" #", " ;", "\t#", "\t;"];
    let end = comment.iter().filter_map(|mark| line.find(mark)).min();
    end.map_or(line, |end| &line[..end])
}

/// A file's text, or nothing where there is none.
fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let failed = |source| ConfigError::Read {
        path: PathBuf::from(path),
        source,
    };
    let size = match std::fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if size > MAX_FILE {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    std::fs::read_to_string(path).map(Some).map_err(failed)
}
