//! `random`: a text that a regular expression matches, drawn from the environment's lots.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};
use serde_json::Value;

use super::types::S;
use super::{Call, Signature};
use crate::environment::Random;
use crate::jmespath::error::{FunctionFault, JmesError};
use crate::re2;

/// How often `*`, `+` and `{n,}` repeat at most beyond their minimum.
const UNBOUNDED: u32 = 64;
/// The longest text that is made: 64 KiB, for patterns with nested counts.
const MAX_LENGTH: usize = 64 * 1024;

pub(super) const FUNCTIONS: &[Signature] =
    &[Signature::new("random", &[S], S, random, "a random text that the regular expression matches")];

fn random(call: &mut Call<'_, '_>) -> Result<Value, JmesError> {
    if call.text(0).is_empty() {
        return Err(JmesError::NoPattern);
    }
    let lots = call.interpreter().environment.random;
    let lots = lots.ok_or_else(|| call.fault(FunctionFault::Unavailable("random")))?;
    let invalid = |reason: String| call.fault(FunctionFault::Regex(reason));
    let pattern = re2::translate(call.text(0)).map_err(invalid)?;
    let parsed = regex_syntax::parse(&pattern)
        .map_err(|_| call.fault(FunctionFault::Regex("invalid or unsupported syntax".to_owned())))?;
    let mut out = String::new();
    draw(&parsed, lots, &mut out)?;
    Ok(Value::String(out))
}

/// Appends a text for one part of the pattern; its depth is bounded by the pattern parser's nest limit (250).
fn draw(part: &Hir, lots: &dyn Random, out: &mut String) -> Result<(), JmesError> {
    if out.len() > MAX_LENGTH {
        return Err(JmesError::TextTooLong);
    }
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => Ok(()),
        HirKind::Literal(literal) => {
            out.push_str(&String::from_utf8_lossy(&literal.0));
            Ok(())
        }
        HirKind::Class(class) => {
            out.extend(character(class, lots));
            Ok(())
        }
        HirKind::Repetition(Repetition { min, max, sub, .. }) => {
            let high = max.unwrap_or_else(|| min.saturating_add(UNBOUNDED));
            let count = min + lots.below(high.saturating_sub(*min).saturating_add(1));
            for _ in 0..count {
                draw(sub, lots, out)?;
            }
            Ok(())
        }
        HirKind::Capture(capture) => draw(&capture.sub, lots, out),
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| draw(part, lots, out)),
        HirKind::Alternation(parts) => {
            let chosen = lots.below(u32::try_from(parts.len()).unwrap_or(u32::MAX)) as usize;
            parts.get(chosen).map_or(Ok(()), |part| draw(part, lots, out))
        }
    }
}

/// One character of a class; of a large class such as `.` only the printable ASCII part is used.
fn character(class: &Class, lots: &dyn Random) -> Option<char> {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => class.iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect(),
        Class::Bytes(class) => class.iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect(),
    };
    let printable: Vec<(u32, u32)> = ranges
        .iter()
        .map(|&(low, high)| (low.max(0x20), high.min(0x7e)))
        .filter(|(low, high)| low <= high)
        .collect();
    let ranges = if printable.is_empty() { ranges } else { printable };
    let total: u32 = ranges.iter().map(|(low, high)| high - low + 1).sum();
    let mut place = lots.below(total);
    for (low, high) in ranges {
        let size = high - low + 1;
        if place < size {
            return char::from_u32(low + place);
        }
        place -= size;
    }
    None
}
