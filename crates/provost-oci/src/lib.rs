//! The vocabulary of registries: digests, references, descriptors, manifests, error answers.
//!
//! Both ends of a registry conversation speak these types, and every layer above names images with them.
//! Nothing here does input or output.

pub mod digest;
pub mod error;
pub mod manifest;
pub mod media_type;
pub mod reference;

pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use error::{ErrorCode, ErrorDocument, ErrorEntry};
pub use manifest::{Descriptor, ImageConfig, ImageIndex, ImageManifest, Platform};
pub use reference::{Reference, ReferenceError, Repository, Selector};
