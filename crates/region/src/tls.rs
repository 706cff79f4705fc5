//! The region's certificate authority and the certificates it signs.
