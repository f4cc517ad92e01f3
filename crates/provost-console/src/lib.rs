//! The console: what the gate decided and what was verified, as pages for people who would rather look.
//!
//! [`Record`] hears of decisions and of what attestors said, and keeps the last of both within stated bounds. [`Console`]
//! serves them as plain pages to whom a [`Doorkeeper`] lets in, namespace by namespace (security.md 20). Nothing here
//! decides, and nothing can be changed from here.

mod door;
mod explain;
mod facts;
mod pages;
mod record;
mod seen;
mod serve;
mod sessions;
mod text;

pub use door::{Doorkeeper, MIN_TOKEN, Refusal, TokenHolder, Visitor};
pub use explain::{Cause, Entry, Line};
pub use facts::{Image, Place, Signer, Testimony};
pub use record::{Limits, Record};
pub use seen::Seen;
pub use serve::{Console, ServeError};
