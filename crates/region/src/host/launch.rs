//! From an ordinary process to one that owns its namespaces.
