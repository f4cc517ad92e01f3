//! The gate: answers an API server's questions about images, in time, from what it remembers.
//!
//! [`Gate::answer`] is the one way in. What it judges by comes as a [`sight::Sight`], from a folder or from a cluster; what it
//! decided goes to whoever [`record::Hears`]. It talks to no cluster: `provost-kube` brings it one.

pub mod backlog;
pub mod codes;
pub mod filters;
mod gate;
pub mod hook;
pub mod log;
pub mod memory;
pub mod metrics;
pub mod record;
pub mod replay;
mod response;
pub mod server;
pub mod sight;
pub mod summary;
mod unchanged;

pub use gate::{Asked, Gate, LONGEST_WAITING, Machine, Parts, WAITING};
pub use hook::{Hook, Share};
