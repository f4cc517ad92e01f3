//! The real binary, run as users run it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test that cannot go on should say where"
)]

mod admission;
mod asked_log;
mod attacks;
mod attest;
mod blobs;
mod carrying;
mod carrying_bundles;
mod context;
mod cosign_flags;
mod cue;
mod cue_archives;
mod cue_language;
mod cue_verbs;
mod decisions;
mod demo;
mod gate;
mod given_signatures;
mod how_to;
mod image_build;
mod initialize;
mod jp;
mod key_pairs;
mod key_references;
mod keyless;
mod local_images;
mod policies;
mod policy_tests;
mod provenance;
mod readme;
mod registry;
mod registry_kill;
mod replay;
mod resign;
mod run;
mod signatures;
mod tidy;
