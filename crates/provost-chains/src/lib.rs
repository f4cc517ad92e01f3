//! What Tekton Chains attests, in which format, and where it goes.
//!
//! From a configuration ([`ChainsConfig`]) and a finished run ([`Run`]) to the statements about it
//! ([`statements`]) and everything to be signed ([`signables`]); then [`Signed`] under a key, and beside the images
//! in a store ([`place`]); [`sign_run`] is all of it for one run, and [`reconcile`] brings one run of a cluster as far
//! as it can be brought. Nothing here reads a file or a clock; a cluster is a trait.

pub mod artifact;
mod byproducts;
pub mod claims;
pub mod config;
mod dependencies;
pub mod descriptor;
pub mod digest_text;
pub mod elsewhere;
pub mod format_error;
mod go_time;
pub mod hints;
pub mod image_ref;
mod materials;
mod members;
pub mod placing;
pub mod quantity;
pub mod receipt;
pub mod reconcile;
mod redact;
pub mod remarshal;
pub mod run;
pub mod sign_run;
pub mod signable;
pub mod signing;
mod slsa_v1;
mod slsa_v2;
pub mod statement;
pub mod subjects;
mod task_order;
pub mod vouching;
pub mod writers;

pub use config::{ChainsConfig, ConfigError, Warning};
pub use format_error::FormatError;
pub use image_ref::ImageRef;
pub use placing::{PlaceError, Placed, place};
pub use receipt::Receipt;
pub use run::Run;
pub use sign_run::{Means, SignRunError, SignedRun, sign_list, sign_run, to_sign};
pub use signable::{Payload, Signable, Signables, signables, statements};
pub use signing::Signed;
pub use statement::{Statement, Subject};
pub use vouching::{Others, Services};
