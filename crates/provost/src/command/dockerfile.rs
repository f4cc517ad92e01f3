//! `provost dockerfile verify`: the signatures of the images that a Dockerfile builds on.
//!
//! Follows cosign 3.1 (cosign.md §3.6): variables come from the file's own `ENV` and `ARG`, then from the environment.

use std::collections::HashMap;
use std::path::Path;

use super::verify;
use crate::face::Face;
use crate::failure::Failure;
use crate::go_os;

/// The largest Dockerfile read, 1 MiB: real ones have a few KiB.
const MAX_DOCKERFILE_BYTES: u64 = 1024 * 1024;

/// Verify the images of Dockerfiles.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Verify the signatures of the images that a Dockerfile builds on.
    Verify(Box<VerifyArgs>),
}

/// Verify the signatures of the images that a Dockerfile builds on.
#[derive(clap::Args, Debug)]
struct VerifyArgs {
    /// Verify only the last image, the one that is built on.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    base_image_only: bool,
    #[command(flatten)]
    verify: verify::Args,
}

/// Reads the Dockerfile and verifies its images.
pub(crate) async fn run(args: Args, face: &Face) -> Result<(), Failure> {
    let Verb::Verify(args) = args.verb;
    let VerifyArgs { base_image_only, mut verify } = *args;
    let [file] = verify.images.as_slice() else {
        return Err(Failure::new(format!("accepts 1 arg(s), received {}", verify.images.len())));
    };
    let text = go_os::read(Path::new(file), MAX_DOCKERFILE_BYTES)
        .map_err(|failure| failure.context("could not open Dockerfile"))?;
    let text = String::from_utf8_lossy(&text);
    let mut finder = Finder { environment: &|name| face.environment.text(name), ..Finder::new(&|_| None) };
    let images = finder
        .images(&text)
        .map_err(|words| Failure::new(format!("failed extracting images from Dockerfile: {words}")));
    finder.remarks.iter().for_each(|remark| face.say(remark));
    let mut images = images?;
    if images.is_empty() {
        return Err(Failure::new("no images found in Dockerfile"));
    }
    if base_image_only {
        images.drain(..images.len() - 1);
    }
    face.say(format!("Extracted image(s): {}", images.join(", ")));
    verify.images = images;
    verify::run(verify, face).await
}

/// What has been read of a Dockerfile so far.
struct Finder<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    variables: HashMap<String, String>,
    stages: Vec<String>,
    remarks: Vec<String>,
}

impl<'a> Finder<'a> {
    fn new(environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { environment, variables: HashMap::new(), stages: Vec::new(), remarks: Vec::new() }
    }

    /// The images of `FROM` and `COPY --from` lines, but for stages and `scratch`.
    fn images(&mut self, text: &str) -> Result<Vec<String>, String> {
        let mut images = Vec::new();
        for line in text.lines().map(str::trim) {
            let begins =
                |word: &str| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
            if begins("FROM") {
                let image = self.from(line)?;
                if image == "scratch" {
                    self.remarks.push("- scratch image ignored".to_owned());
                } else if self.stages.contains(&image) {
                    self.remarks.push(format!("- stage reference ignored: {image}"));
                } else {
                    images.push(image);
                }
            } else if begins("COPY") {
                images.extend(self.copied(line));
            } else if begins("ENV") || begins("ARG") {
                self.assign(line);
            }
        }
        Ok(images)
    }

    /// The image of a `FROM` line: its last word, or the one before `AS`.
    fn from(&mut self, line: &str) -> Result<String, String> {
        let expanded = self.expand(line.strip_prefix("FROM").unwrap_or(line));
        let mut words: Vec<&str> = expanded.split_whitespace().collect();
        if let Some(at) = words.iter().skip(1).rposition(|word| word.eq_ignore_ascii_case("AS")) {
            let stage = words.get(at + 2);
            let stage = stage.ok_or_else(|| format!("expected stage name after \"AS\" in line {line:?}"))?;
            self.stages.push((*stage).to_owned());
            words.truncate(at + 1);
        }
        words.last().map(|image| (*image).to_owned()).ok_or_else(|| {
            format!("no image found in line {line:?} (is a build arg missing from the environment?)")
        })
    }

    /// The image that a `COPY --from` line takes from, unless it is a stage.
    fn copied(&self, line: &str) -> Option<String> {
        let expanded = self.expand(line);
        let words = expanded.split_whitespace().filter(|word| word.contains("--from="));
        let mut sources = words.filter_map(|word| word.split('=').nth(1)).map(str::to_owned);
        sources.find(|source| !self.stages.contains(source)).filter(|source| !source.is_empty())
    }

    /// Takes down the `KEY=value` words of an `ENV` or `ARG` line.
    fn assign(&mut self, line: &str) {
        let rest = line.strip_prefix("ENV").or_else(|| line.strip_prefix("ARG")).unwrap_or(line);
        for word in self.expand(rest).split_whitespace() {
            let mut parts = word.split('=');
            if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
                self.variables.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Puts values in the place of `$name` and `${name}`, as Go's `os.Expand` does; of unknown names nothing is left.
    fn expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let (name, next) = name_of(after);
            match name {
                Some(name) => {
                    let known = self.variables.get(name).cloned().or_else(|| (self.environment)(name));
                    out.push_str(&known.unwrap_or_default());
                }
                // Broken braces vanish; a lone dollar stays.
                None if next.len() == after.len() => out.push('$'),
                None => {}
            }
            rest = next;
        }
        out.push_str(rest);
        out
    }
}

/// The name after a dollar sign, if there is one, and what follows it.
fn name_of(text: &str) -> (Option<&str>, &str) {
    if let Some(inner) = text.strip_prefix('{') {
        return match inner.split_once('}') {
            Some(("", after)) => (None, after),
            Some((name, after)) => (Some(name), after),
            None => (None, inner),
        };
    }
    let special = |c: char| matches!(c, '*' | '#' | '$' | '@' | '!' | '?' | '-' | '0'..='9');
    let length = match text.chars().next() {
        Some(first) if special(first) => 1,
        _ => text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(text.len()),
    };
    match text.split_at_checked(length) {
        Some((name, after)) if !name.is_empty() => (Some(name), after),
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (Result<Vec<String>, String>, Vec<String>) {
        let environment = |name: &str| (name == "TAG").then(|| "7".to_owned());
        let mut finder = Finder::new(&environment);
        (finder.images(text), finder.remarks)
    }

    #[test]
    fn images_are_found_and_stages_are_not() {
        let text = "ARG BASE=reg/base:1\nFROM --platform=linux/amd64 $BASE AS build\nfrom other:${TAG} as second\nFROM build\nFROM scratch\nCOPY --from=build /a /a\nCOPY --chown=0 --from=tools:2 /b /b\nRUN FROM nowhere\n";
        let (images, remarks) = found(text);
        assert_eq!(images.unwrap(), ["reg/base:1", "other:7", "tools:2"]);
        assert_eq!(remarks, ["- stage reference ignored: build", "- scratch image ignored"]);
    }

    #[test]
    fn a_line_without_an_image_is_an_error() {
        assert_eq!(
            found("FROM $NOSUCH").0.unwrap_err(),
            "no image found in line \"FROM $NOSUCH\" (is a build arg missing from the environment?)"
        );
        let no_stage = found("FROM a AS").0.unwrap_err();
        assert_eq!(no_stage, "expected stage name after \"AS\" in line \"FROM a AS\"");
    }

    #[test]
    fn variables_are_expanded_as_go_expands_them() {
        let finder = Finder::new(&|name| Some(format!("<{name}>")));
        for (text, expanded) in [
            ("a$b.c", "a<b>.c"),
            ("${a-b}", "<a-b>"),
            ("$", "$"),
            ("$.", "$."),
            ("${}x", "x"),
            ("${x", "x"),
            ("$1a", "<1>a"),
            ("ü$ä", "ü$ä"),
        ] {
            assert_eq!(finder.expand(text), expanded, "{text}");
        }
    }
}
