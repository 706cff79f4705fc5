//! What this kernel allows, and what to do where it does not.
