//! What tests stand on: an in-memory store, the corpus runner, a registry on loopback.
