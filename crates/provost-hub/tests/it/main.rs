//! The hub as its clients meet it, over sockets: one module a category of the specification's conformance tests.

mod access;
mod client;
mod discovery;
mod hostile;
mod limits;
mod management;
mod pull;
mod push;
mod referrers;
