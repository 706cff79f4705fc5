//! Does this kernel allow what the region needs, and if not, what helps?
//!
//! A forked child tries each step and is thrown away, so that the program is
//! untouched whatever the answer. What failed, together with a few facts
//! about the machine, becomes a [`Diagnosis`]: which step, the system's
//! answer, and the exact thing to do.

mod diagnose;
mod filter;

use std::fs::{self, File};
use std::io::{self, Read, Write};

use nix::fcntl::OFlag;
use nix::unistd::{geteuid, pipe2};

use super::launch::fork::{Ending, fork_child, wait};
use super::launch::{leave_host, mount_proc};
use super::link::{self, LinkError, RouteSocket, VethEnd};
use super::netns::Netns;
use crate::blueprint::network::{INTERNET_MTU, LinkName, MacAddress};

pub use diagnose::{Diagnosis, Facts, diagnose};

/// A step of leaving the host or of building a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `unshare` of all namespaces at once.
    Unshare,
    /// Writing `/proc/self/setgroups`.
    SetGroups,
    /// Writing `/proc/self/uid_map`.
    UidMap,
    /// Writing `/proc/self/gid_map`.
    GidMap,
    /// Making every mount private.
    PrivateMounts,
    /// Starting process 1.
    StartInit,
    /// Mounting `/proc` for the new process ids.
    MountProc,
    /// Making one more network namespace.
    NetworkNamespace,
    /// Opening a route socket.
    RouteSocket,
    /// Making a veth pair.
    Veth,
    /// Loading a ruleset with nf_tables.
    Ruleset,
    /// Binding to packet logs (nfnetlink_log).
    PacketLog,
    /// Joining connection tracking events.
    ConnectionEvents,
}

impl Step {
    const ALL: [Self; 13] = [
        Self::Unshare,
        Self::SetGroups,
        Self::UidMap,
        Self::GidMap,
        Self::PrivateMounts,
        Self::StartInit,
        Self::MountProc,
        Self::NetworkNamespace,
        Self::RouteSocket,
        Self::Veth,
        Self::Ruleset,
        Self::PacketLog,
        Self::ConnectionEvents,
    ];

    /// As in "cannot …".
    pub fn action(self) -> &'static str {
        match self {
            Self::Unshare => "create namespaces",
            Self::SetGroups => "write /proc/self/setgroups",
            Self::UidMap => "map the user id into the new user namespace",
            Self::GidMap => "map the group id into the new user namespace",
            Self::PrivateMounts => "make the mounts private",
            Self::StartInit => "start the first process of the new namespaces",
            Self::MountProc => "mount /proc for the new process ids",
            Self::NetworkNamespace => "create a second network namespace",
            Self::RouteSocket => "open a route socket",
            Self::Veth => "make a veth pair",
            Self::Ruleset => "load a packet filter with nf_tables",
            Self::PacketLog => "receive logged packets (nfnetlink_log)",
            Self::ConnectionEvents => "receive connection tracking events",
        }
    }
}

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// Which.
    pub step: Step,
    /// The system's answer.
    pub source: io::Error,
}

impl Failure {
    pub(crate) fn new(step: Step, source: io::Error) -> Self {
        Self { step, source }
    }

    /// Over a pipe: the step's place in [`Step::ALL`], then the error number.
    pub(crate) fn to_bytes(&self) -> [u8; 5] {
        let place = Step::ALL
            .iter()
            .position(|step| *step == self.step)
            .unwrap_or_default();
        let [a, b, c, d] = self
            .source
            .raw_os_error()
            .unwrap_or(libc::EIO)
            .to_ne_bytes();
        [u8::try_from(place).unwrap_or_default(), a, b, c, d]
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (place, errno) = bytes.split_first()?;
        let step = *Step::ALL.get(usize::from(*place))?;
        let errno = i32::from_ne_bytes(errno.get(..4)?.try_into().ok()?);
        Some(Self {
            step,
            source: io::Error::from_raw_os_error(errno),
        })
    }
}

/// What the kernel allows of the things we can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// A user namespace of our own; else we are real root and do without.
    pub user_namespace: bool,
    /// A `/proc` of our own; else the host's stays, with the host's numbers.
    pub own_proc: bool,
}

/// One more thing to try in a network namespace of its own, as the one that
/// is to run there: the packet filter's modules add theirs.
pub type Check = (Step, fn() -> io::Result<()>);

/// Tries everything the region needs. Only call it with one thread.
pub fn probe() -> Result<Allowed, Diagnosis> {
    probe_with(&filter::CHECKS)
}

/// Tries what any network needs, and `checks` after it.
pub fn probe_with(checks: &[Check]) -> Result<Allowed, Diagnosis> {
    let own = try_in_child(true, checks);
    let root = || {
        geteuid()
            .is_root()
            .then(|| try_in_child(false, checks).ok())
            .flatten()
    };
    match own {
        Ok(allowed) if allowed.own_proc => Ok(allowed),
        // real root may do better without a user namespace
        Ok(allowed) => Ok(root().filter(|root| root.own_proc).unwrap_or(allowed)),
        Err(failure) => root().ok_or_else(|| diagnosed(failure)),
    }
}

/// A failure with what this machine tells about it.
pub(crate) fn diagnosed(failure: Failure) -> Diagnosis {
    diagnose(failure, &Facts::read())
}

/// The child's report is either a failure, or the one byte "does `/proc` work".
fn try_in_child(with_user_namespace: bool, checks: &[Check]) -> Result<Allowed, Failure> {
    let start = |error| Failure::new(Step::StartInit, error);
    let (report, report_end) = pipe2(OFlag::O_CLOEXEC).map_err(|e| start(e.into()))?;
    let pid = fork_child(Ending::Abrupt, || {
        let mut report = File::from(report_end);
        let tried = leave_host(with_user_namespace).and_then(|_privilege| {
            let own = report.try_clone().map_err(start)?;
            fork_child(Ending::Abrupt, move || try_as_init(own, checks)).map_err(start)
        });
        let lost = match tried {
            Ok(init) => wait(init).map(drop),
            Err(failure) => report.write_all(&failure.to_bytes()),
        };
        u8::from(lost.is_err())
    })
    .map_err(start)?;
    let mut bytes = Vec::new();
    let read = File::from(report).read_to_end(&mut bytes);
    wait(pid).map_err(start)?;
    read.map_err(start)?;
    match bytes.as_slice() {
        [own_proc] => Ok(Allowed {
            user_namespace: with_user_namespace,
            own_proc: *own_proc == 1,
        }),
        bytes => Err(Failure::from_bytes(bytes)
            .unwrap_or_else(|| start(io::Error::from(io::ErrorKind::UnexpectedEof)))),
    }
}

fn try_as_init(mut report: File, checks: &[Check]) -> u8 {
    let own_proc = mount_proc().is_ok();
    let answer = match try_network(checks) {
        Ok(()) => vec![u8::from(own_proc)],
        Err(failure) => failure.to_bytes().to_vec(),
    };
    u8::from(report.write_all(&answer).is_err())
}

fn try_network(checks: &[Check]) -> Result<(), Failure> {
    let namespace = |error| Failure::new(Step::NetworkNamespace, error);
    let far = Netns::current().map_err(namespace)?;
    Netns::unshare().map_err(namespace)?;
    let mut socket = RouteSocket::open().map_err(|error| link_failure(Step::RouteSocket, error))?;
    let (near_name, far_name) = (LinkName::eni(0), LinkName::eth0());
    let near_end = VethEnd {
        name: &near_name,
        index: 2,
    };
    let far_end = VethEnd {
        name: &far_name,
        index: 2,
    };
    let mac = MacAddress::for_name("probe");
    let pair = link::add_veth(&near_end, &far_end, &far, mac, INTERNET_MTU);
    socket
        .execute(&[pair])
        .map_err(|error| link_failure(Step::Veth, error))?;
    checks
        .iter()
        .try_for_each(|(step, check)| check().map_err(|e| Failure::new(*step, e)))
}

fn link_failure(step: Step, error: LinkError) -> Failure {
    let source = match error {
        LinkError::Open(source)
        | LinkError::Talk { source, .. }
        | LinkError::Refused { source, .. } => source,
    };
    Failure::new(step, source)
}

fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
