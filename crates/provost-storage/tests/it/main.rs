//! Each storage against a server of its protocol.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on should say where"
)]

mod archivista;
#[cfg(feature = "docdb")]
mod docdb;
#[cfg(feature = "gcs")]
mod gcs;
#[cfg(feature = "grafeas")]
mod grafeas;
mod http;
mod opening;
#[cfg(feature = "pubsub")]
mod pubsub;
mod scene;
