//! The door on the host: a viewer standing in the internet namespace.
