//! Instance metadata (IMDSv2) and the ECS credential endpoint.
