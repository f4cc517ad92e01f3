//! One file a command: its arguments, and what it does with them.

pub(crate) mod annotations;
pub(crate) mod apply;
pub(crate) mod attach;
pub(crate) mod attest;
pub(crate) mod blob;
pub(crate) mod cue;
pub(crate) mod demo;
pub(crate) mod download;
pub(crate) mod generate_key_pair;
pub(crate) mod image;
pub(crate) mod jp;
pub(crate) mod provenance;
pub(crate) mod public_key;
pub(crate) mod registry;
pub(crate) mod review;
pub(crate) mod run;
pub(crate) mod sign;
pub(crate) mod sign_blob;
pub(crate) mod signer;
pub(crate) mod step;
pub(crate) mod tree;
pub(crate) mod triangulate;
pub(crate) mod verifier;
pub(crate) mod verify;
pub(crate) mod verify_attestation;
pub(crate) mod verify_blob;
