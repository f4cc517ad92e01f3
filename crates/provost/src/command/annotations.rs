//! The `-a KEY=VALUE` of `sign` and `verify`.

use std::collections::BTreeMap;

use crate::failure::Failure;

/// Reads `KEY=VALUE` words; a value may hold `=` itself.
///
/// # Errors
/// When a word has no `=`; cosign's words.
pub(crate) fn parse(words: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |word: &String| match word.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(Failure::new(format!("unable to parse annotation: {word}"))),
    };
    words.iter().map(pair).collect()
}
