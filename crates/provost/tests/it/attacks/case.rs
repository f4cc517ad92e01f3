//! What a file under corpus/attacks says: what lies in a registry, how that registry lies, and what a command answers.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One attack.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What is tried, in one sentence.
    pub(crate) title: String,
    /// Who fell for it, or which rule it breaks.
    pub(crate) source: String,
    /// Whether the registry has the referrers API.
    #[serde(default)]
    pub(crate) referrers: Referrers,
    /// Blobs and manifests beyond the image itself, in order; later ones may name earlier ones.
    #[serde(default)]
    pub(crate) objects: Vec<Object>,
    /// Signatures and attestations, in order.
    #[serde(default)]
    pub(crate) beside: Vec<Beside>,
    /// What the registry does not answer honestly.
    #[serde(default)]
    pub(crate) lies: Vec<Lie>,
    /// What a second host answers, and everything it is asked is a mistake unless it is listed here.
    #[serde(default)]
    pub(crate) other: Vec<Lie>,
    /// The certificate with which the registry also speaks TLS, signed by `ca.pem`.
    pub(crate) certificate: Option<Certificate>,
    /// Files in the folder the commands run in.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, Text>,
    pub(crate) runs: Vec<Run>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Referrers {
    /// The API answers.
    #[default]
    Api,
    /// There is no API, and the fallback tag holds the list.
    Fallback,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Certificate {
    Good,
    /// Its name is another host's.
    WrongHost,
    Expired,
}

/// Bytes: text, parts of text, or JSON. `${name}` stands for what the scene knows by that name.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub(crate) enum Text {
    Plain(String),
    Json { json: serde_json::Value },
    Parts(Vec<Part>),
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub(crate) enum Part {
    Plain(String),
    Repeat { text: String, times: usize },
    Hex { hex: String },
    Base64 { base64: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Object {
    /// `${digest.NAME}` and `${size.NAME}` from here on.
    pub(crate) name: String,
    pub(crate) content: Text,
    /// A manifest of this media type; without one it is a blob.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default = "repository")]
    pub(crate) repository: String,
}

fn repository() -> String {
    "demo/app".to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Beside {
    Attestation(Box<Attestation>),
    Signature(Box<Signature>),
    Keyless(Box<Keyless>),
}

/// An attestation by a certificate, as a bundle.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Keyless {
    /// In place of a bundle a bare layer of the `.att` tag: its certificate is the file NAME.crt, and those above it
    /// NAME-chain.crt.
    pub(crate) named: Option<String>,
    #[serde(default = "identity")]
    pub(crate) identity: String,
    #[serde(default = "issuer")]
    pub(crate) issuer: String,
    #[serde(default)]
    pub(crate) fault: Fault,
    /// Who says when it was signed.
    #[serde(default)]
    pub(crate) witness: Witness,
    pub(crate) predicate: Option<serde_json::Value>,
}

fn identity() -> String {
    "builder@example.com".to_owned()
}

fn issuer() -> String {
    "https://issuer.example".to_owned()
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Witness {
    #[default]
    Log,
    Timestamp,
    Both,
    Nobody,
}

/// What is wrong with it.
#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    #[default]
    None,
    /// The log's entry, or the timestamp, is about something else.
    OtherContent,
    /// The log is not the trusted root's.
    ForeignLog,
    /// Another key signed the checkpoint.
    UnsignedCheckpoint,
    /// The proof leads to another root.
    OtherRoot,
    /// The log never said this time.
    ChangedTime,
    ForeignTimestamp,
    ForeignAuthority,
    NoSct,
    ForeignSct,
    NotCodeSigning,
    LeafIsAuthority,
    ExpiredIntermediate,
    /// The authority held when it issued and is over since; what it issued still holds.
    EndedIntermediate,
    /// The certificate is of the same kind, and its authority holds.
    LongLived,
    /// The certificate was over when it signed.
    AnotherTime,
}

/// An attestation; what is not said is as cosign writes it.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Attestation {
    /// The object it lies beside; the image where none is named.
    pub(crate) of: Option<String>,
    pub(crate) predicate_type: Option<String>,
    pub(crate) predicate: Option<serde_json::Value>,
    /// The whole payload in place of a statement around the predicate.
    pub(crate) payload: Option<Text>,
    pub(crate) payload_type: Option<String>,
    /// How the payload is written in base64.
    pub(crate) encoding: Encoding,
    pub(crate) signatures: Option<Vec<Seal>>,
    pub(crate) key: Option<String>,
    pub(crate) keyid: Option<String>,
    /// In place of the one cosign takes for such a key.
    pub(crate) hash: Option<String>,
    pub(crate) over: Over,
    pub(crate) alter: Alter,
    /// The whole envelope.
    pub(crate) envelope: Option<Text>,
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    pub(crate) times: Option<usize>,
    /// As a Sigstore bundle that refers to the image, not as a layer of the `.att` tag.
    pub(crate) bundle: bool,
    /// The whole bundle.
    pub(crate) bundle_text: Option<Text>,
}

/// One of several signatures.
#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Seal {
    pub(crate) key: Option<String>,
    pub(crate) keyid: Option<String>,
    /// In place of the one cosign takes for such a key.
    pub(crate) hash: Option<String>,
    pub(crate) over: Over,
    pub(crate) alter: Alter,
    /// The `sig` as it is written, in place of a signature.
    pub(crate) sig: Option<String>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Over {
    /// DSSE's pre-authentication encoding.
    #[default]
    Pae,
    /// The payload alone.
    Payload,
    /// The payload's base64 text.
    Base64,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Alter {
    #[default]
    None,
    /// r and s are 0.
    Zero,
    /// A byte after the DER.
    Trailing,
    /// s becomes n - s.
    Twin,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    #[default]
    Standard,
    Url,
    Unpadded,
    /// A line break every 76 characters.
    Wrapped,
    /// Bits set beyond the last byte.
    Tail,
}

/// A signature of the tag scheme.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Signature {
    pub(crate) of: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) payload: Option<Text>,
    pub(crate) alter: Alter,
    /// The base64 text as it is written.
    pub(crate) sig: Option<String>,
    pub(crate) times: Option<usize>,
}

/// An answer in place of the honest one.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lie {
    /// A method and a path, in which `*` stands for anything.
    pub(crate) request: String,
    /// From which such request on, counted from 1.
    #[serde(default = "first")]
    pub(crate) from: usize,
    /// Without one the honest answer is given, with these headers.
    pub(crate) status: Option<u16>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<Text>,
    /// The body is repeated until the other side hangs up.
    #[serde(default)]
    pub(crate) endless: bool,
    /// After the body nothing comes, and the connection stays open until the other side hangs up.
    #[serde(default)]
    pub(crate) silent: bool,
    /// What `Content-Length` says; a body that is shorter is cut off there.
    pub(crate) length: Option<u64>,
}

fn first() -> usize {
    1
}

/// A command, and what it must answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// The arguments, between blanks. What `review` answers is asked of the gate too; `admission` is the gate alone.
    pub(crate) command: String,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// What the command reads on standard input.
    pub(crate) stdin: Option<Text>,
    pub(crate) exit: i32,
    /// What stands on standard error.
    #[serde(default)]
    pub(crate) says: Vec<String>,
    /// What stands on standard output; a command that fails and lists nothing here must print nothing.
    #[serde(default)]
    pub(crate) prints: Vec<String>,
    /// What stands nowhere.
    #[serde(default)]
    pub(crate) never: Vec<String>,
    /// How many lines there are on standard output.
    pub(crate) lines: Option<usize>,
    /// How many MiB of memory of its own the command may have; the kernel refuses it more.
    pub(crate) memory: Option<u64>,
    /// Whether what is held here is the command's own, and not asked of the gate.
    #[serde(default)]
    pub(crate) command_only: bool,
    /// Whether the gate is sent what stands on standard input as it is, without TLS; what it answers is printed in
    /// hexadecimal digits.
    #[serde(default)]
    pub(crate) wire: bool,
    /// The one path that the gate is asked at, in place of both `/mutate` and `/validate`.
    pub(crate) path: Option<String>,
    /// Requests (as in a lie) and how often each may be made.
    #[serde(default)]
    pub(crate) asked: BTreeMap<String, usize>,
}

impl Lie {
    /// What a host answers that nothing should ask.
    pub(crate) fn nothing() -> Self {
        Self {
            request: "*".to_owned(),
            from: 1,
            status: Some(404),
            headers: BTreeMap::new(),
            body: None,
            endless: false,
            silent: false,
            length: None,
        }
    }
}
