//! The embedded registry: the OCI distribution specification 1.1 over a layout on disk.
//!
//! Where the specification leaves something open, docker-registry 2.8 is followed, so that clients meet the answers
//! they know. [`Hub::bind`] refuses what would let strangers write (security.md 26); after it [`Hub::serve`] runs
//! until it is told to stop. Nothing here knows what a signature is.

mod access;
mod answer;
mod blobs;
mod config;
mod htpasswd;
mod hub;
mod listing;
mod manifests;
mod range;
mod route;
mod service;
mod sessions;
mod tls;
mod uploads;

pub use config::{
    BODY_IDLE_LIMIT, CONNECTION_LIMIT, Clock, HubConfig, Limits, MANIFEST_LIMIT, Remarks, SESSION_IDLE_LIMIT,
    SESSION_LIMIT, UPLOAD_LIMIT,
};
pub use hub::{Hub, HubError};
