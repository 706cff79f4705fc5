//! The real PostgreSQL server behind an RDS endpoint.
