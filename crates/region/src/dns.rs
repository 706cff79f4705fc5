//! The VPC resolver and the public names.
