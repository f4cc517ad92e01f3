//! `sigstore-kms-pkcs11`: keys on PKCS#11 tokens, served by sigstore's KMS plugin protocol.
//!
//! A program of its own, because a token's driver is a library that is loaded while the program runs, which a static
//! binary cannot do. Errors are answered in JSON, as the protocol wants; the exit code says nothing more.

mod answer;
mod token;
mod uri;

use std::io::{Read, Write};
use std::process::ExitCode;

/// The longest message: what `sign-blob` reads at most.
const MESSAGE_LIMIT: u64 = 1 << 30;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (version, request) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let message = || {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(MESSAGE_LIMIT + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > MESSAGE_LIMIT {
            true => Err(std::io::Error::other(format!("the message is longer than {MESSAGE_LIMIT} bytes"))),
            false => Ok(bytes),
        }
    };
    let response = answer::answer(&version, &request, variable, message);
    let failed = !response.error_message.is_empty();
    let written = serde_json::to_vec(&response).map_err(std::io::Error::other);
    let written = written.and_then(|bytes| std::io::stdout().lock().write_all(&bytes));
    if failed || written.is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
