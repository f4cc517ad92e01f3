//! The project's own tasks, and the tree's rules as a test may ask for them.

pub mod bench;
pub mod ci;
pub mod cluster;
mod controller;
pub mod e2e;
pub mod fetched;
pub mod gate_review;
pub mod link_order;
mod oidc;
mod place;
pub mod proxy;
pub mod replays;
pub mod servers;
mod shell;
mod tekton;
pub mod tidy;
