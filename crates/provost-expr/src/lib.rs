//! The languages inside Kyverno policies: JMESPath, variables, conditions, wildcards, quantities, durations.
//!
//! Nothing here does IO, reads a clock or knows Kubernetes: values are JSON, and what an expression may ask of
//! the world it asks through [`environment::Environment`] and [`context::Lookup`].

pub mod certificate;
pub mod conditions;
pub mod context;
pub mod duration;
pub mod environment;
pub mod go_text;
pub mod go_time;
pub mod image;
pub mod jmespath;
mod md5;
pub mod operators;
pub mod origins;
pub mod pattern;
pub mod quantity;
pub mod re2;
pub mod semver_range;
pub mod variables;
pub mod wildcard;
pub mod yaml;

pub use jmespath::{Expression, JmesError};
