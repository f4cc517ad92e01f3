//! The project's own tasks, and the tree's rules as a test may ask for them.

mod ask;
mod attested;
pub mod bench;
pub mod ci;
pub mod cluster;
mod controller;
pub mod e2e;
mod faults;
pub mod fetched;
mod gate;
pub mod gate_review;
mod http;
pub mod link_order;
mod oidc;
mod place;
pub mod proxy;
pub mod render;
pub mod replays;
pub mod servers;
mod shell;
mod tekton;
pub mod tidy;
mod usage;
