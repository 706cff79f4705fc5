//! The CloudFront edge.
