//! Processes as the kernel lists them.

use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) command: String,
}

/// The processes below one, however deep.
pub(crate) fn descendants(ancestor: u32) -> Vec<Process> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").expect("procfs").flatten() {
        let id = entry.file_name().to_string_lossy().parse::<u32>();
        let Ok(id) = id else { continue };
        if let Some(parent) = parent(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let (mut found, mut open) = (Vec::new(), vec![ancestor]);
    while let Some(id) = open.pop() {
        for child in children.get(&id).into_iter().flatten() {
            open.push(*child);
            let command = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            found.push(Process {
                id: *child,
                command: command.trim().to_owned(),
            });
        }
    }
    found
}

fn parent(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // the name, in parentheses, may hold anything
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// Whether a process is there and no zombie.
pub(crate) fn is_alive(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Ends a process as it cannot help.
pub(crate) fn kill(id: u32) {
    let status = std::process::Command::new("kill")
        .args(["-9", &id.to_string()])
        .status();
    assert!(
        status.expect("kill starts").success(),
        "process {id} was there"
    );
}

/// What Ctrl-C in a terminal sends.
pub(crate) fn interrupt(id: u32) {
    // it may have ended this instant
    let _gone = std::process::Command::new("kill")
        .args(["-INT", &id.to_string()])
        .status();
}

/// The network namespaces that processes live in.
pub(crate) fn network_namespaces(processes: &[Process]) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = processes
        .iter()
        .filter_map(|process| std::fs::read_link(format!("/proc/{}/ns/net", process.id)).ok())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Whether any process of this machine lives in a network namespace.
pub(crate) fn is_inhabited(namespace: &std::path::Path) -> bool {
    let entries = std::fs::read_dir("/proc").expect("procfs").flatten();
    let mut links =
        entries.filter_map(|entry| std::fs::read_link(entry.path().join("ns/net")).ok());
    links.any(|link| link == namespace)
}
