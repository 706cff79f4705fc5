//! The application load balancer.
