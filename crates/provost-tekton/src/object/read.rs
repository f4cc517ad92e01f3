//! Reading YAML files of several objects, scalars as Go reads them.

use provost_oci::Digest;
use serde_json::Value;

use super::{Document, Object, ObjectError};

/// The most bytes of one file: etcd keeps objects of 1.5 MiB, and a file holds a handful of them.
pub const MAX_FILE: usize = 8 * 1024 * 1024;

/// The most documents of one file: every shipped catalogue keeps below a hundred.
pub const MAX_DOCUMENTS: usize = 256;

/// Where an object came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file as it was named.
    pub file: String,
    /// Which document of it, from 1.
    pub document: usize,
    /// The digest of the file's bytes.
    pub digest: Digest,
}

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// More bytes than [`MAX_FILE`].
    #[error("{file}: expected at most {MAX_FILE} bytes, found {found}")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size in bytes.
        found: usize,
    },
    /// Bytes that are no text.
    #[error("{file}: expected UTF-8, found another byte at offset {offset}")]
    NotText {
        /// The file.
        file: String,
        /// The first byte that is none.
        offset: usize,
    },
    /// More documents than [`MAX_DOCUMENTS`].
    #[error("{file}: expected at most {MAX_DOCUMENTS} documents")]
    TooMany {
        /// The file.
        file: String,
    },
    /// No YAML.
    #[error("{file}: document {document}: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// Which document, from 1.
        document: usize,
        /// What the YAML reader expected and found, with the line in the file.
        message: String,
    },
    /// YAML that is no object we read.
    #[error("{file}: document {document}: {cause}")]
    Object {
        /// The file.
        file: String,
        /// Which document, from 1.
        document: usize,
        /// What is wrong with it.
        cause: ObjectError,
    },
}

/// Reads every object of a YAML (or JSON) file; `List` objects are opened, empty documents skipped.
pub fn read_documents(file: &str, bytes: &[u8]) -> Result<Vec<Document>, ReadError> {
    if bytes.len() > MAX_FILE {
        return Err(ReadError::TooLarge { file: file.to_owned(), found: bytes.len() });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ReadError::NotText { file: file.to_owned(), offset: error.valid_up_to() })?;
    let digest = Digest::sha256_of(bytes);
    let parts = split(text);
    if parts.len() > MAX_DOCUMENTS {
        return Err(ReadError::TooMany { file: file.to_owned() });
    }
    let mut found = Vec::new();
    for (index, (lines_before, part)) in parts.into_iter().enumerate() {
        let document = index + 1;
        let value = parse(part, lines_before).map_err(|message| ReadError::Syntax {
            file: file.to_owned(),
            document,
            message,
        })?;
        if value.is_null() {
            continue;
        }
        let origin = Origin { file: file.to_owned(), document, digest: digest.clone() };
        for value in open_list(value) {
            let object = Object::from_value(value).map_err(|cause| ReadError::Object {
                file: file.to_owned(),
                document,
                cause,
            })?;
            found.push(Document { origin: origin.clone(), object });
        }
    }
    Ok(found)
}

/// Cuts at the lines that begin a document, each part with the number of lines before it.
///
/// Inside a document no line can begin with `---` at the left edge: block scalars are indented.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let opens = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if opens && offset > start {
            parts.push((start_line, text.get(start..offset).unwrap_or_default()));
            (start, start_line) = (offset, number);
        }
        offset += line.len();
    }
    parts.push((start_line, text.get(start..).unwrap_or_default()));
    parts
}

fn parse(part: &str, lines_before: usize) -> Result<Value, String> {
    if part.lines().all(|line| line.trim().is_empty() || line.starts_with('#') || line.trim_end() == "---") {
        return Ok(Value::Null);
    }
    let options = serde_saphyr::options! { legacy_octal_numbers: true, with_snippet: false };
    // Blank lines in front make the reader's line numbers those of the file.
    let padded = format!("{}{part}", "\n".repeat(lines_before));
    serde_saphyr::from_str_with_options(&padded, options).map_err(|error| error.to_string())
}

/// `kubectl get -o yaml` wraps objects in a `List`.
fn open_list(mut value: Value) -> Vec<Value> {
    let list = value.get("kind").and_then(Value::as_str) == Some("List");
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if list => items,
        Some(items) => {
            if let Some(fields) = value.as_object_mut() {
                fields.insert("items".to_owned(), items);
            }
            vec![value]
        }
        None => vec![value],
    }
}
