//! Why an image could not be built.

use provost_oci::Digest;
use provost_registry::StoreError;

/// Why an image could not be built or pushed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The Dockerfile cannot be followed.
    #[error("{file}:{line}: {fault}")]
    Dockerfile {
        /// The Dockerfile.
        file: String,
        /// The line the instruction begins on, from 1.
        line: usize,
        /// What is wrong there.
        fault: Fault,
    },
    /// A file could not be read.
    #[error("{path}: {cause}")]
    Disk {
        /// The file or folder.
        path: String,
        /// The system's words.
        cause: String,
    },
    /// The image to build on could not be read.
    #[error("base image {image}: {fault}")]
    Base {
        /// The image as FROM names it.
        image: String,
        /// What is wrong with it.
        fault: BaseFault,
    },
    /// A registry did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The target names a digest, which no one can choose.
    #[error("{target}: an image is pushed to a tag, not to a digest")]
    TargetDigest {
        /// The target as given.
        target: String,
    },
    /// The configuration or manifest could not be written as JSON.
    #[error("the {what} could not be encoded: {cause}")]
    Encoding {
        /// Which of the two.
        what: &'static str,
        /// The library's words.
        cause: String,
    },
    /// The date of the image lies outside the calendar.
    #[error("SOURCE_DATE_EPOCH {seconds} is no date up to the year 9999")]
    Date {
        /// Seconds since 1970.
        seconds: u64,
    },
}

/// What is wrong on a line of a Dockerfile, or with the files it names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file is longer than any Dockerfile.
    #[error("the file has {found} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
        /// The length found.
        found: usize,
    },
    /// More logical lines than any Dockerfile has.
    #[error("more than {limit} instructions")]
    TooManyLines {
        /// The limit.
        limit: usize,
    },
    /// The text is not UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// Something this builder does not do: named, never skipped.
    #[error("{what} is not supported: this builder does {SUPPORTED}")]
    Unsupported {
        /// The instruction, flag or form.
        what: String,
    },
    /// The instruction's words cannot be read.
    #[error("{instruction} {found:?}: expected {expected}")]
    Syntax {
        /// The instruction.
        instruction: &'static str,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// Nothing to build on.
    #[error("the first instruction must be FROM (ARG may come before it)")]
    NoFrom,
    /// A quote or a `${` without its end.
    #[error("{text:?}: {opening} is not closed")]
    Unclosed {
        /// The text it is in.
        text: String,
        /// What was opened.
        opening: &'static str,
    },
    /// Variables that hold each other grew without end.
    #[error("a variable grows beyond {limit} bytes")]
    VariableTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// A source leads out of the context.
    #[error("{source_name:?} lies outside the context folder")]
    OutsideContext {
        /// The source as written, or the link that leads there.
        source_name: String,
    },
    /// No file of the context matches.
    #[error("{source_name:?} matches no file of the context{}", if *ignored { " that .dockerignore lets through" } else { "" })]
    NoSource {
        /// The source as written.
        source_name: String,
        /// Whether something matched and was ignored.
        ignored: bool,
    },
    /// A pattern that cannot be read.
    #[error("the pattern {pattern:?} cannot be read")]
    Pattern {
        /// The pattern.
        pattern: String,
    },
    /// Neither file, folder nor symbolic link.
    #[error("{name:?} is neither a file, a folder nor a symbolic link")]
    SpecialFile {
        /// The file, relative to the context.
        name: String,
    },
    /// A name that is not UTF-8.
    #[error("the file name {name:?} is not UTF-8")]
    FileName {
        /// The name, with marks for the bytes that are no text.
        name: String,
    },
    /// A file that was written to while it was read.
    #[error("{name:?} changed while it was read: it had {expected} bytes, then {found}")]
    Changed {
        /// The file, relative to the context.
        name: String,
        /// The length when the file was found.
        expected: u64,
        /// The length read.
        found: u64,
    },
    /// `ADD` of an archive, which Docker would unpack.
    #[error("ADD would unpack the archive {name:?}, which is not supported: use COPY to keep it whole")]
    Archive {
        /// The file, relative to the context.
        name: String,
    },
    /// More files than an image is built of here.
    #[error("more than {limit} files and folders in the context")]
    TooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// More bytes than an image is built of here.
    #[error("more than {limit} bytes to copy")]
    TooManyBytes {
        /// The limit in bytes.
        limit: u64,
    },
    /// A path in the image that no Linux would open.
    #[error("a path in the image is longer than {limit} bytes")]
    PathTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// A destination whose path goes through something that is no folder, or through links without end.
    #[error(
        "the destination {path:?} cannot be reached in the image: a file or a circle of links is in the way"
    )]
    Destination {
        /// The path in the image.
        path: String,
    },
}

/// What [`Fault::Unsupported`] reminds of.
const SUPPORTED: &str =
    "one FROM, ARG, COPY, ADD of local files, ENV, WORKDIR, USER, EXPOSE, LABEL, CMD and ENTRYPOINT";

/// What is wrong with the image to build on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseFault {
    /// The name is no image reference.
    #[error("no image reference: {reason}")]
    Reference {
        /// What is wrong with it.
        reason: String,
    },
    /// The registry did not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part of it cannot be read.
    #[error("its {what} cannot be read: {cause}")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// The library's words.
        cause: String,
    },
    /// An index without this platform.
    #[error("it has no image for linux/{architecture}, only for {found}")]
    Platform {
        /// The processor wanted, in Go's words.
        architecture: String,
        /// The platforms there are.
        found: String,
    },
    /// As many layers as digests of uncompressed layers there must be.
    #[error("it has {layers} layers, but its configuration names {diff_ids}")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Layers in the configuration.
        diff_ids: usize,
    },
    /// A layer of a kind that cannot be read here.
    #[error("its layer {digest} is of the kind {media_type}, expected a tar or tar+gzip layer")]
    LayerKind {
        /// The layer.
        digest: Digest,
        /// Its kind.
        media_type: String,
    },
    /// A layer with more files than are read.
    #[error("its layers hold more than {limit} entries")]
    TooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// A layer that unpacks to more than is read.
    #[error("its layers unpack to more than {limit} bytes")]
    TooManyBytes {
        /// The limit in bytes.
        limit: u64,
    },
}
