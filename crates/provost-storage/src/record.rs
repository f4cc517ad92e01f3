//! What is kept: something signed about a run, under the name Tekton Chains gives it.

/// The kind of run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// A run of one Task.
    TaskRun,
    /// A run of a Pipeline.
    PipelineRun,
}

impl RunKind {
    /// As written in `kind:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskRun => "TaskRun",
            Self::PipelineRun => "PipelineRun",
        }
    }

    /// As Chains writes it in the names of objects: all small.
    #[must_use]
    pub fn small(self) -> &'static str {
        match self {
            Self::TaskRun => "taskrun",
            Self::PipelineRun => "pipelinerun",
        }
    }
}

/// Which run it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunName {
    /// Its kind.
    pub kind: RunKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// What was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A statement; the signature is the whole DSSE envelope.
    Statement,
    /// An image's simple signing payload; the signature is the raw one.
    SimpleSigning,
}

/// Something signed, with all that a storage wants to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The run.
    pub run: RunName,
    /// Chains' short key: `taskrun-UID`, `pipelinerun-UID`, or the first twelve digits of an image's digest.
    pub key: String,
    /// What was signed.
    pub kind: Payload,
    /// The bytes that were signed.
    pub payload: Vec<u8>,
    /// The signature, as [`Payload`] says.
    pub signature: Vec<u8>,
    /// The subjects or the image, `NAME@ALGORITHM:HEX` each.
    pub artifacts: Vec<String>,
    /// What names the key, where Chains names it: `signers.kms.kmsref`.
    pub key_reference: String,
    /// The certificate in PEM; empty with a key.
    pub certificate: String,
    /// Its chain in PEM; empty with a key.
    pub chain: String,
}

/// What a storage keeps under a record's name; anybody may have put it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCopy {
    /// Where it lies, in the storage's own words.
    pub place: String,
    /// The bytes that are said to have been signed.
    pub payload: Vec<u8>,
    /// The signature, as in [`Record::signature`].
    pub signature: Vec<u8>,
}
