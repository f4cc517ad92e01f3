//! Builds images from a folder and a Dockerfile, without a container engine.
//!
//! A build is one stage on top of `scratch` or an image in a registry: `ARG`, `COPY`, `ADD` of local files, `ENV`,
//! `WORKDIR`, `USER`, `EXPOSE`, `LABEL`, `CMD` and `ENTRYPOINT`. Anything else is an error that names its line. The
//! same files give the same digest on every machine: entries in the order of their names, one date, no user names.
//!
//! Reading a Dockerfile and planning the build touch nothing; files are read from the context alone, and
//! registries through [`provost_registry::Store`].

mod base;
mod build;
mod config;
mod context;
mod dockerfile;
mod error;
mod instruction;
mod layer;
mod pattern;
mod plan;
mod push;
mod tree;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

use provost_oci::Digest;

pub use build::build;
pub use dockerfile::{DOCKERFILE_LIMIT, LINE_LIMIT};
pub use error::{BaseFault, BuildError, Fault};

/// The most files and folders copied in one build: some five times a large web application with its libraries.
pub const CONTEXT_ENTRY_LIMIT: usize = 200_000;
/// The most bytes copied in one build. Layers are held compressed in memory until they are pushed.
pub const CONTEXT_SIZE_LIMIT: u64 = 2 * 1024 * 1024 * 1024;

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The folder files are copied from.
    pub context: PathBuf,
    /// The Dockerfile; `<this>.dockerignore` is looked for beside it, then `.dockerignore` in the context.
    pub dockerfile: PathBuf,
    /// Build arguments by name.
    pub arguments: BTreeMap<String, String>,
    /// The date of everything in the image, in seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub created: u64,
    /// The processor, in Go's words (`amd64`).
    pub architecture: String,
    /// Whether the image is pushed, or only its digest found.
    pub push: bool,
    /// How much may be copied.
    pub limits: Limits,
}

impl BuildRequest {
    /// A build for this machine, dated 1970, that is pushed.
    #[must_use]
    pub fn new(context: PathBuf, dockerfile: PathBuf) -> Self {
        Self {
            context,
            dockerfile,
            arguments: BTreeMap::new(),
            created: 0,
            architecture: go_architecture().to_owned(),
            push: true,
            limits: Limits::default(),
        }
    }
}

/// How much one build may copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files and folders.
    pub entries: usize,
    /// Bytes, before compression.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: CONTEXT_ENTRY_LIMIT, bytes: CONTEXT_SIZE_LIMIT }
    }
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// `repository@sha256:…`, what to run.
    pub reference: String,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The length of the manifest in bytes.
    pub size: u64,
    /// The layers, those of the base included.
    pub layers: usize,
    /// Build arguments no `ARG` asked for.
    pub unused_arguments: Vec<String>,
}

/// The processor of this machine in Go's words.
#[must_use]
pub fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}
