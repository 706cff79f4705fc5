//! Both ends over real sockets, with a small stand-in for the service between them.

mod relay;
mod world;

mod cuts;
mod port;
mod shell;
