//! What do a server's configuration files say?

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

/// Parameters that make the server ours: a parameter group may not set them.
const RESERVED: [&str; 17] = [
    "config_file",
    "data_directory",
    "dynamic_shared_memory_type",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "include",
    "include_dir",
    "include_if_exists",
    "listen_addresses",
    "log_destination",
    "logging_collector",
    "port",
    "ssl",
    "ssl_cert_file",
    "ssl_key_file",
    "unix_socket_directories",
];

/// How much a crash of the machine may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing that was committed.
    #[default]
    Durable,
    /// Everything: for tests, which it makes faster.
    Fast,
}

/// Why a parameter group's setting cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Not a parameter's name.
    #[error("`{0}` is not the name of a PostgreSQL parameter")]
    Name(String),
    /// One of those the service itself sets.
    #[error("the parameter `{0}` is set by the database service")]
    Reserved(String),
    /// A formula, which only RDS evaluates, or a control character.
    #[error("the value of the parameter `{name}` is not a plain value: `{value}`")]
    Value {
        /// The parameter.
        name: String,
        /// As the template has it.
        value: String,
    },
}

/// What goes into the configuration files.
pub(super) struct Settings<'a> {
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
    /// The server's directory, as the server sees it.
    pub(super) directory: &'a str,
    pub(super) force_ssl: bool,
    pub(super) durability: Durability,
    pub(super) parameters: &'a BTreeMap<String, String>,
    /// The server's major version, 0 when it is not a number.
    pub(super) major: u32,
}

impl Settings<'_> {
    /// `postgresql.conf`.
    pub(super) fn configuration(&self) -> Result<String, ParameterError> {
        let Self {
            address,
            port,
            directory,
            ..
        } = self;
        let mut all: BTreeMap<&str, String> = BTreeMap::from([
            ("huge_pages", "off".to_owned()),
            ("jit", "off".to_owned()),
            ("lc_messages", "C".to_owned()),
            ("log_line_prefix", "%m [%p] %q%u@%d ".to_owned()),
            ("log_timezone", "UTC".to_owned()),
            ("max_connections", "100".to_owned()),
            ("max_wal_senders", "0".to_owned()),
            ("password_encryption", "scram-sha-256".to_owned()),
            ("shared_buffers", "32MB".to_owned()),
            ("ssl_min_protocol_version", "TLSv1.2".to_owned()),
            ("timezone", "UTC".to_owned()),
            ("unix_socket_permissions", "0700".to_owned()),
            ("wal_level", "minimal".to_owned()),
        ]);
        if self.major >= 14 {
            // recovery after a crash starts with writing everything to disk:
            // one system call instead of one for each of a thousand files
            all.insert("recovery_init_sync_method", "syncfs".to_owned());
        }
        for (name, value) in self.parameters {
            all.insert(name, checked(name, value)?);
        }
        if self.durability == Durability::Fast {
            for name in ["fsync", "full_page_writes", "synchronous_commit"] {
                all.insert(name, "off".to_owned());
            }
        }
        all.extend([
            ("listen_addresses", address.to_string()),
            ("log_destination", "stderr".to_owned()),
            ("logging_collector", "off".to_owned()),
            ("port", port.to_string()),
            ("ssl", "on".to_owned()),
            ("ssl_cert_file", format!("{directory}/server.crt")),
            ("ssl_key_file", format!("{directory}/server.key")),
            ("unix_socket_directories", directory.to_string()),
        ]);
        let mut text = "# written at every start\n".to_owned();
        for (name, value) in all {
            // writing to a String does not fail
            let _ok = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        }
        Ok(text)
    }

    /// `pg_hba.conf`: who may connect how. The first line that fits decides.
    pub(super) fn access(&self) -> String {
        let plain = if self.force_ssl {
            "reject"
        } else {
            "scram-sha-256"
        };
        format!(
            "# written at every start\n\
             local     all  {INTERNAL}  peer map=region\n\
             local     all  all       reject\n\
             host      all  {INTERNAL}  all  reject\n\
             hostssl   all  all       all  scram-sha-256\n\
             hostnossl all  all       all  {plain}\n"
        )
    }
}

/// The superuser, as RDS calls it. It can be reached through the private
/// socket alone.
pub(super) const INTERNAL: &str = "rdsadmin";

/// `pg_ident.conf`: this program's user is [`INTERNAL`], be it real root or
/// the one user of the region.
pub(super) fn identities() -> String {
    format!("# written at every start\nregion kickytime {INTERNAL}\nregion root {INTERNAL}\n")
}

fn checked(name: &str, value: &str) -> Result<String, ParameterError> {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    if !starts || !name.chars().all(allowed) || name.len() > 63 {
        return Err(ParameterError::Name(name.to_owned()));
    }
    if RESERVED.contains(&name) || name.ends_with("_command") || name.ends_with("_libraries") {
        return Err(ParameterError::Reserved(name.to_owned()));
    }
    if value.contains(|c: char| c.is_control() || "{}\\".contains(c)) {
        let (name, value) = (name.to_owned(), value.to_owned());
        return Err(ParameterError::Value { name, value });
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(parameters: &[(&str, &str)]) -> Result<String, ParameterError> {
        let parameters = parameters
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        Settings {
            address: Ipv4Addr::new(10, 0, 20, 5),
            port: 5432,
            directory: "/run/kickytime/postgres",
            force_ssl: true,
            durability: Durability::Durable,
            parameters: &parameters,
            major: 15,
        }
        .configuration()
    }

    #[test]
    fn the_configuration_is_durable_and_speaks_tls_only() {
        insta::assert_snapshot!(configuration(&[("rds.force_ssl", "1")]).unwrap(), @r"
        # written at every start
        huge_pages = 'off'
        jit = 'off'
        lc_messages = 'C'
        listen_addresses = '10.0.20.5'
        log_destination = 'stderr'
        log_line_prefix = '%m [%p] %q%u@%d '
        log_timezone = 'UTC'
        logging_collector = 'off'
        max_connections = '100'
        max_wal_senders = '0'
        password_encryption = 'scram-sha-256'
        port = '5432'
        rds.force_ssl = '1'
        recovery_init_sync_method = 'syncfs'
        shared_buffers = '32MB'
        ssl = 'on'
        ssl_cert_file = '/run/kickytime/postgres/server.crt'
        ssl_key_file = '/run/kickytime/postgres/server.key'
        ssl_min_protocol_version = 'TLSv1.2'
        timezone = 'UTC'
        unix_socket_directories = '/run/kickytime/postgres'
        unix_socket_permissions = '0700'
        wal_level = 'minimal'
        ");
    }

    #[test]
    fn a_parameter_group_changes_what_it_may() {
        let text = configuration(&[("shared_buffers", "64MB"), ("search_path", "a, 'b'")]).unwrap();
        assert!(text.contains("shared_buffers = '64MB'\n"));
        assert!(text.contains("search_path = 'a, ''b'''\n"));
        for name in [
            "listen_addresses",
            "archive_command",
            "shared_preload_libraries",
            "include_dir",
            "ssl",
        ] {
            let error = configuration(&[(name, "x")]).unwrap_err();
            assert_eq!(error, ParameterError::Reserved(name.to_owned()));
        }
        for name in ["a b", "", "x = 'y'\nz", "Upper", "1st"] {
            assert_eq!(
                configuration(&[(name, "x")]).unwrap_err(),
                ParameterError::Name(name.to_owned())
            );
        }
        for value in [
            "{DBInstanceClassMemory/32768}",
            "a\nlisten_addresses = '*'",
            "\\'",
        ] {
            assert!(matches!(
                configuration(&[("work_mem", value)]),
                Err(ParameterError::Value { .. })
            ));
        }
    }
}
