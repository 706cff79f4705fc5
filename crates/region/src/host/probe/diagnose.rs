//! From a failed step and a few facts to what a person should do.

use std::fs;
use std::io;

use nix::unistd::geteuid;

use super::{Failure, Step, read_number};

/// Why this machine cannot run the region, and what helps.
#[derive(Debug, thiserror::Error)]
#[error("cannot {}: {reason}", .step.action())]
pub struct Diagnosis {
    /// What was tried.
    pub step: Step,
    /// What stands in the way.
    pub reason: Reason,
    /// What to do, in words for a terminal.
    pub hint: String,
    /// The system's answer.
    #[source]
    pub source: io::Error,
}

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The filter of a container.
    #[error("the container's seccomp filter forbids it")]
    ContainerFilter,
    /// Ubuntu 23.10 and later.
    #[error("AppArmor forbids user namespaces to ordinary programs")]
    AppArmor,
    /// Debian before 11 and hardened kernels.
    #[error("user namespaces are switched off for ordinary users")]
    UserNamespacesOff,
    /// `user.max_*_namespaces`.
    #[error("the limit on namespaces is reached")]
    Limit,
    /// Not compiled in.
    #[error("the kernel is built without namespaces")]
    NoKernelSupport,
    /// A kernel module that is not there.
    #[error("the kernel lacks the module `{0}`")]
    NoModule(&'static str),
    /// None of the above.
    #[error("the system refused")]
    Refused,
}

/// What a diagnosis needs to know about the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Effective user id 0.
    pub root: bool,
    /// `Seccomp: 2` in `/proc/self/status`: a filter is on.
    pub seccomp_filter: bool,
    /// `kernel.apparmor_restrict_unprivileged_userns`.
    pub apparmor_restricts: bool,
    /// `kernel.unprivileged_userns_clone`, where the kernel has it.
    pub unprivileged_userns_clone: Option<bool>,
    /// `user.max_user_namespaces`.
    pub max_user_namespaces: Option<u64>,
    /// `user.max_net_namespaces`.
    pub max_net_namespaces: Option<u64>,
}

impl Facts {
    /// Those of this machine.
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let flag = |path| read_number(path).map(|number| number != 0);
        Self {
            root: geteuid().is_root(),
            seccomp_filter: status
                .lines()
                .any(|line| line.split_ascii_whitespace().eq(["Seccomp:", "2"])),
            apparmor_restricts: flag("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
                == Some(true),
            unprivileged_userns_clone: flag("/proc/sys/kernel/unprivileged_userns_clone"),
            max_user_namespaces: read_number("/proc/sys/user/max_user_namespaces"),
            max_net_namespaces: read_number("/proc/sys/user/max_net_namespaces"),
        }
    }
}

/// What `failure` means on a machine of these `facts`.
pub fn diagnose(failure: Failure, facts: &Facts) -> Diagnosis {
    let reason = reason(&failure, facts);
    Diagnosis {
        step: failure.step,
        reason,
        hint: hint(reason, facts),
        source: failure.source,
    }
}

fn reason(failure: &Failure, facts: &Facts) -> Reason {
    use Step as S;
    let errno = failure.source.raw_os_error().unwrap_or_default();
    let forbidden = errno == libc::EPERM || errno == libc::EACCES;
    match (failure.step, errno) {
        (S::Unshare | S::NetworkNamespace, libc::ENOSPC) => Reason::Limit,
        // a limit of 0 is how some distributions switch namespaces off
        (S::Unshare, libc::EINVAL | libc::ENOSYS) => Reason::NoKernelSupport,
        (S::Unshare, _) if forbidden && facts.unprivileged_userns_clone == Some(false) => {
            Reason::UserNamespacesOff
        }
        (S::Unshare | S::SetGroups | S::UidMap | S::GidMap | S::PrivateMounts, _)
            if forbidden && facts.apparmor_restricts =>
        {
            Reason::AppArmor
        }
        (S::Unshare | S::PrivateMounts | S::MountProc | S::NetworkNamespace, _)
            if forbidden && facts.seccomp_filter =>
        {
            Reason::ContainerFilter
        }
        (S::Veth, libc::EOPNOTSUPP) => Reason::NoModule("veth"),
        (S::RouteSocket, libc::EPROTONOSUPPORT) => Reason::NoModule("netlink"),
        (S::Ruleset, libc::EPROTONOSUPPORT | libc::EINVAL | libc::EOPNOTSUPP | libc::ENOENT) => {
            Reason::NoModule("nf_tables")
        }
        (S::PacketLog, _) if !forbidden => Reason::NoModule("nfnetlink_log"),
        (S::ConnectionEvents, _) if !forbidden => Reason::NoModule("nf_conntrack_netlink"),
        _ => Reason::Refused,
    }
}

fn hint(reason: Reason, facts: &Facts) -> String {
    match reason {
        Reason::ContainerFilter => "start the container with `--cap-add SYS_ADMIN --cap-add \
                                    NET_ADMIN`, or with `--security-opt seccomp=unconfined`"
            .to_owned(),
        Reason::AppArmor => "run `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, \
                             or give the program an AppArmor profile with `userns,`, or start it \
                             with `sudo`"
            .to_owned(),
        Reason::UserNamespacesOff => {
            "run `sudo sysctl -w kernel.unprivileged_userns_clone=1`, or start it with `sudo`"
                .to_owned()
        }
        Reason::Limit => {
            let shown = |limit: Option<u64>| limit.map_or("?".to_owned(), |n| n.to_string());
            format!(
                "user.max_user_namespaces is {}, user.max_net_namespaces is {}: run `sudo sysctl \
                 -w user.max_user_namespaces=10000 user.max_net_namespaces=10000`",
                shown(facts.max_user_namespaces),
                shown(facts.max_net_namespaces)
            )
        }
        Reason::NoKernelSupport => "a kernel with CONFIG_USER_NS, CONFIG_NET_NS and CONFIG_PID_NS \
                                    is needed: every distribution's own kernel has them"
            .to_owned(),
        Reason::NoModule(module) => format!(
            "run `sudo modprobe {module}`; if it is not there, install your distribution's full \
             kernel (on Ubuntu `linux-modules-extra-$(uname -r)`)"
        ),
        Reason::Refused if facts.root => {
            "the container or sandbox around this program must grant CAP_SYS_ADMIN and \
             CAP_NET_ADMIN"
                .to_owned()
        }
        Reason::Refused => "start it with `sudo`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(step: Step, errno: i32, facts: &Facts) -> String {
        let failure = Failure::new(step, io::Error::from_raw_os_error(errno));
        let diagnosis = diagnose(failure, facts);
        format!("{diagnosis}\nhint: {}", diagnosis.hint)
    }

    #[test]
    fn a_containers_filter() {
        let facts = Facts {
            root: true,
            seccomp_filter: true,
            ..Facts::default()
        };
        insta::assert_snapshot!(told(Step::Unshare, libc::EPERM, &facts), @r"
        cannot create namespaces: the container's seccomp filter forbids it
        hint: start the container with `--cap-add SYS_ADMIN --cap-add NET_ADMIN`, or with `--security-opt seccomp=unconfined`
        ");
    }

    #[test]
    fn ubuntus_apparmor() {
        // there the call succeeds and the first use of it fails
        let facts = Facts {
            apparmor_restricts: true,
            ..Facts::default()
        };
        insta::assert_snapshot!(told(Step::UidMap, libc::EPERM, &facts), @r"
        cannot map the user id into the new user namespace: AppArmor forbids user namespaces to ordinary programs
        hint: run `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or give the program an AppArmor profile with `userns,`, or start it with `sudo`
        ");
        assert_eq!(
            told(Step::PrivateMounts, libc::EACCES, &facts)
                .matches("AppArmor")
                .count(),
            2
        );
    }

    #[test]
    fn old_debian() {
        let facts = Facts {
            unprivileged_userns_clone: Some(false),
            ..Facts::default()
        };
        insta::assert_snapshot!(told(Step::Unshare, libc::EPERM, &facts), @r"
        cannot create namespaces: user namespaces are switched off for ordinary users
        hint: run `sudo sysctl -w kernel.unprivileged_userns_clone=1`, or start it with `sudo`
        ");
    }

    #[test]
    fn limits() {
        let facts = Facts {
            max_user_namespaces: Some(0),
            max_net_namespaces: Some(96365),
            ..Facts::default()
        };
        insta::assert_snapshot!(told(Step::Unshare, libc::ENOSPC, &facts), @r"
        cannot create namespaces: the limit on namespaces is reached
        hint: user.max_user_namespaces is 0, user.max_net_namespaces is 96365: run `sudo sysctl -w user.max_user_namespaces=10000 user.max_net_namespaces=10000`
        ");
        assert!(told(Step::NetworkNamespace, libc::ENOSPC, &facts).contains("96365"));
    }

    #[test]
    fn a_kernel_without_namespaces_or_modules() {
        let facts = Facts::default();
        insta::assert_snapshot!(told(Step::Unshare, libc::EINVAL, &facts), @r"
        cannot create namespaces: the kernel is built without namespaces
        hint: a kernel with CONFIG_USER_NS, CONFIG_NET_NS and CONFIG_PID_NS is needed: every distribution's own kernel has them
        ");
        insta::assert_snapshot!(told(Step::Veth, libc::EOPNOTSUPP, &facts), @r"
        cannot make a veth pair: the kernel lacks the module `veth`
        hint: run `sudo modprobe veth`; if it is not there, install your distribution's full kernel (on Ubuntu `linux-modules-extra-$(uname -r)`)
        ");
        let ruleset = told(Step::Ruleset, libc::EPROTONOSUPPORT, &facts);
        assert!(ruleset.contains("modprobe nf_tables"), "{ruleset}");
    }

    #[test]
    fn no_reason_known() {
        let user = Facts::default();
        insta::assert_snapshot!(told(Step::Unshare, libc::EPERM, &user), @r"
        cannot create namespaces: the system refused
        hint: start it with `sudo`
        ");
        let root = Facts {
            root: true,
            ..Facts::default()
        };
        assert!(told(Step::Unshare, libc::EPERM, &root).contains("CAP_SYS_ADMIN"));
    }

    #[test]
    fn failures_cross_a_pipe() {
        for step in Step::ALL {
            let failure = Failure::new(step, io::Error::from_raw_os_error(libc::ENOSPC));
            let back = Failure::from_bytes(&failure.to_bytes()).unwrap();
            assert_eq!(back.step, step);
            assert_eq!(back.source.raw_os_error(), Some(libc::ENOSPC));
        }
        assert!(Failure::from_bytes(b"").is_none());
        assert!(Failure::from_bytes(b"\x00\x01").is_none());
        assert!(Failure::from_bytes(&[200, 0, 0, 0, 0]).is_none());
    }
}
