//! The verbs of cosign: how many arguments each takes, which read variables, and what is said of those that are going away.

/// How many arguments a verb takes, with cobra's words where there are others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arity {
    /// The verb looks itself.
    Any,
    /// None at all.
    None,
    /// So many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
    /// So many or fewer.
    AtMost(usize),
}

impl Arity {
    /// Whether so many arguments will do.
    ///
    /// # Errors
    /// Cobra's words about a wrong number of them.
    pub(super) fn check(self, arguments: &[String], path: &str) -> Result<(), String> {
        let found = arguments.len();
        match self {
            Self::None => match arguments.first() {
                Some(first) => Err(format!("unknown command {first:?} for \"cosign {path}\"")),
                None => Ok(()),
            },
            Self::Exactly(wanted) if found != wanted => {
                Err(format!("accepts {wanted} arg(s), received {found}"))
            }
            Self::AtLeast(wanted) if found < wanted => {
                Err(format!("requires at least {wanted} arg(s), only received {found}"))
            }
            Self::AtMost(wanted) if found > wanted => {
                Err(format!("accepts at most {wanted} arg(s), received {found}"))
            }
            _ => Ok(()),
        }
    }
}

/// One verb of cosign.
#[derive(Debug)]
pub(super) struct Verb {
    /// Its words, as in `download attestation`.
    pub(super) path: &'static str,
    /// How many arguments it takes.
    pub(super) arity: Arity,
    /// Whether each of its flags is also read from `COSIGN_<FLAG>`.
    pub(super) reads_variables: bool,
    /// Where the verb is going, in cosign's words.
    pub(super) deprecated: Option<&'static str>,
}

impl Verb {
    /// Whether the verb takes a flag and never looks at it: cosign's manifest and dockerfile share the flags of verify, but
    /// not this one's effect.
    pub(super) fn never_reads(&self, flag: Option<&str>) -> bool {
        flag == Some("private-infrastructure") && matches!(self.path, "manifest verify" | "dockerfile verify")
    }
}

const fn verb(path: &'static str, arity: Arity) -> Verb {
    Verb { path, arity, reads_variables: true, deprecated: None }
}

const fn bare(path: &'static str, arity: Arity) -> Verb {
    Verb { path, arity, reads_variables: false, deprecated: None }
}

const fn leaving(path: &'static str, arity: Arity, words: &'static str) -> Verb {
    Verb { path, arity, reads_variables: true, deprecated: Some(words) }
}

/// All of them, in the order in which cosign declares them, which is the order of its suggestions.
const VERBS: &[Verb] = &[
    leaving(
        "attach",
        Arity::Any,
        "attach will be removed in v4.0.0 (see https://github.com/sigstore/cosign/issues/4696). Instead, please use oras for attaching artifacts to other artifacts in a registry",
    ),
    verb("attach signature", Arity::Exactly(1)),
    verb("attach sbom", Arity::Exactly(1)),
    verb("attach attestation", Arity::AtLeast(1)),
    verb("attest", Arity::AtLeast(1)),
    verb("attest-blob", Arity::Any),
    bare("bundle", Arity::Any),
    bare("bundle create", Arity::Any),
    bare("bundle upgrade", Arity::Exactly(1)),
    bare("bundle inspect", Arity::Exactly(1)),
    verb("clean", Arity::Exactly(1)),
    verb("tree", Arity::Exactly(1)),
    bare("completion", Arity::Exactly(1)),
    leaving(
        "copy",
        Arity::Exactly(2),
        "there are several options you can use instead:\n  - \"oras copy -r\" will copy images and referring artifacts\n  - \"cosign save\" to write to disk, followed by \"cosign load\" for a new registry\n  - \"cosign download\" followed by \"cosign attach\" to just copy the bundle",
    ),
    leaving(
        "dockerfile",
        Arity::Any,
        "dockerfile will be removed in v4.0.0 (see https://github.com/sigstore/cosign/issues/4696). Instead, please use `cosign verify` for each image in your Dockerfile",
    ),
    verb("dockerfile verify", Arity::Exactly(1)),
    verb("download", Arity::Any),
    verb("download signature", Arity::Exactly(1)),
    verb("download sbom", Arity::Exactly(1)),
    verb("download attestation", Arity::Exactly(1)),
    leaving(
        "generate",
        Arity::Exactly(1),
        "generate will be removed in v4.0.0 (see https://github.com/sigstore/cosign/issues/4696). Instead, please use in-toto tooling",
    ),
    verb("generate-key-pair", Arity::Any),
    verb("import-key-pair", Arity::Any),
    verb("initialize", Arity::Any),
    verb("load", Arity::Exactly(1)),
    leaving(
        "manifest",
        Arity::Any,
        "manifest will be removed in v4.0.0 (see https://github.com/sigstore/cosign/issues/4696). Instead, please use `cosign verify` for each image in your Kubernetes manifest",
    ),
    verb("manifest verify", Arity::Exactly(1)),
    verb("public-key", Arity::Any),
    verb("save", Arity::Exactly(1)),
    verb("sign", Arity::AtLeast(1)),
    verb("sign-blob", Arity::AtLeast(1)),
    verb("verify", Arity::AtLeast(1)),
    verb("verify-attestation", Arity::AtLeast(1)),
    verb("verify-blob", Arity::Exactly(1)),
    verb("verify-blob-attestation", Arity::AtMost(1)),
    leaving(
        "triangulate",
        Arity::Any,
        "triangulate will be removed in v4.0.0 (see https://github.com/sigstore/cosign/issues/4696). Instead, please use `oras discover` or `cosign tree` to show referring artifacts",
    ),
    bare("trusted-root", Arity::Any),
    bare("trusted-root create", Arity::Any),
    bare("signing-config", Arity::Any),
    bare("signing-config create", Arity::Any),
    bare("env", Arity::None),
    bare("version", Arity::Any),
    bare("login", Arity::Exactly(1)),
];

/// The verb of these words.
pub(super) fn find(path: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.path == path)
}

/// Whether the first word of a command line is one of cosign's.
pub(super) fn is_cosigns(word: &str) -> bool {
    find(word).is_some()
}

/// The verbs that come close to a word, as cobra finds them: those that begin with it, or differ in at most two
/// letters, ours after cosign's. None that is going away is recommended.
pub(super) fn near<'a>(word: &str, ours: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let word = word.to_lowercase();
    let close = |name: &&str| name.starts_with(&word) || distance(&word, name) <= 2;
    let kept = |verb: &&Verb| verb.deprecated.is_none() && !verb.path.contains(' ');
    let ours: Vec<_> = ours.collect();
    let there = |name: &&str| ours.contains(name);
    let theirs = VERBS.iter().filter(kept).map(|verb| verb.path).filter(there);
    let rest = ours.iter().copied().filter(|name| !is_cosigns(name));
    theirs.chain(rest).filter(close).collect()
}

/// The letters to insert, remove or replace to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut before = i;
        let mut last = i + 1;
        for (slot, right) in row.iter_mut().skip(1).zip(b.chars()) {
            let replaced = before + usize::from(left != right);
            before = *slot;
            last = replaced.min(before + 1).min(last + 1);
            *slot = last;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_letters() {
        for (a, b, letters) in
            [("", "", 0), ("", "abc", 3), ("verfy", "verify", 1), ("kitten", "sitting", 3), ("abc", "", 3)]
        {
            assert_eq!(distance(a, b), letters, "{a} {b}");
        }
    }

    #[test]
    fn only_what_stays_and_exists_is_recommended() {
        let ours = ["sign", "sign-blob", "verify", "copy", "demo"];
        assert_eq!(near("sig", ours.into_iter()), ["sign", "sign-blob"]);
        assert_eq!(near("cop", ours.into_iter()), Vec::<&str>::new());
        assert_eq!(near("dema", ours.into_iter()), ["demo"]);
    }

    #[test]
    fn the_number_of_arguments_is_judged_in_cobras_words() {
        let three = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let words = |arity: Arity| arity.check(&three, "env").unwrap_err();
        assert_eq!(words(Arity::Exactly(1)), "accepts 1 arg(s), received 3");
        assert_eq!(words(Arity::AtLeast(4)), "requires at least 4 arg(s), only received 3");
        assert_eq!(words(Arity::AtMost(2)), "accepts at most 2 arg(s), received 3");
        assert_eq!(words(Arity::None), "unknown command \"a\" for \"cosign env\"");
        assert_eq!(Arity::Any.check(&three, "env"), Ok(()));
    }
}
