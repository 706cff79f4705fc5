//! One region through its whole life: work, a killed service, a killed
//! program, a rule taken away.

use std::path::PathBuf;

use crate::browser::Driver;
use crate::operator::{self, Aws};
use crate::region::{Region, eventually, root};
use crate::{club, plugin, process, visit};

#[test]
fn a_region_serves_people_and_outlives_what_is_done_to_it() {
    let Some(mut region) = Region::start() else {
        return;
    };
    let driver = Driver::start();
    operator::check(&region);
    visit::aws_by_its_own_names(&region);
    plugin::a_database_session(&region);
    club::a_match_from_open_to_full(&region, &driver);
    a_killed_service_is_back(&region);
    a_killed_program_leaves_nothing(&mut region);

    region.start_again(None);
    club::the_match_is_still_there(&region, &driver);
    assert_eq!(region.stop(), Some(0), "{}", region.said());
    region.start_again(None);
    visit::end_with_the_region(&mut region);

    without_a_rule_the_database_is_out_of_reach(&mut region);
}

fn a_killed_service_is_back(region: &Region) {
    let name = "UsersService/1";
    let running = region.state_of(name);
    let is_users = |process: &process::Process| {
        process.command.ends_with("server users") || process.command.ends_with(" users")
    };
    let victims: Vec<_> = region.processes().into_iter().filter(is_users).collect();
    assert_eq!(
        victims.len(),
        2,
        "a task in each zone: {:?}",
        region.processes()
    );
    for victim in &victims {
        process::kill(victim.id);
    }
    for victim in &victims {
        eventually("the end of a killed process", || {
            !process::is_alive(victim.id)
        });
    }
    let healthy = || {
        let state = region.state_of(name);
        state.contains("healthy") && !state.contains("unhealthy") && state != running
    };
    eventually("the service to be back by itself", healthy);
    let again: Vec<_> = region.processes().into_iter().filter(is_users).collect();
    assert!(
        again
            .iter()
            .all(|process| victims.iter().all(|victim| victim.id != process.id))
    );
}

fn a_killed_program_leaves_nothing(region: &mut Region) {
    let processes = region.processes();
    assert!(
        processes.len() > 5,
        "services and a database: {processes:?}"
    );
    let own = std::fs::read_link("/proc/self/ns/net").expect("procfs");
    let namespaces = process::network_namespaces(&processes);
    let namespaces: Vec<PathBuf> = namespaces
        .into_iter()
        .filter(|namespace| *namespace != own)
        .collect();
    assert!(
        namespaces.len() > 3,
        "one for each interface that has a process: {namespaces:?}"
    );
    region.kill();
    for process in &processes {
        eventually("the end of every process of the region", || {
            !process::is_alive(process.id)
        });
    }
    for namespace in &namespaces {
        assert!(!process::is_inhabited(namespace), "{namespace:?} is left");
    }
    let mounts = std::fs::read_to_string("/proc/mounts").expect("procfs");
    assert!(!mounts.contains("kickytime"), "{mounts}");
}

/// The template without the rule that lets the services reach the database,
/// as a person would edit it.
fn without_database_ingress(folder: &std::path::Path) -> PathBuf {
    let infra = root().join("infra");
    let text = std::fs::read_to_string(infra.join("kickytime.yaml")).expect("the template");
    let (start, group) = text
        .split_once("  RdsSecurityGroup:\n")
        .expect("the database's group");
    let from = group
        .find("      SecurityGroupIngress:\n")
        .expect("its rules");
    let to = group
        .find("      SecurityGroupEgress:\n")
        .expect("its other rules");
    assert!(from < to && group[from..to].contains("5432"));
    let edited = format!(
        "{start}  RdsSecurityGroup:\n{}{}",
        &group[..from],
        &group[to..]
    );
    let file = folder.join("kickytime.yaml");
    std::fs::write(&file, edited).expect("writable");
    let values = "kickytime.local.json";
    std::fs::copy(infra.join(values), folder.join(values)).expect("copied");
    file
}

fn without_a_rule_the_database_is_out_of_reach(region: &mut Region) {
    let folder = tempfile::tempdir().expect("a directory");
    region.start_again(Some(&without_database_ingress(folder.path())));
    let aws = Aws::new(region);
    eventually("the service to say why it is unhealthy", || {
        let messages = aws.log("/kickytime/users", "database");
        messages
            .iter()
            .any(|message| message.contains("does not answer"))
    });
    eventually("the flow log to name who refused", || {
        let records = aws.log("/kickytime/vpc-flow", "REJECT");
        let refused =
            |record: &String| record.contains(" 5432 ") && record.contains("RdsSecurityGroup");
        records.iter().any(refused)
    });
    let told = "to Database:5432, security group";
    eventually("`up` to say so", || region.said().contains(told));
}
