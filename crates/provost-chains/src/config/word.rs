//! The words that keys of `chains-config` may hold.

/// The form of an attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `in-toto`, also spelled `slsa/v1`: a v0.1 statement with SLSA provenance v0.2.
    InToto,
    /// `slsa/v2alpha3`: a v1 statement with SLSA provenance v1.
    V2Alpha3,
    /// `slsa/v2alpha4`: the same, with step results, and subjects only from build artifacts.
    V2Alpha4,
}

impl Format {
    pub(super) const WORDS: [(&'static str, Self); 4] = [
        ("in-toto", Self::InToto),
        ("slsa/v1", Self::InToto),
        ("slsa/v2alpha3", Self::V2Alpha3),
        ("slsa/v2alpha4", Self::V2Alpha4),
    ];
}

/// Where an attestation or signature goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Storage {
    /// An Archivista server.
    Archivista,
    /// A document database.
    DocDb,
    /// Google Cloud Storage.
    Gcs,
    /// A Grafeas server.
    Grafeas,
    /// Kafka: accepted by Chains' configuration, unknown to its backends.
    Kafka,
    /// Beside the image in its registry.
    Oci,
    /// Annotations of the run.
    Tekton,
}

impl Storage {
    pub(super) const ALL: [Self; 7] =
        [Self::Archivista, Self::DocDb, Self::Gcs, Self::Grafeas, Self::Kafka, Self::Oci, Self::Tekton];

    /// The word in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Archivista => "archivista",
            Self::DocDb => "docdb",
            Self::Gcs => "gcs",
            Self::Grafeas => "grafeas",
            Self::Kafka => "kafka",
            Self::Oci => "oci",
            Self::Tekton => "tekton",
        }
    }
}

/// What signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The key in the `signing-secrets` Secret, or Fulcio.
    X509,
    /// A key management service.
    Kms,
    /// Nothing: the artifact is neither signed nor stored.
    None,
}

impl Signer {
    pub(super) const WORDS: [(&'static str, Self); 3] =
        [("x509", Self::X509), ("kms", Self::Kms), ("none", Self::None)];
}

/// `buildType` of the v1 formats, and with it how much they tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildType {
    /// What SLSA asks for.
    Slsa,
    /// Also labels, annotations, and each task's whole TaskRun.
    SlsaTekton,
}

impl BuildType {
    pub(super) const WORDS: [(&'static str, Self); 2] =
        [(Self::Slsa.uri(), Self::Slsa), (Self::SlsaTekton.uri(), Self::SlsaTekton)];

    /// The URI in the statement.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Slsa => "https://tekton.dev/chains/v2/slsa",
            Self::SlsaTekton => "https://tekton.dev/chains/v2/slsa-tekton",
        }
    }
}

/// How attestations lie in a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// `dsse`: layers of the tags `sha256-….att` and `.sig`.
    #[default]
    Dsse,
    /// `sigstore-bundle`: referrers of the image.
    SigstoreBundle,
}

impl Encoding {
    pub(super) const WORDS: [(&'static str, Self); 2] =
        [("dsse", Self::Dsse), ("sigstore-bundle", Self::SigstoreBundle)];
}

/// `storage.pubsub.provider`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PubSubProvider {
    /// For Chains' own tests.
    InMemory,
    /// Kafka.
    Kafka,
}

impl PubSubProvider {
    pub(super) const WORDS: [(&'static str, Option<Self>); 2] =
        [("inmemory", Some(Self::InMemory)), ("kafka", Some(Self::Kafka))];
}

/// `transparency.enabled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// Any other text than the two below.
    Off,
    /// `true`.
    Always,
    /// `manual`: only runs annotated `chains.tekton.dev/transparency-upload: "true"`.
    OnRequest,
}
