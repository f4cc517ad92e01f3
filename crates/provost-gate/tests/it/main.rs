//! The service over TLS: what it answers to odd questions, to whom it speaks, and that a new certificate breaks nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test that cannot go on should say where"
)]

mod callers;
mod requests;
mod running;
