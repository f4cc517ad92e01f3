//! Shell patterns against names: `*`, `?`, `[…]`; a star stays within one element of a path.

use super::clean::System;

const BAD: &str = "syntax error in pattern";

/// Whether a whole name matches; `Err` holds Go's words.
pub(super) fn matches(system: System, pattern: &str, name: &str) -> Result<bool, &'static str> {
    let separator = system.separator();
    let (mut pattern, mut name) = (pattern, name);
    'pattern: while !pattern.is_empty() {
        let (star, chunk, rest) = chunk(system, pattern)?;
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(!name.contains(separator));
        }
        match prefix(system, chunk, name)? {
            Some(tail) if tail.is_empty() || !pattern.is_empty() => {
                name = tail;
                continue;
            }
            _ => {}
        }
        if star {
            for (at, letter) in name.char_indices() {
                if letter == separator {
                    break;
                }
                let after = name.get(at + letter.len_utf8()..).unwrap_or_default();
                if let Some(tail) = prefix(system, chunk, after)? {
                    if pattern.is_empty() && !tail.is_empty() {
                        continue;
                    }
                    name = tail;
                    continue 'pattern;
                }
            }
        }
        // What is left is still held against the grammar.
        while !pattern.is_empty() {
            pattern = self::chunk(system, pattern)?.2;
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// Whether a star comes first, the pattern up to the next star, and the rest.
fn chunk(system: System, pattern: &str) -> Result<(bool, &str, &str), &'static str> {
    let star = pattern.starts_with('*');
    let pattern = pattern.strip_prefix('*').unwrap_or(pattern);
    if star && pattern.starts_with('*') {
        return Err("'**' is not supported in patterns as of yet");
    }
    let (mut inside, mut escaped) = (false, false);
    for (at, letter) in pattern.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match letter {
            '\\' => escaped = system != System::Windows,
            '[' => inside = true,
            ']' => inside = false,
            '*' if !inside => {
                let (chunk, rest) = pattern.split_at(at);
                return Ok((star, chunk, rest));
            }
            _ => {}
        }
    }
    Ok((star, pattern, ""))
}

/// What of a name is left behind a match of a chunk. A chunk is read to its end even where it cannot match.
fn prefix<'a>(system: System, chunk: &str, name: &'a str) -> Result<Option<&'a str>, &'static str> {
    let (mut chunk, mut name, mut failed) = (chunk, name, false);
    let step = |name: &mut &'a str| -> Option<char> {
        let letter = name.chars().next()?;
        *name = name.get(letter.len_utf8()..).unwrap_or_default();
        Some(letter)
    };
    while let Some(letter) = chunk.chars().next() {
        failed |= name.is_empty();
        chunk = chunk.get(letter.len_utf8()..).unwrap_or_default();
        match letter {
            '[' => {
                let found = if failed { None } else { step(&mut name) };
                let negated = chunk.starts_with('^');
                chunk = chunk.strip_prefix('^').unwrap_or(chunk);
                let (mut matched, mut ranges) = (false, 0);
                loop {
                    if ranges > 0 && chunk.starts_with(']') {
                        chunk = chunk.get(1..).unwrap_or_default();
                        break;
                    }
                    let low = member(system, &mut chunk)?;
                    let mut high = low;
                    if let Some(rest) = chunk.strip_prefix('-') {
                        chunk = rest;
                        high = member(system, &mut chunk)?;
                    }
                    matched |= found.is_some_and(|found| (low..=high).contains(&found));
                    ranges += 1;
                }
                failed |= matched == negated;
            }
            '?' => failed |= !failed && step(&mut name).is_none_or(|found| found == system.separator()),
            letter => {
                let mut wanted = letter;
                if letter == '\\' && system != System::Windows {
                    wanted = step_pattern(&mut chunk).ok_or(BAD)?;
                }
                failed |= !failed && step(&mut name) != Some(wanted);
            }
        }
    }
    Ok((!failed).then_some(name))
}

fn step_pattern(chunk: &mut &str) -> Option<char> {
    let letter = chunk.chars().next()?;
    *chunk = chunk.get(letter.len_utf8()..)?;
    Some(letter)
}

/// A character of a class; a class never ends with one.
fn member(system: System, chunk: &mut &str) -> Result<char, &'static str> {
    if chunk.starts_with(['-', ']']) {
        return Err(BAD);
    }
    let mut letter = step_pattern(chunk).ok_or(BAD)?;
    if letter == '\\' && system != System::Windows {
        letter = step_pattern(chunk).ok_or(BAD)?;
    }
    if chunk.is_empty() { Err(BAD) } else { Ok(letter) }
}
