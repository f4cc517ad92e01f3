//! Why a key in a service cannot be used.

use std::time::Duration;

use provost_keys::KeyError;

use crate::kind::KmsKind;

/// Why a key could not be found, made, or asked to sign. Texts that cosign has are cosign's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KmsError {
    /// The caller does not open keys of this kind.
    #[error("{reference}: keys of {kind} are not enabled here")]
    NotAllowed {
        /// The reference.
        reference: String,
        /// Its kind.
        kind: KmsKind,
    },
    /// The program was built without this kind.
    #[error(
        "{reference}: this program was built without {kind}: build it with the feature {feature}, or put a sigstore-kms-{scheme} on the PATH and name it"
    )]
    NotBuilt {
        /// The reference.
        reference: String,
        /// Its kind.
        kind: KmsKind,
        /// The feature that is missing.
        feature: &'static str,
        /// The scheme of the reference.
        scheme: &'static str,
    },
    /// The reference is not of the form its kind has.
    #[error("kms specification should be in the format {expected}")]
    Reference {
        /// The form, in cosign's words.
        expected: &'static str,
    },
    /// A setting that is needed is missing, or one that is given is not followed.
    #[error("{0}")]
    Setting(String),
    /// A file that holds credentials or settings could not be read.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        cause: String,
    },
    /// The service did not answer.
    #[error("{service}: {request}: {cause}")]
    Unreachable {
        /// The kind of service.
        service: KmsKind,
        /// Method and address.
        request: String,
        /// Why not.
        cause: String,
    },
    /// The service answered with an error.
    #[error("{service}: {request}: HTTP {status}{}", said(.message))]
    Refused {
        /// The kind of service.
        service: KmsKind,
        /// Method and address.
        request: String,
        /// The status.
        status: u16,
        /// What kind of error it says it is; empty where it does not say.
        code: String,
        /// What it said, bounded and without control characters; empty where that was nothing.
        message: String,
    },
    /// The answer is longer than any of its kind.
    #[error("{service}: {request}: the answer has more than the {limit} bytes allowed")]
    TooLong {
        /// The kind of service.
        service: KmsKind,
        /// Method and address.
        request: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is not what it should be.
    #[error("{service}: {request}: {field} is missing or not what it should be")]
    Answer {
        /// The kind of service.
        service: KmsKind,
        /// Method and address.
        request: String,
        /// What is wrong.
        field: String,
    },
    /// The key signs in no way that cosign's verifiers check.
    #[error("{reference}: the key signs with {found}, none of which verifies as ECDSA or RSA PKCS#1 v1.5")]
    NoAlgorithm {
        /// The reference.
        reference: String,
        /// What it signs with.
        found: String,
    },
    /// A key that is no use.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A plugin failed.
    #[error(transparent)]
    Plugin(#[from] PluginFault),
}

/// Why a program that keeps keys did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginFault {
    /// The scheme cannot be the name of a program.
    #[error("loading URL: unrecognized scheme: {scheme}://: a KMS plugin's name has only a-z, 0-9 and -")]
    Name {
        /// The scheme.
        scheme: String,
    },
    /// There is no such program. cosign then takes the reference for a URL, hence the words.
    #[error("loading URL: unrecognized scheme: {scheme}://")]
    NotFound {
        /// The scheme.
        scheme: String,
        /// The program that was looked for.
        program: String,
    },
    /// The program that serves tokens is not there; cosign, built without them, has no better words either.
    #[error(
        "keys on PKCS#11 tokens are served by the program {program}, which is in no absolute folder of the PATH: add the folder it was installed in"
    )]
    NoTokens {
        /// The program that was looked for.
        program: String,
    },
    /// The program could not be run.
    #[error("error executing plugin program: {program}: {cause}")]
    Run {
        /// Its path.
        program: String,
        /// Why not.
        cause: String,
    },
    /// The program took too long, and was ended.
    #[error("error executing plugin program: {program}: not done within {limit:?}")]
    Time {
        /// Its path.
        program: String,
        /// The time it had.
        limit: Duration,
    },
    /// The program wrote too much, and was ended.
    #[error("parsing plugin response: {program} wrote more than the {limit} bytes allowed")]
    TooLong {
        /// Its path.
        program: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// What the program wrote is no answer.
    #[error("parsing plugin response: {program}: {cause}")]
    Answer {
        /// Its path.
        program: String,
        /// What is wrong.
        cause: String,
    },
    /// The program answered with an error.
    #[error("plugin returned error: {message}")]
    Said {
        /// Its words.
        message: String,
    },
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
