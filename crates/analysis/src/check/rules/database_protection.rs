//! Databases that a slip of the hand deletes, or that speak in the clear.
//!
//! ## What it does
//! Reports databases without automated backups, databases without deletion protection whose
//! `DeletionPolicy` keeps no snapshot, and PostgreSQL databases that do not insist on TLS.
//!
//! ## Why is this bad
//! Data is the one part of the system that a new deployment does not bring back.
//!
//! ## Example
//! ```yaml
//! BackupRetentionPeriod: 0
//! ```
//!
//! ## Use instead
//! `BackupRetentionPeriod: 7`, `DeletionProtection: true`, `DeletionPolicy: Snapshot`, and
//! `rds.force_ssl: "1"` in the parameter group (the default since PostgreSQL 15).
//!
//! ## References
//! - Amazon RDS User Guide, "Working with backups", "Using SSL with a PostgreSQL DB instance"

use model::Database;

use super::super::{Facts, Finding};

pub(super) fn run(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for database in facts.model.databases.values() {
        let place = &database.provenance;
        let id = &database.id;
        if database.backup_retention_days == 0 {
            findings.push(Finding::at(place, format!("{id} has no automated backups")));
        }
        let resource = facts.model.stack.resources.get(id.as_str());
        let policy = resource.and_then(|resource| resource.deletion_policy.as_deref());
        let kept = matches!(policy, Some("Snapshot" | "Retain" | "RetainExceptOnCreate") | None);
        if !database.deletion_protection && !kept {
            let message = format!("deleting the stack deletes the data of {id}");
            findings.push(Finding::at(place, message));
        }
        if database.engine == "postgres" && !forces_tls(database) {
            findings.push(Finding::at(place, format!("{id} admits connections without TLS")));
        }
    }
    findings
}

fn forces_tls(database: &Database) -> bool {
    let set = database.parameters.get("rds.force_ssl").map(String::as_str);
    let major = database.engine_version.as_deref().unwrap_or("17");
    let major: u32 = major.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(17);
    match set {
        Some(value) => value == "1",
        None => major >= 15,
    }
}
