//! Child processes inside a namespace, unprivileged.
