//! As of when, and seen by whom: certificates, logs, timestamps and trusted roots.
//!
//! Signing asks services ([`fulcio_client`], [`rekor_client`], [`timestamp_client`], chosen by [`signing_config`]) and
//! writes what they say into a bundle ([`bundle_writing`]).

pub mod bundle_writing;
pub mod fulcio_client;
pub mod log_entry;
mod protobuf_time;
pub mod rekor_client;
pub mod service_client;
pub mod signing_config;
pub mod timestamp_client;
