//! The sentences of the programs we stand in for, made from typed reasons.

pub mod cosign;
pub mod go_text;
