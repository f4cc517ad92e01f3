//! The project's own tasks, and the tree's rules as a test may ask for them.

pub mod bench;
pub mod ci;
pub mod e2e;
pub mod replays;
mod shell;
pub mod tidy;
