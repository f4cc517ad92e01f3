//! Keys in services, asked over loopback: each service is played by a few lines that check what they are asked.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test that cannot go on should say where"
)]

mod aws;
#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "gcp")]
mod google;
mod limits;
mod plugin;
mod server;
mod vault;
