//! Everything that touches the kernel: namespaces, links, rules, processes.

pub mod conntrack;
pub mod flow_collector;
pub mod launch;
pub mod link;
pub mod netns;
pub mod nflog;
mod nfnetlink;
pub mod nft;
pub mod probe;
pub mod process;
pub mod thread;
pub mod visit;
