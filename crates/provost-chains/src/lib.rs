//! What Tekton Chains attests, in which format, and where it goes.
//!
//! From a configuration ([`ChainsConfig`]) and a finished run ([`Run`]) to the statements about it
//! ([`statements`]) and everything to be signed ([`signables`]). Nothing here reads a file, a clock or a cluster.

pub mod artifact;
mod byproducts;
pub mod config;
mod dependencies;
pub mod descriptor;
pub mod digest_text;
pub mod format_error;
mod go_time;
pub mod hints;
pub mod image_ref;
mod materials;
pub mod quantity;
pub mod remarshal;
pub mod run;
pub mod signable;
mod slsa_v1;
mod slsa_v2;
pub mod statement;
pub mod subjects;
mod task_order;

pub use config::{ChainsConfig, ConfigError, Warning};
pub use format_error::FormatError;
pub use image_ref::ImageRef;
pub use run::Run;
pub use signable::{Payload, Signable, signables, statements};
pub use statement::{Statement, Subject};
