//! What every server of ours does: listen, shake hands, bound what clients may take, stop without breaking off.
//!
//! [`Server::bind`] listens, [`Server::serve`] hands requests to an [`Answer`]. Certificates can be swapped while it serves
//! ([`Certificates`]).

mod certificates;
mod connection;
mod limits;
mod pem;
mod server;

pub use certificates::{CertificateError, Certificates};
pub use limits::Limits;
pub use pem::{FILE_LIMIT, read as read_file};
pub use server::{Answer, BindError, Peer, Server, Tls};
