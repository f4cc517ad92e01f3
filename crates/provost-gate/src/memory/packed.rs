//! Bytes in less room: base64 as what it stands for, and all of it deflated.
//!
//! An attestation is an envelope of JSON around a statement of JSON in base64, in which a compressor finds nothing that repeats.
//! Unpacked, it is byte for byte what it was.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The shortest run of base64 that is worth its place in the list of runs: 64 characters are 48 bytes.
const RUN: usize = 64;
/// The most runs: an envelope has one payload and a few signatures.
const RUNS: usize = 16;
/// What is shorter than this is left as it is: a deflated block begins with its own tables.
const SHORT: usize = 256;

thread_local! {
    /// A compressor takes a quarter of a megabyte, so each thread makes one.
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(3), false));
}

/// Bytes that are remembered.
#[derive(Clone, Debug)]
pub(super) enum Packed {
    /// As they are: short, or no shorter when packed.
    Plain(Box<[u8]>),
    /// Deflated, with the lengths that it takes to undo it.
    Deflated { packed: Box<[u8]>, runs: Box<[Run]>, inflated: usize },
}

/// A run of base64: where it stood in the text that is left when all runs are taken out, and how many bytes it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    at: u32,
    bytes: u32,
}

impl Packed {
    /// Packs these bytes, where that makes them shorter by an eighth or more.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let plain = || Self::Plain(bytes.into());
        if bytes.len() < SHORT {
            return plain();
        }
        let (unfolded, runs) = unfolded(bytes);
        let most = bytes.len() - bytes.len() / 8;
        match deflated(&unfolded, most) {
            Some(packed) => Self::Deflated { packed, runs: runs.into(), inflated: unfolded.len() },
            None => plain(),
        }
    }

    /// The bytes it takes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Deflated { packed, runs, .. } => packed.len() + size_of_val::<[Run]>(runs),
        }
    }

    /// The bytes as they were; `None` where memory itself was damaged.
    pub(super) fn bytes(&self) -> Option<Bytes> {
        match self {
            Self::Plain(bytes) => Some(Bytes::copy_from_slice(bytes)),
            Self::Deflated { packed, runs, inflated } => {
                let mut unfolded = Vec::with_capacity(*inflated);
                let mut inflate = Decompress::new(false);
                inflate.decompress_vec(packed, &mut unfolded, FlushDecompress::Finish).ok()?;
                (unfolded.len() == *inflated).then(|| folded(&unfolded, runs))?
            }
        }
    }
}

/// Deflates into at most so many bytes.
fn deflated(bytes: &[u8], most: usize) -> Option<Box<[u8]>> {
    DEFLATE.with_borrow_mut(|deflate| {
        deflate.reset();
        let mut packed = Vec::with_capacity(most);
        let status = deflate.compress_vec(bytes, &mut packed, FlushCompress::Finish);
        matches!(status, Ok(Status::StreamEnd)).then(|| packed.into_boxed_slice())
    })
}

/// The text without its runs of base64, then what those stand for.
fn unfolded(bytes: &[u8]) -> (Vec<u8>, Vec<Run>) {
    let (mut text, mut decoded, mut runs) = (Vec::with_capacity(bytes.len()), Vec::new(), Vec::new());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let length = match is_base64(*first) {
            true => rest.iter().take_while(|byte| is_base64(**byte)).count(),
            false => rest.iter().take_while(|byte| !is_base64(**byte)).count(),
        };
        let (run, after) = rest.split_at(length);
        match (run.len() >= RUN && runs.len() < RUNS).then(|| canonical(run)).flatten() {
            Some(meant) => {
                let at = u32::try_from(text.len()).ok();
                let Some((at, bytes)) = at.zip(u32::try_from(meant.len()).ok()) else {
                    return (bytes.to_vec(), Vec::new());
                };
                runs.push(Run { at, bytes });
                decoded.extend(meant);
            }
            None => text.extend_from_slice(run),
        }
        rest = after;
    }
    text.extend(decoded);
    (text, runs)
}

/// What a run stands for, where it is written as it would be written again.
fn canonical(run: &[u8]) -> Option<Vec<u8>> {
    let meant = STANDARD.decode(run).ok()?;
    (STANDARD.encode(&meant).as_bytes() == run).then_some(meant)
}

/// Undoes [`unfolded`].
fn folded(unfolded: &[u8], runs: &[Run]) -> Option<Bytes> {
    let lengths = || runs.iter().map(|run| run.bytes as usize);
    let (mut text, mut decoded) = unfolded.split_at_checked(unfolded.len().checked_sub(lengths().sum())?)?;
    let mut bytes = String::with_capacity(unfolded.len() * 4 / 3 + 4 * runs.len()).into_bytes();
    let mut taken = 0;
    for run in runs {
        let (before, after) = text.split_at_checked((run.at as usize).checked_sub(taken)?)?;
        let (meant, more) = decoded.split_at_checked(run.bytes as usize)?;
        bytes.extend_from_slice(before);
        bytes.extend_from_slice(STANDARD.encode(meant).as_bytes());
        (text, decoded, taken) = (after, more, run.at as usize);
    }
    bytes.extend_from_slice(text);
    Some(bytes.into())
}

fn is_base64(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that repeat nothing a compressor could use.
    fn noise(length: usize) -> Vec<u8> {
        let next = |state: &mut u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some(state.to_le_bytes()[6])
        };
        std::iter::successors(Some(1u64), |state| Some(state.wrapping_add(1)))
            .scan(7u64, |state, _| next(state))
            .take(length)
            .collect()
    }

    #[test]
    fn an_envelope_takes_less_than_half() {
        let statement: String =
            (0..30).map(|n| format!(r#"{{"step":{n},"image":"registry.example/tools"}},"#)).collect();
        let envelope = format!(
            r#"{{"payloadType":"application/vnd.in-toto+json","payload":"{}","signatures":[{{"keyid":"","sig":"{}"}}]}}"#,
            STANDARD.encode(statement),
            STANDARD.encode(noise(71)),
        );
        let packed = Packed::of(envelope.as_bytes());
        assert!(2 * packed.len() < envelope.len(), "{} of {}", packed.len(), envelope.len());
        assert_eq!(packed.bytes().unwrap(), envelope);
    }

    #[test]
    fn everything_comes_back_as_it_was() {
        let base64 = STANDARD.encode(noise(100));
        let odd = [
            String::new(),
            "=".repeat(300),
            "A".repeat(301),
            "A".repeat(300),
            format!("{base64}{base64}"),
            format!("{}=", "A".repeat(303)),
            format!("{}B==", "A".repeat(301)),
            format!("\"{base64}\"").repeat(2 * RUNS),
            format!("{base64}\n{}", "x y ".repeat(100)),
            format!("{}\n{base64}", "x y ".repeat(100)),
        ];
        let random = [noise(0), noise(1), noise(255), noise(256), noise(5000)];
        for bytes in odd.into_iter().map(String::into_bytes).chain(random) {
            let packed = Packed::of(&bytes);
            assert_eq!(packed.bytes().unwrap(), bytes, "{}", String::from_utf8_lossy(&bytes));
            assert!(packed.len() <= bytes.len());
        }
    }

    #[test]
    fn runs_that_do_not_fit_give_nothing() {
        let wrong = |at, bytes| folded(b"text", &[Run { at, bytes }]);
        assert_eq!((wrong(5, 0), wrong(0, 5), wrong(3, 2)), (None, None, None));
    }
}
