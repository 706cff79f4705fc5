//! What does a template come to mean? Text in, model out.

mod balancer;
mod compute;
mod data;
mod edge;
mod identity;
mod instance;
mod interface;
mod network;
mod security_group;
mod support;
mod whole;
