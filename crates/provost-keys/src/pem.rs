//! The first PEM block of a file, read as Go's `encoding/pem` reads it, and blocks as Go writes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::KeyError;

/// The longest key file read: an encrypted RSA-8192 key is 8 KiB, comments and a chain beside it fit 16 times over.
pub const KEY_FILE_LIMIT: usize = 128 * 1024;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// One PEM block: its type and what the base64 holds, wiped when dropped.
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// The first well-formed block; text before it is skipped, malformed blocks too, as in Go.
pub(crate) fn first_block(input: &[u8]) -> Result<Option<Block>, KeyError> {
    if input.len() > KEY_FILE_LIMIT {
        return Err(KeyError::TooLarge { limit: KEY_FILE_LIMIT, found: input.len() });
    }
    let mut lines = input.split(|b| *b == b'\n').map(|line| line.trim_ascii_end());
    // One pass: a block that turns out malformed is dropped, and a BEGIN line inside it starts the next.
    let mut open: Option<(String, Zeroizing<Vec<u8>>)> = None;
    for line in lines.by_ref() {
        if let Some(label) = marker(line, BEGIN) {
            open = Some((label, Zeroizing::new(Vec::new())));
        } else if let Some((label, text)) = &mut open {
            match marker(line, END) {
                Some(end) if end == *label => {
                    if let Ok(body) = STANDARD.decode(text.as_slice()) {
                        return Ok(Some(Block { label: std::mem::take(label), body: Zeroizing::new(body) }));
                    }
                    open = None;
                }
                Some(_) => open = None,
                // Header lines ("Proc-Type: 4,ENCRYPTED") hold a colon, which base64 never does.
                None if line.contains(&b':') => {}
                None => text.extend(line.iter().filter(|b| !matches!(b, b' ' | b'\t' | b'\r'))),
            }
        }
    }
    Ok(None)
}

/// The type of the first well-formed block, which tells what a key that was refused claims to be.
#[must_use]
pub fn pem_label(input: &[u8]) -> Option<String> {
    Some(first_block(input).ok()??.label)
}

fn marker(line: &[u8], start: &[u8]) -> Option<String> {
    let label = line.strip_prefix(start)?.strip_suffix(DASHES)?;
    String::from_utf8(label.to_vec()).ok()
}

/// A block with 64 columns, each line ended, as Go's `pem.EncodeToMemory` writes it.
pub(crate) fn block(label: &str, body: &[u8]) -> String {
    let text = Zeroizing::new(STANDARD.encode(body));
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at_checked(64).unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = next;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[cfg(test)]
mod tests;
