//! What a load balancer does, as data.
