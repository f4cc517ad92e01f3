//! The images a Dockerfile takes something from, read as the builder reads it: what would be pulled is what is verified.

mod words;

use std::collections::HashMap;

use self::words::{Heredoc, flags, instructions, value_words, variable};

/// Arguments that the builder itself gives values by the platforms it builds on and for.
const PLATFORM_ARGUMENTS: [&str; 8] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
];

/// A stage that has begun.
struct Stage {
    name: Option<String>,
    /// The image it is built on, through other stages; `None` for scratch.
    base: Option<String>,
}

/// What has been read of a Dockerfile so far.
pub(super) struct Finder<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    /// Arguments before the first stage: the only ones that `FROM` lines see.
    global: HashMap<String, String>,
    /// Why not every argument before the first stage is known.
    unread: Option<String>,
    /// Variables of stages.
    local: HashMap<String, String>,
    stages: Vec<Stage>,
    images: Vec<String>,
    /// What was passed over, in cosign's words.
    pub(super) remarks: Vec<String>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            environment,
            global: HashMap::new(),
            unread: None,
            local: HashMap::new(),
            stages: Vec::new(),
            images: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// The images of `FROM` lines, of `COPY --from` and of `RUN --mount=from`, but for stages and `scratch`.
    ///
    /// # Errors
    /// What keeps a line from being read as the builder reads it; guessing would verify another image than is pulled.
    pub(super) fn images(&mut self, text: &str) -> Result<Vec<String>, String> {
        let file = instructions(text)?;
        if let Some(syntax) = file.syntax {
            self.remarks.push(format!("- image of the Dockerfile's syntax not verified: {syntax}"));
        }
        for line in &file.lines {
            self.line(line)?;
        }
        Ok(self.images.clone())
    }

    /// The image the last stage is built on, through stages it names.
    pub(super) fn base(&self) -> Option<&str> {
        self.stages.last()?.base.as_deref()
    }

    fn line(&mut self, line: &words::Line) -> Result<(), String> {
        let (word, rest) = line.text.split_once(char::is_whitespace).unwrap_or((&line.text, ""));
        match (word.to_ascii_uppercase().as_str(), line.heredoc) {
            // Text that a builder without here-documents would execute: its images count, what it declares does not.
            ("FROM", Heredoc::Inside) => {
                let image = flags(rest).1.split_whitespace().next().unwrap_or_default().to_owned();
                if !image.is_empty() && image != "scratch" && self.stage(&image).is_none() {
                    self.images.push(image);
                }
            }
            ("FROM", Heredoc::Outside) => self.from(&line.text, rest)?,
            ("COPY" | "RUN" | "ADD", _) => self.sources(&line.text, rest)?,
            ("ONBUILD", _) => {
                let rest = rest.trim_start();
                let (_, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                self.sources(&line.text, rest)?;
            }
            ("ARG" | "ENV", Heredoc::Outside) => self.assign(&line.text, rest),
            _ => {}
        }
        Ok(())
    }

    fn from(&mut self, line: &str, rest: &str) -> Result<(), String> {
        let words: Vec<&str> = flags(rest).1.split_whitespace().collect();
        let missing =
            || format!("no image found in line {line:?} (is a build arg missing from the environment?)");
        let (image, name) = match words.as_slice() {
            [] => return Err(missing()),
            [image] => (*image, None),
            [image, word, name] if word.eq_ignore_ascii_case("AS") => (*image, Some((*name).to_owned())),
            [_, word] if word.eq_ignore_ascii_case("AS") => {
                return Err(format!("expected stage name after \"AS\" in line {line:?}"));
            }
            _ => return Err(format!("expected an image, or an image and AS and a name, in line {line:?}")),
        };
        let image = self.expand(image, line, false)?;
        if image.is_empty() {
            return Err(missing());
        }
        // A stage has its name from the next line on: `FROM alpine AS alpine` pulls alpine.
        let base = if image == "scratch" {
            self.remarks.push("- scratch image ignored".to_owned());
            None
        } else if let Some(stage) = self.stage(&image) {
            let base = stage.base.clone();
            self.remarks.push(format!("- stage reference ignored: {image}"));
            base
        } else {
            self.images.push(image.clone());
            Some(image)
        };
        self.stages.push(Stage { name, base });
        Ok(())
    }

    /// The last stage of this name, whatever its case, as builders have it.
    fn stage(&self, name: &str) -> Option<&Stage> {
        let is_it = |stage: &&Stage| stage.name.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(name));
        self.stages.iter().rev().find(is_it)
    }

    /// The images that flags take files from.
    fn sources(&mut self, line: &str, rest: &str) -> Result<(), String> {
        for flag in flags(rest).0 {
            let named = if let Some(value) = flag.strip_prefix("--from=") {
                self.expand(value, line, true)?
            } else if let Some(mount) = flag.strip_prefix("--mount=") {
                let fields = mount.split(',').map(|field| field.trim().trim_matches('"'));
                let from = fields.filter_map(|field| field.split_once('='));
                let mut from = from.filter(|(key, _)| key.trim().eq_ignore_ascii_case("from"));
                let Some((_, value)) = from.next() else { continue };
                if value.contains('$') || from.next().is_some() {
                    return Err(format!(
                        "the source of the mount cannot be known before the build: {line:?}"
                    ));
                }
                value.trim().trim_matches('"').to_owned()
            } else {
                continue;
            };
            let number = named.parse::<usize>().is_ok_and(|number| number < self.stages.len());
            let known = number || self.stage(&named).is_some() || named == "scratch" || named.is_empty();
            if !known {
                self.images.push(named);
            }
        }
        Ok(())
    }

    /// Takes down the `KEY=value` words of an `ENV` or `ARG` line.
    fn assign(&mut self, line: &str, rest: &str) {
        let global = self.stages.is_empty();
        // Only what stands before the first stage decides about an image, and only where a `FROM` line asks for it.
        let Some(words) = value_words(rest) else {
            if global {
                self.unread = Some(format!("escapes in the values of arguments are not read: {line:?}"));
            }
            return;
        };
        for word in words {
            match word.split_once('=') {
                Some((name, value)) => match self.filled(value, line, !global) {
                    Ok(value) => {
                        let scope = if global { &mut self.global } else { &mut self.local };
                        scope.insert(name.to_owned(), value);
                    }
                    Err(why) if global => self.unread = Some(why),
                    Err(_) => {}
                },
                None if global && self.global.contains_key(&word) => {
                    self.unread =
                        Some(format!("{word} is declared twice, and here without a value: {line:?}"));
                }
                None => {}
            }
        }
    }

    /// The name of an image with values in the place of variables.
    fn expand(&self, text: &str, line: &str, stage: bool) -> Result<String, String> {
        if text.contains(['\\', '`', '"', '\'']) {
            return Err(format!("quotes and escapes in the name of an image are not read: {line:?}"));
        }
        match &self.unread {
            Some(why) if text.contains('$') => Err(why.clone()),
            _ => self.filled(text, line, stage),
        }
    }

    /// Puts values in the place of variables; of unknown names nothing is left, as builders have it.
    fn filled(&self, text: &str, line: &str, stage: bool) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let (found, next) =
                variable(after).ok_or_else(|| format!("this form of a variable is not read: {line:?}"))?;
            rest = next;
            let Some(found) = found else {
                out.push('$');
                continue;
            };
            let own = if stage { self.local.get(found.name) } else { None };
            let value = own.or_else(|| self.global.get(found.name)).cloned();
            let value = value.or_else(|| (self.environment)(found.name));
            if value.is_none() && PLATFORM_ARGUMENTS.contains(&found.name) {
                let name = found.name;
                return Err(format!(
                    "{name} has no value before the build: set it in the environment to verify {line:?}"
                ));
            }
            out.push_str(&found.value(value));
        }
        out.push_str(rest);
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
