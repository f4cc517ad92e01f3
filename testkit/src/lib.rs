//! What tests stand on: an in-memory store that counts what it is asked and can fail on request.

mod memory_store;

pub use memory_store::{MemoryStore, Request};
