//! The whole program, as its users meet it.
//!
//! One test binary. Tests that run a region need Linux namespaces; where they
//! are forbidden they fail with the reason, unless `KICKYTIME_TEST_NETNS=optional`.

mod architecture;
