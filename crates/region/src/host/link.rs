//! Links, addresses and routes over netlink.
