//! As of when, and seen by whom: certificates, logs, timestamps and trusted roots.
//!
//! Signing asks services ([`fulcio_client`], [`rekor_client`], [`timestamp_client`], chosen by [`signing_config`]) and
//! writes what they say into a bundle ([`bundle_writing`]).
//!
//! Verifying reads what came with a signature ([`bundle_reading`], [`annotation`]) and holds each part of it against
//! what is believed ([`trust_root`]): the certificate's path ([`chain`]), whom it names ([`identity`]), whether CT logs
//! ([`sct`]) and transparency logs ([`transparency`], [`entry_content`]) have seen it, and as of when ([`stamp`]). No
//! clock is read here: the time comes from whoever asks.

pub mod annotation;
pub mod bundle_reading;
pub mod bundle_writing;
pub mod certificate;
pub mod chain;
pub mod entry_content;
pub mod fulcio_client;
pub mod identity;
pub mod initialize;
pub mod log_entry;
mod protobuf_time;
pub mod rekor_client;
pub mod rekor_search;
pub mod sct;
pub mod service_client;
pub mod signing_config;
pub mod signing_tuf;
pub mod stamp;
pub mod timestamp_client;
pub mod transparency;
pub mod trust_root;
pub mod trusted_root_writing;
pub mod window;
