//! What tests stand on: an in-memory store that counts what it is asked and can fail on request, and a Sigstore of
//! their own that signs what it is told.

pub mod authority;
mod memory_store;
pub mod services;
pub mod tuf;

pub use memory_store::{MemoryStore, Request};
