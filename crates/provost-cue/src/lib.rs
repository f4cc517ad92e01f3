//! CUE: scanner, parser, resolver and an evaluator of conjuncts and tasks. Knows no signatures, files or clocks.
//!
//! Target is CUE v0.16.1 as cosign embeds it. [`Policy::prepare`] reads policy files once, [`Policy::check`]
//! judges one JSON document, [`Data`], as often as wanted. What this crate does not know is an error that
//! refuses, never a value that passes.

mod data;
mod error;
mod label;
mod limits;
mod policy;
mod print;
mod source;
pub mod text;

pub use data::Data;
pub use error::{Code, CueError, CueErrors, Reason};
pub use limits::Limits;
pub use policy::{Absent, Policy, PolicyFile};
pub use source::Position;
