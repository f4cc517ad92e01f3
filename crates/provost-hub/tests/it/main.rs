//! The hub as its clients meet it, over sockets: one module a category of the specification's conformance tests.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod access;
mod client;
mod discovery;
mod hostile;
mod limits;
mod management;
mod pull;
mod push;
mod referrers;
mod slow;
