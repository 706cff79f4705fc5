//! Names and addresses, as data.
