//! Whether policies hold for a statement.

pub mod cue;
pub mod input;
pub mod rego;

pub use cue::CuePolicy;
pub use input::{InputError, policy_input};
pub use rego::{RegoOutcome, RegoPolicy};
