//! The console over HTTP: who sees what, what hostile text becomes, and how much is remembered.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should say where")]

mod bounds;
mod door;
mod hostile;
mod scene;
