//! One thread and one runtime per namespace.
