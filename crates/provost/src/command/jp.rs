//! `provost jp`.

use crate::face::Face;
use crate::failure::Failure;

/// PLACEHOLDER: the owner of this command replaces this file.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {}

/// PLACEHOLDER.
pub(crate) async fn run(_args: Args, _face: &Face) -> Result<(), Failure> {
    Err(Failure::new("not built yet"))
}
