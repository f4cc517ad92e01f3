//! Statements about runs beside those of Chains, and attacks on the controller.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod attacks;
mod statements;
