//! Where images and attestations live: the Store trait, the remote client, the OCI layout on disk.
//!
//! Every byte that comes through a [`Store`] has been checked against its digest and a size limit before it is
//! handed out. Nothing here knows what a signature is.

pub mod layout;
pub mod store;

pub use store::{Manifest, Store, StoreError};
