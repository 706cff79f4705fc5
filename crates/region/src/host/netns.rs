//! How do a region's namespaces come into being, change and go?
//!
//! A namespace has no name in the file system: a file descriptor holds it,
//! closed on exec, so that the end of the program is the end of it. All are
//! made on a thread of their own, which alone changes namespaces; the caller
//! stays where it is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

use super::link::{self, LinkError, Request, RouteSocket, VethEnd};
use crate::blueprint::network::lower::{
    Attachment, LinkSpec, Lowered, NamespaceName, NamespaceRole, NamespaceSpec, RouteSpec,
    RouteVia, Sysctl, attach_eni,
};
use crate::blueprint::network::{Eni, EniId, LinkName, VpcId};

/// A link is up within a millisecond; under heavy load, while other namespaces
/// are taken apart, within some hundreds.
const LINK_DEADLINE: Duration = Duration::from_secs(5);

/// A network namespace, alive as long as a clone of this is.
#[derive(Debug, Clone)]
pub struct Netns(Arc<OwnedFd>);

impl Netns {
    /// The namespace of the calling thread.
    pub fn current() -> io::Result<Self> {
        // not /proc/self: that is the main thread's
        Ok(Self(Arc::new(
            File::open("/proc/thread-self/ns/net")?.into(),
        )))
    }

    /// A new one, with nothing but a loopback interface that is down. Moves
    /// the calling thread into it.
    pub fn unshare() -> io::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Self::current()
    }

    /// Moves the calling thread into it, for good: call this at the start of
    /// a thread that belongs to the namespace.
    pub fn enter(&self) -> io::Result<()> {
        Ok(setns(&*self.0, CloneFlags::CLONE_NEWNET)?)
    }

    /// Runs `work` inside, on a thread made for it, and waits.
    ///
    /// # Errors
    ///
    /// Those of `work`, and of entering the namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_own_thread(|| {
            self.enter()?;
            work()
        })?
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Runs `work` on a thread made for it. A panic in it goes on in the caller.
fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)?;
        Ok(thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Why a namespace could not be made as wanted.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No thread to work on.
    #[error("cannot start the thread that makes namespaces")]
    Thread(#[source] io::Error),
    /// `unshare` or opening the namespace failed.
    #[error("cannot make the network namespace `{namespace}`")]
    Create {
        /// Which.
        namespace: NamespaceName,
        /// The system's answer.
        source: io::Error,
    },
    /// A kernel setting could not be written, and not because `/proc/sys` is
    /// read-only.
    #[error("cannot set `{path}` to `{value}` in namespace `{namespace}`")]
    Sysctl {
        /// Which.
        namespace: NamespaceName,
        /// Below `/proc/sys`.
        path: &'static str,
        /// Wanted value.
        value: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel refused a link, address, route or rule.
    #[error("cannot set up the namespace `{namespace}`")]
    Link {
        /// Which.
        namespace: NamespaceName,
        /// The step and the kernel's answer.
        source: LinkError,
    },
    /// The blueprint names a namespace that it does not have.
    #[error("there is no namespace `{0}`")]
    Missing(NamespaceName),
    /// The blueprint names an interface that its namespace does not have.
    #[error("there is no interface `{link}` in namespace `{namespace}`")]
    MissingLink {
        /// Which.
        namespace: NamespaceName,
        /// The interface.
        link: LinkName,
    },
    /// Both ends were brought up and the link stays dead.
    #[error("the interface `{link}` in namespace `{namespace}` does not come up")]
    Down {
        /// Which.
        namespace: NamespaceName,
        /// The interface.
        link: LinkName,
    },
    /// Something of this name is there already.
    #[error("the namespace `{0}` is there already")]
    Exists(NamespaceName),
}

impl NetworkError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Create { source, .. } if source.raw_os_error() == Some(libc::ENOSPC) => Some(
                "too many network namespaces: raise the limit with \
                 `sudo sysctl user.max_net_namespaces=10000`",
            ),
            Self::Create { source, .. } if source.raw_os_error() == Some(libc::EMFILE) => {
                Some("too many open files: raise the hard limit (`ulimit -Hn`)")
            }
            Self::Link { source, .. } => source.hint(),
            _ => None,
        }
    }
}

/// How kernel settings were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsPath {
    /// Through `/proc/sys`.
    ProcSys,
    /// `/proc/sys` is read-only (a container): over netlink, interface by
    /// interface. Ports below 1024 are then not open to everyone, so a child
    /// process needs the ambient capability to bind them.
    Netlink,
}

/// A namespace with the socket to change it.
struct Built {
    namespace: Netns,
    role: NamespaceRole,
    socket: RouteSocket,
    indexes: BTreeMap<LinkName, u32>,
    next_index: u32,
}

impl Built {
    /// Index of a new interface. Never given twice, so that a rule that still
    /// holds an old index cannot mean a new interface.
    fn allocate(&mut self, link: &LinkName) -> u32 {
        let index = self.next_index;
        self.next_index += 1;
        self.indexes.insert(link.clone(), index);
        index
    }
}

/// The region's namespaces, made and linked. Dropping it lets them go.
pub struct Namespaces {
    built: BTreeMap<NamespaceName, Built>,
    settings: SettingsPath,
}

impl Namespaces {
    /// Makes everything in `wanted`. The calling thread stays in its own
    /// namespace; it needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
    pub fn build(wanted: &Lowered) -> Result<Self, NetworkError> {
        let mut namespaces = Self {
            built: BTreeMap::new(),
            settings: SettingsPath::ProcSys,
        };
        namespaces.create(&wanted.namespaces)?;
        for link in &wanted.links {
            namespaces.connect(link)?;
        }
        for spec in &wanted.namespaces {
            namespaces.fill(spec)?;
        }
        wanted
            .links
            .iter()
            .try_for_each(|link| namespaces.settle(link))?;
        Ok(namespaces)
    }

    /// The namespace named `name`.
    pub fn get(&self, name: &NamespaceName) -> Option<&Netns> {
        self.built.get(name).map(|built| &built.namespace)
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&NamespaceName, &Netns)> {
        self.built
            .iter()
            .map(|(name, built)| (name, &built.namespace))
    }

    /// How kernel settings were made.
    pub fn settings(&self) -> SettingsPath {
        self.settings
    }

    /// Attaches one more ENI to the router of `vpc`, whose other ENIs notice
    /// nothing. The ruleset is the caller's part, and comes first.
    pub fn attach(&mut self, vpc: &VpcId, eni: &Eni) -> Result<Netns, NetworkError> {
        let Attachment {
            namespace,
            link,
            router_routes,
        } = attach_eni(vpc, eni);
        let name = namespace.name.clone();
        let attached = self.attach_steps(&namespace, &link, &router_routes);
        if attached.is_err() && !matches!(attached, Err(NetworkError::Exists(_))) {
            self.built.remove(&name);
        }
        attached?;
        self.get(&name).cloned().ok_or(NetworkError::Missing(name))
    }

    fn attach_steps(
        &mut self,
        namespace: &NamespaceSpec,
        link: &LinkSpec,
        router_routes: &[RouteSpec],
    ) -> Result<(), NetworkError> {
        self.create(std::slice::from_ref(namespace))?;
        self.connect(link)?;
        self.fill(namespace)?;
        self.route(&link.upper.0, router_routes)?;
        self.settle(link)
    }

    /// Takes an ENI away. Its link and routes go with its namespace, which the
    /// kernel takes apart once no socket or process holds it, in some tens of
    /// milliseconds and without holding anybody up.
    pub fn detach(&mut self, eni: &EniId) -> bool {
        self.built
            .remove(&NamespaceName::Eni(eni.clone()))
            .is_some()
    }

    fn create(&mut self, specs: &[NamespaceSpec]) -> Result<(), NetworkError> {
        if let Some(spec) = specs
            .iter()
            .find(|spec| self.built.contains_key(&spec.name))
        {
            return Err(NetworkError::Exists(spec.name.clone()));
        }
        let settings = self.settings;
        let (created, settings) =
            on_own_thread(move || create(specs, settings)).map_err(NetworkError::Thread)??;
        self.settings = settings;
        self.built.extend(created);
        Ok(())
    }

    fn connect(&mut self, link: &LinkSpec) -> Result<(), NetworkError> {
        let (upper, near) = &link.upper;
        let (lower, far) = &link.lower;
        let below = self.built_mut(lower)?;
        let far_index = below.allocate(far);
        let far_namespace = below.namespace.clone();
        let netlink_settings = self.settings == SettingsPath::Netlink;
        let above = self.built_mut(upper)?;
        let near_end = VethEnd {
            name: near,
            index: above.allocate(near),
        };
        let far_end = VethEnd {
            name: far,
            index: far_index,
        };
        let mut requests = vec![link::add_veth(
            &near_end,
            &far_end,
            &far_namespace,
            link.mac,
            link.mtu,
        )];
        if netlink_settings && above.role.forwards() {
            requests.push(link::forward_without_sysctl(near, near_end.index));
        }
        execute(upper, above, &requests)
    }

    /// Brings interfaces up, then addresses, routes and rules.
    fn fill(&mut self, spec: &NamespaceSpec) -> Result<(), NetworkError> {
        let netlink_settings = self.settings == SettingsPath::Netlink;
        let built = self.built_mut(&spec.name)?;
        let mut requests = Vec::new();
        for (name, index) in &built.indexes {
            requests.push(link::set_up(name, *index));
            if netlink_settings && spec.role.forwards() {
                requests.push(link::forward_without_sysctl(name, *index));
            }
        }
        for (link, address) in &spec.addresses {
            let index = index_of(&spec.name, built, link)?;
            requests.push(link::add_address(link, index, *address));
        }
        requests.extend(route_requests(&spec.name, built, &spec.routes)?);
        requests.extend(spec.rules.iter().map(link::add_rule));
        execute(&spec.name, built, &requests)
    }

    /// Waits until `link` passes packets. Only its upper end may need it: the
    /// lower one came up when the other was there already.
    fn settle(&mut self, link: &LinkSpec) -> Result<(), NetworkError> {
        let (name, link) = &link.upper;
        let built = self.built_mut(name)?;
        let index = index_of(name, built, link)?;
        let end = Instant::now() + LINK_DEADLINE;
        let failed = |source| NetworkError::Link {
            namespace: name.clone(),
            source,
        };
        while !built.socket.running(index).map_err(failed)? {
            if Instant::now() > end {
                return Err(NetworkError::Down {
                    namespace: name.clone(),
                    link: link.clone(),
                });
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn route(&mut self, name: &NamespaceName, routes: &[RouteSpec]) -> Result<(), NetworkError> {
        let built = self.built_mut(name)?;
        let requests = route_requests(name, built, routes)?;
        execute(name, built, &requests)
    }

    fn built_mut(&mut self, name: &NamespaceName) -> Result<&mut Built, NetworkError> {
        self.built
            .get_mut(name)
            .ok_or_else(|| NetworkError::Missing(name.clone()))
    }
}

fn execute(
    name: &NamespaceName,
    built: &mut Built,
    requests: &[Request],
) -> Result<(), NetworkError> {
    built
        .socket
        .execute(requests)
        .map_err(|source| NetworkError::Link {
            namespace: name.clone(),
            source,
        })
}

fn index_of(name: &NamespaceName, built: &Built, link: &LinkName) -> Result<u32, NetworkError> {
    built
        .indexes
        .get(link)
        .copied()
        .ok_or_else(|| NetworkError::MissingLink {
            namespace: name.clone(),
            link: link.clone(),
        })
}

fn route_requests(
    name: &NamespaceName,
    built: &Built,
    routes: &[RouteSpec],
) -> Result<Vec<Request>, NetworkError> {
    routes
        .iter()
        .map(|route| {
            let index = match &route.via {
                RouteVia::Link(link) | RouteVia::Gateway(_, link) => index_of(name, built, link)?,
                RouteVia::Blackhole => 0,
            };
            Ok(link::add_route(route, |_| index))
        })
        .collect()
}

/// Runs on the builder thread, which ends in the last namespace it made.
fn create(
    specs: &[NamespaceSpec],
    mut settings: SettingsPath,
) -> Result<(Vec<(NamespaceName, Built)>, SettingsPath), NetworkError> {
    let mut created = Vec::with_capacity(specs.len());
    for spec in specs {
        let failed = |source| NetworkError::Create {
            namespace: spec.name.clone(),
            source,
        };
        let namespace = Netns::unshare().map_err(failed)?;
        if settings == SettingsPath::ProcSys {
            settings = write_sysctls(spec)?;
        }
        let socket = RouteSocket::open().map_err(|source| NetworkError::Link {
            namespace: spec.name.clone(),
            source,
        })?;
        let built = Built {
            namespace,
            role: spec.role,
            socket,
            // a new namespace has its loopback interface at 1, always
            indexes: BTreeMap::from([(LinkName::loopback(), 1)]),
            next_index: 2,
        };
        created.push((spec.name.clone(), built));
    }
    Ok((created, settings))
}

fn write_sysctls(spec: &NamespaceSpec) -> Result<SettingsPath, NetworkError> {
    for Sysctl {
        path,
        value,
        optional,
    } in spec.role.sysctls()
    {
        let Err(source) = std::fs::write(format!("/proc/sys/{path}"), value) else {
            continue;
        };
        if source.kind() == io::ErrorKind::ReadOnlyFilesystem {
            return Ok(SettingsPath::Netlink);
        }
        if !optional {
            return Err(NetworkError::Sysctl {
                namespace: spec.name.clone(),
                path,
                value,
                source,
            });
        }
    }
    Ok(SettingsPath::ProcSys)
}
