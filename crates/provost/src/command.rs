//! One file a command: its arguments, and what it does with them.

pub(crate) mod apply;
pub(crate) mod attest;
pub(crate) mod cue;
pub(crate) mod demo;
pub(crate) mod generate_key_pair;
pub(crate) mod image;
pub(crate) mod jp;
pub(crate) mod provenance;
pub(crate) mod public_key;
pub(crate) mod registry;
pub(crate) mod review;
pub(crate) mod run;
pub(crate) mod step;
pub(crate) mod verify_attestation;
