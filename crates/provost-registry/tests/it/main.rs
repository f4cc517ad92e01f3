//! The remote client against registries that follow a script.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what the tests stand on may fail as loudly as they do"
)]

mod blobs;
mod credentials;
mod limits;
mod login;
mod manifests;
mod proxies;
mod redirects;
mod referrers;
mod retries;
mod scheme;
mod scripted;
