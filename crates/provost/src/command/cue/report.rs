//! Errors as the `cue` command prints them: sorted, one message each, its places below it.

use provost_cue::{CueError, CueErrors, LoadError, Position};

use crate::face::Face;
use crate::failure::Failure;

/// Prints errors and ends with exit 1.
pub(super) fn refuse(errors: &CueErrors, face: &Face) -> Failure {
    say(errors, face);
    Failure::quiet(1)
}

/// Prints errors.
pub(super) fn say(errors: &CueErrors, face: &Face) {
    for line in lines(errors) {
        face.say(line);
    }
}

/// Prints one sentence and ends with exit 1.
pub(super) fn plain(words: impl AsRef<str>, face: &Face) -> Failure {
    face.say(words);
    Failure::quiet(1)
}

/// Prints why loading failed and ends with exit 1.
pub(super) fn load(error: &LoadError, face: &Face) -> Failure {
    match error {
        LoadError::Source(errors) => say(errors, face),
        error => face.say(with_places(&error.to_string(), &error.positions())),
    }
    Failure::quiet(1)
}

/// Each error with its places, in the order and without the repetitions that CUE's `errors.Print` has.
fn lines(errors: &CueErrors) -> Vec<String> {
    let mut sorted: Vec<(&CueError, Vec<Position>)> =
        errors.iter().map(|error| (error, error.positions.clone())).collect();
    let key = |position: &Position| (position.file.to_string(), position.line, position.column);
    sorted.sort_by(|(a, at), (b, bt)| {
        let place = |places: &Vec<Position>| places.first().map(key);
        place(at)
            .cmp(&place(bt))
            .then_with(|| a.path.cmp(&b.path))
            .then_with(|| a.to_string().cmp(&b.to_string()))
    });
    let same = |(a, at): &(&CueError, Vec<Position>), (b, bt): &(&CueError, Vec<Position>)| match (
        at.first(),
        bt.first(),
    ) {
        (Some(x), Some(y)) => x == y && a.path == b.path,
        _ => a.to_string() == b.to_string(),
    };
    sorted.dedup_by(|later, earlier| same(earlier, later));
    sorted
        .into_iter()
        .map(|(error, mut places)| {
            places.sort_by_key(key);
            places.dedup();
            with_places(&error.to_string(), &places)
        })
        .collect()
}

fn with_places(text: &str, places: &[Position]) -> String {
    let mut out = text.to_owned();
    if !places.is_empty() {
        out.push(':');
    }
    for place in places {
        out.push_str(&format!("\n    {place}"));
    }
    out
}
