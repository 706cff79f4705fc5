//! Does the kernel enforce what the rules say? Real namespaces, real packets.
//!
//! Each test runs again in namespaces of its own (see [`namespace`]), as root
//! or as an ordinary user. Where the kernel forbids that, tests fail and say
//! why, unless `KICKYTIME_TEST_NETNS=optional`.

mod namespace;

mod encoding;
mod loading;
mod packets;
mod topology;
