//! `Range` of downloads (RFC 9110) and `Content-Range` of upload chunks (the specification's own short form).

/// What a `Range` header asks of content of a known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Everything: no range, or one that RFC 9110 lets a server pass over.
    All,
    /// These bytes, first and last.
    Part(u64, u64),
    /// Bytes past the end.
    Unsatisfiable,
}

/// Reads a `Range` header: one range of bytes; several are answered by everything.
pub(crate) fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Wanted::All };
    let Some((first, last)) = spec.split_once('-') else { return Wanted::All };
    let end = length.saturating_sub(1);
    match (number(first), number(last)) {
        _ if spec.contains(',') => Wanted::All,
        (Some(first), _) if last.is_empty() && first < length => Wanted::Part(first, end),
        (Some(first), Some(last)) if first > last => Wanted::All,
        (Some(first), Some(last)) if first < length => Wanted::Part(first, last.min(end)),
        (Some(_), Some(_)) => Wanted::Unsatisfiable,
        (Some(_), None) if last.is_empty() => Wanted::Unsatisfiable,
        (None, Some(0)) if first.is_empty() => Wanted::Unsatisfiable,
        (None, Some(count)) if first.is_empty() && length > 0 => {
            Wanted::Part(length.saturating_sub(count), end)
        }
        (None, Some(_)) if first.is_empty() => Wanted::Unsatisfiable,
        _ => Wanted::All,
    }
}

/// Reads a chunk's `Content-Range`: `first-last`, where docker's `bytes first-last/total` counts too.
pub(crate) fn chunk(header: &str) -> Option<(u64, u64)> {
    let text = header.trim();
    let text = text.strip_prefix("bytes").map_or(text, |rest| rest.trim_start_matches(['=', ' ']));
    let text = text.split_once('/').map_or(text, |(range, _)| range);
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
