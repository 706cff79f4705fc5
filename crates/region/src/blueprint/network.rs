//! Namespaces, links, addresses and routes, as data.
