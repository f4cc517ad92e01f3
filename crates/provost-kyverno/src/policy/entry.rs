//! The typed form of a `verifyImages` entry, with the defaults its custom resource definition gives.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::spec::Action;
pub use crate::conditions::Written;

/// How the signatures of an entry are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum SignatureKind {
    /// Under the tags `sha256-<hex>.sig` and `.att`.
    #[default]
    Cosign,
    /// As sigstore bundles among the referrers.
    SigstoreBundle,
    /// As notation signatures among the referrers.
    Notary,
}

/// One entry of a rule's `verifyImages`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry {
    /// What a failure means.
    pub failure_action: Option<Action>,
    /// How the signatures are stored.
    #[serde(rename = "type")]
    pub kind: SignatureKind,
    /// Wildcards of the images this entry is about.
    pub image_references: Vec<String>,
    /// Wildcards of images it lets pass.
    pub skip_image_references: Vec<String>,
    /// Who must have signed.
    pub attestors: Vec<AttestorSet>,
    /// What must have been attested.
    pub attestations: Vec<Attestation>,
    /// Where signatures lie, when not beside the image.
    pub repository: String,
    /// Whether signatures are found through the referrers API.
    #[serde(rename = "cosignOCI11")]
    pub cosign_oci11: bool,
    /// Whether tags are replaced by digests.
    pub mutate_digest: bool,
    /// Whether images must carry a digest.
    pub verify_digest: bool,
    /// Whether images must have been verified.
    pub required: bool,
    /// Whether a former result may be reused.
    pub use_cache: bool,
    /// A check across attestations.
    pub validate: Option<Validation>,
    /// How the registry is reached.
    pub image_registry_credentials: Option<Credentials>,
    /// Annotations that every signature payload must carry.
    pub annotations: BTreeMap<String, String>,
    /// The deprecated single pattern.
    pub image: String,
    /// The deprecated single key.
    pub key: String,
    /// The deprecated issuer of a keyless identity.
    pub issuer: String,
    /// The deprecated subject of a keyless identity.
    pub subject: String,
    /// The deprecated roots of a keyless identity.
    pub roots: String,
    /// The deprecated certificate extensions.
    pub additional_extensions: BTreeMap<String, String>,
}

impl Default for Entry {
    /// The defaults of Kyverno's custom resource definition: the four switches are on.
    fn default() -> Self {
        Self {
            failure_action: None,
            kind: SignatureKind::Cosign,
            image_references: Vec::new(),
            skip_image_references: Vec::new(),
            attestors: Vec::new(),
            attestations: Vec::new(),
            repository: String::new(),
            cosign_oci11: false,
            mutate_digest: true,
            verify_digest: true,
            required: true,
            use_cache: true,
            validate: None,
            image_registry_credentials: None,
            annotations: BTreeMap::new(),
            image: String::new(),
            key: String::new(),
            issuer: String::new(),
            subject: String::new(),
            roots: String::new(),
            additional_extensions: BTreeMap::new(),
        }
    }
}

/// Attestors of which `count` must agree, or all where there is none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AttestorSet {
    /// How many; absent or 0 means all.
    pub count: Option<i64>,
    /// Who.
    pub entries: Vec<Attestor>,
}

impl AttestorSet {
    /// How many of `entries` must agree.
    #[must_use]
    pub fn required(&self, entries: usize) -> usize {
        match self.count {
            Some(count) if count > 0 => usize::try_from(count).unwrap_or(usize::MAX),
            _ => entries,
        }
    }
}

/// One attestor: the first of its four kinds that is present counts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attestor {
    /// A nested set.
    pub attestor: Option<Box<AttestorSet>>,
    /// Static keys.
    pub keys: Option<Keys>,
    /// A certificate.
    pub certificates: Option<Certificates>,
    /// A keyless identity.
    pub keyless: Option<Keyless>,
    /// Annotations that the signature payload must carry, in place of the entry's.
    pub annotations: BTreeMap<String, String>,
    /// Where this attestor's signatures lie.
    pub repository: String,
    /// The deprecated digest algorithm.
    pub signature_algorithm: String,
}

/// Static keys of an attestor. `publicKeys` goes before `secret`, `secret` before `kms`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Keys {
    /// PEM blocks, or `k8s://namespace/secret`.
    pub public_keys: String,
    /// A Secret that holds `cosign.pub`.
    pub secret: Option<SecretName>,
    /// The URI of a key management service.
    pub kms: String,
    /// The digest that is signed: sha224, sha256, sha384 or sha512.
    pub signature_algorithm: String,
    /// The transparency log.
    pub rekor: Option<Rekor>,
    /// The certificate transparency log.
    pub ctlog: Option<CtLog>,
}

/// A certificate of an attestor, its chain, or both.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Certificates {
    /// The certificate, PEM or that in base64.
    pub cert: String,
    /// Its chain, or alone the roots of certificates that come with signatures.
    pub cert_chain: String,
    /// The transparency log.
    pub rekor: Option<Rekor>,
    /// The certificate transparency log.
    pub ctlog: Option<CtLog>,
}

/// Whom a certificate that comes with a signature must name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Keyless {
    /// Who vouched for the identity; with wildcards.
    pub issuer: String,
    /// The same as a regular expression.
    pub issuer_reg_exp: String,
    /// The identity; with wildcards.
    pub subject: String,
    /// The same as a regular expression.
    pub subject_reg_exp: String,
    /// The certificates that are trusted, in place of the trusted root's.
    pub roots: String,
    /// Values of Fulcio's extensions; with wildcards.
    pub additional_extensions: BTreeMap<String, String>,
    /// The transparency log.
    pub rekor: Option<Rekor>,
    /// The certificate transparency log.
    pub ctlog: Option<CtLog>,
}

/// A Secret's place.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SecretName {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// `rekor` of an attestor.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rekor {
    /// The log's address.
    pub url: String,
    /// The log's key.
    pub pubkey: String,
    /// Whether no entry is needed.
    pub ignore_tlog: bool,
}

/// `ctlog` of an attestor.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CtLog {
    /// The log's key.
    pub pubkey: String,
    /// Whether no signed certificate timestamp is needed.
    #[serde(rename = "ignoreSCT")]
    pub ignore_sct: bool,
    /// The chain of a timestamp authority.
    #[serde(rename = "tsaCertChain")]
    pub tsa_cert_chain: String,
}

/// One of an entry's `attestations`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attestation {
    /// The name its predicate has in `validate`.
    pub name: String,
    /// The deprecated name of `type`.
    pub predicate_type: String,
    /// The predicate type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who must have attested.
    pub attestors: Vec<AttestorSet>,
    /// What must hold of each predicate.
    pub conditions: Written,
}

impl Attestation {
    /// The predicate type, from either field.
    #[must_use]
    pub fn predicate_type(&self) -> &str {
        if self.kind.is_empty() { &self.predicate_type } else { &self.kind }
    }
}

/// `validate` of an entry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Validation {
    /// What to say when it is denied.
    pub message: String,
    /// When it is denied.
    pub deny: Option<Deny>,
}

/// `validate.deny` of an entry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Deny {
    /// The conditions, `{any, all}` or a list.
    pub conditions: Value,
}

/// `imageRegistryCredentials` of an entry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Credentials {
    /// Whether plain http is allowed.
    pub allow_insecure_registry: bool,
    /// Cloud providers whose helpers are asked.
    pub providers: Vec<String>,
    /// Secrets, `name` or `namespace/name`.
    pub secrets: Vec<String>,
}
