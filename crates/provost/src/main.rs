//! Starts Provost: names the allocator, installs the one crypto provider, hands over the arguments, ends with the exit code.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A second provider in the process would make rustls panic at first use, so this is the only place that sets it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    provost::run(std::env::args_os().collect())
}
