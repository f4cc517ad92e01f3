//! Where results go and in which format: `--out`, `--outfile` and what the file's name tells.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};

use provost_cue::{CueErrors, CueStyle, Demands, Encoding, Plain, Value, to_source};

use super::flags::Out;
use super::report;
use crate::face::Face;
use crate::failure::Failure;

/// Collects results and writes them at the end, so that a failure leaves no half-written file.
pub(super) struct Output {
    /// The format.
    pub(super) encoding: Encoding,
    file: Option<String>,
    force: bool,
    collected: Vec<u8>,
    documents: usize,
    html: bool,
    /// The package clause of results in CUE.
    pub(super) package: Option<String>,
}

impl Output {
    /// Reads the flags; `ordinary` is the format where nothing says another.
    pub(super) fn new(flags: &Out, ordinary: Encoding, html: bool, face: &Face) -> Result<Self, Failure> {
        let refuse = |words: String| Err(report::plain(words, face));
        let (prefix, file) = match flags.file.as_deref() {
            Some(text) => match text.split_once(':') {
                Some((prefix, file)) => (Some(prefix), Some(file)),
                None => (None, Some(text)),
            },
            None => (None, None),
        };
        if prefix.is_some() && flags.out.as_deref().is_some_and(|out| out.contains(':')) {
            return refuse("cannot specify qualifier in both --out and --outfile".to_owned());
        }
        let name = flags.out.as_deref().filter(|out| !out.is_empty()).or(prefix);
        let encoding = match (name, file.filter(|file| *file != "-")) {
            (Some(name), _) => match Encoding::of_name(name.trim_end_matches(':')) {
                Some(encoding) => encoding,
                None => return refuse(format!("unknown filetype {name}")),
            },
            (None, Some(file)) => match Encoding::of_file(file) {
                Some(encoding) => encoding,
                None => return refuse(format!("unknown file extension {}", extension(file))),
            },
            (None, None) => ordinary,
        };
        let file = file.filter(|file| *file != "-" && !file.is_empty()).map(str::to_owned);
        Ok(Self {
            encoding,
            file,
            force: flags.force,
            collected: Vec::new(),
            documents: 0,
            html,
            package: None,
        })
    }

    /// Adds bytes as they are.
    pub(super) fn push(&mut self, bytes: &[u8], face: &Face) {
        match self.file {
            Some(_) => self.collected.extend_from_slice(bytes),
            None => face.out_raw(bytes),
        }
    }

    /// Adds one encoded result.
    pub(super) fn add(&mut self, encoded: &Encoded, face: &Face) {
        if self.documents > 0 && self.encoding == Encoding::Yaml {
            self.push(b"---\n", face);
        }
        if self.documents > 0 && self.encoding == Encoding::Cue {
            self.push(b"// ---\n", face);
        }
        self.documents += 1;
        if let Some(name) = self.package.as_ref().filter(|_| self.encoding == Encoding::Cue) {
            self.push(format!("package {name}\n\n").as_bytes(), face);
        }
        self.push(&encoded.0, face);
    }

    /// Adds one result under a comment that names it.
    pub(super) fn titled(&mut self, title: &str, encoded: &Encoded, face: &Face) {
        self.push(format!("// {title}\n").as_bytes(), face);
        self.push(&encoded.0, face);
        self.documents += 1;
    }

    /// What the format makes of a value.
    pub(super) fn encoder(&self) -> Encoder {
        Encoder { encoding: self.encoding, html: self.html }
    }

    /// Writes the file, if there is one.
    pub(super) fn close(self, face: &Face) -> Result<(), Failure> {
        let Some(path) = &self.file else { return Ok(()) };
        let mut options = OpenOptions::new();
        options.write(true);
        match self.force {
            true => options.create(true).truncate(true),
            false => options.create_new(true),
        };
        let opened = match options.open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // What is no regular file, such as a pipe, may be written to.
                match fs::metadata(path).is_ok_and(|found| !found.is_file()) {
                    true => OpenOptions::new().write(true).open(path),
                    false => {
                        let words = format!("error writing \"{path}\": file already exists");
                        return Err(report::plain(words, face));
                    }
                }
            }
            opened => opened,
        };
        let written = opened.and_then(|mut file| file.write_all(&self.collected));
        written.map_err(|error| report::plain(format!("error writing \"{path}\": {error}"), face))
    }
}

fn extension(name: &str) -> &str {
    let base = name.rsplit('/').next().unwrap_or(name);
    base.rfind('.').and_then(|at| base.get(at..)).unwrap_or_default()
}

/// One result in its format.
pub(super) struct Encoded(pub(super) Vec<u8>);

/// Turns values into one format.
#[derive(Clone, Copy)]
pub(super) struct Encoder {
    encoding: Encoding,
    html: bool,
}

/// Why a value has no form in a format.
pub(super) enum Refusal {
    /// What is wrong with it.
    Errors(CueErrors),
    /// What the format wants.
    Words(String),
}

impl From<CueErrors> for Refusal {
    fn from(errors: CueErrors) -> Self {
        Self::Errors(errors)
    }
}

impl Encoder {
    /// A value that must be concrete in a format of data.
    pub(super) fn plain(self, value: Value<'_, '_>) -> Result<Encoded, Refusal> {
        if self.encoding == Encoding::Cue {
            value.validate(Demands { concrete: true, complete: true })?;
            let style = CueStyle { simplify: true, ..CueStyle::default() };
            return Ok(Encoded(to_source(value, style)?.into_bytes()));
        }
        let plain = Plain::read(value)?;
        let text = match self.encoding {
            Encoding::Yaml => plain.to_yaml().into_bytes(),
            Encoding::Text => match plain {
                Plain::Text(text) => format!("{text}\n").into_bytes(),
                Plain::Bytes(bytes) => [&*bytes, b"\n"].concat(),
                other => return Err(wrong_kind(&other, "string")),
            },
            Encoding::Binary => match plain {
                Plain::Text(text) => text.as_bytes().to_vec(),
                Plain::Bytes(bytes) => bytes.to_vec(),
                other => return Err(wrong_kind(&other, "bytes")),
            },
            _ => plain.to_json(self.html).into_bytes(),
        };
        Ok(Encoded(text))
    }
}

fn wrong_kind(value: &Plain, expected: &str) -> Refusal {
    let kind = match value {
        Plain::Null => "null",
        Plain::Bool(_) => "bool",
        Plain::Number(text) if text.contains(['.', 'e', 'E']) => "float",
        Plain::Number(_) => "int",
        Plain::Text(_) => "string",
        Plain::Bytes(_) => "bytes",
        Plain::List(_) => "list",
        Plain::Struct(_) => "struct",
    };
    Refusal::Words(format!("cannot use value {} (type {kind}) as {expected}", value.to_cue()))
}
