//! Network namespaces held by file descriptors.
