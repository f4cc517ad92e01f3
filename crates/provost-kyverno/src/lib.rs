//! Kyverno's image policies: match, autogen, verifyImages, results.
//!
//! [`judge::judge`] is the one call in which policies meet an object. It talks to no cluster and opens no registry:
//! it asks a [`cluster::Cluster`] and the [`stores::Stores`] it is given. What it finds are typed
//! [`outcome::Finding`]s; Kyverno's sentences are made from them in [`message`], its denials in [`denial`], its
//! patches in [`patch`], the answers of its two webhooks in [`review`], the lines of its commands in
//! [`apply`] and [`test_file`].

pub mod anchors;
pub mod apply;
mod attestations;
mod attestors;
pub mod autogen;
pub mod cluster;
mod conditions;
mod context;
pub mod denial;
pub mod exception;
pub mod extract;
pub mod judge;
pub mod message;
mod notary;
pub mod outcome;
pub mod patch;
pub mod policy;
pub mod request;
pub mod review;
pub mod rule;
pub mod select;
pub mod stores;
pub mod test_file;
mod vouched;
pub mod witness;
pub mod yaml;

pub use anchors::{Anchors, KeyServices, ServiceError};
pub use cluster::{Cluster, ClusterError, Objects};
pub use exception::Exception;
pub use judge::{Judgement, Settings, World, judge};
pub use outcome::{Finding, PolicyOutcome, RuleOutcome, Status};
pub use policy::{Policy, Refusal, load};
pub use request::{Operation, Request};
pub use stores::{Access, DockerSecret, Stores};
