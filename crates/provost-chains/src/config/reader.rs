//! Reading the keys of `chains-config` one by one, each taken out of the map as it is read.

use std::collections::{BTreeMap, BTreeSet};

use crate::claims::ClaimsError;

use super::{
    Artifact, ConfigError, Encoding, Format, PubSubProvider, Secret, Signer, SignerSettings, Storage,
    StorageSettings, Upload, Warning,
};

const OTHER_STORAGE_KEYS: [&str; 11] = [
    "storage.gcs.bucket",
    "storage.docdb.url",
    "storage.docdb.mongo-server-url",
    "storage.docdb.mongo-server-url-dir",
    "storage.docdb.mongo-server-url-path",
    "storage.grafeas.projectid",
    "storage.grafeas.noteid",
    "storage.grafeas.notehint",
    "storage.pubsub.topic",
    "storage.pubsub.kafka.bootstrap.servers",
    "storage.archivista.url",
];

const KMS_AUTH_KEYS: [&str; 7] = [
    "signers.kms.auth.address",
    "signers.kms.auth.token-path",
    "signers.kms.auth.oidc.path",
    "signers.kms.auth.oidc.role",
    "signers.kms.auth.oidc.token-path",
    "signers.kms.auth.spire.sock",
    "signers.kms.auth.spire.audience",
];

pub(super) struct Reader<'a> {
    pub(super) data: BTreeMap<String, String>,
    file: &'a str,
    warnings: Vec<Warning>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: BTreeMap<String, String>, file: &'a str) -> Self {
        Self { data, file, warnings: Vec::new() }
    }

    pub(super) fn artifact(
        &mut self,
        kind: &str,
        allowed: &[Storage],
        artifact: &mut Artifact,
    ) -> Result<(), ConfigError> {
        let [format, storage, signer] = match kind {
            "taskrun" => {
                ["artifacts.taskrun.format", "artifacts.taskrun.storage", "artifacts.taskrun.signer"]
            }
            _ => [
                "artifacts.pipelinerun.format",
                "artifacts.pipelinerun.storage",
                "artifacts.pipelinerun.signer",
            ],
        };
        self.word(format, &Format::WORDS, &mut artifact.format)?;
        self.storages(storage, allowed, &mut artifact.storage)?;
        self.word(signer, &Signer::WORDS, &mut artifact.signer)
    }

    pub(super) fn storage(&mut self, settings: &mut StorageSettings) -> Result<(), ConfigError> {
        self.optional("storage.oci.repository", &mut settings.repository);
        self.truth("storage.oci.repository.insecure", &mut settings.insecure);
        self.word("storage.oci.encoding-format", &Encoding::WORDS, &mut settings.encoding)?;
        self.word("storage.pubsub.provider", &PubSubProvider::WORDS, &mut settings.pubsub_provider)?;
        for key in OTHER_STORAGE_KEYS {
            if let Some(text) = self.data.remove(key) {
                settings.others.insert(key, text);
            }
        }
        Ok(())
    }

    pub(super) fn signers(&mut self, settings: &mut SignerSettings) {
        self.optional("signers.kms.kmsref", &mut settings.kms_reference);
        settings.kms_token = self.data.remove("signers.kms.auth.token").map(Secret);
        for key in KMS_AUTH_KEYS {
            if let Some(text) = self.data.remove(key) {
                settings.kms_auth.insert(key, text);
            }
        }
        self.truth("signers.x509.fulcio.enabled", &mut settings.fulcio);
        self.text("signers.x509.fulcio.address", &mut settings.fulcio_url);
        self.text("signers.x509.fulcio.issuer", &mut settings.fulcio_issuer);
        self.text("signers.x509.fulcio.provider", &mut settings.fulcio_provider);
        self.optional("signers.x509.identity.token.file", &mut settings.identity_token_file);
        self.text("signers.x509.tuf.mirror.url", &mut settings.tuf_mirror);
    }

    pub(super) fn upload(&mut self, upload: &mut Upload) {
        let Some(found) = self.data.remove("transparency.enabled") else { return };
        match found.as_str() {
            "true" => *upload = Upload::Always,
            "manual" => *upload = Upload::OnRequest,
            "false" | "" => {}
            _ => self.warnings.push(Warning::UploadOff { file: self.file.to_owned(), found }),
        }
    }

    pub(super) fn text(&mut self, key: &str, target: &mut String) {
        if let Some(text) = self.data.remove(key) {
            *target = text;
        }
    }

    fn optional(&mut self, key: &str, target: &mut Option<String>) {
        *target = self.data.remove(key).filter(|text| !text.is_empty());
    }

    /// Go's `ParseBool`; anything else leaves the default, as in Chains.
    pub(super) fn truth(&mut self, key: &'static str, target: &mut bool) {
        let Some(found) = self.data.remove(key) else { return };
        match found.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => *target = true,
            "0" | "f" | "F" | "FALSE" | "false" | "False" => *target = false,
            _ => self.warnings.push(Warning::NotBoolean { file: self.file.to_owned(), key, found }),
        }
    }

    pub(super) fn word<T: Clone>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        target: &mut T,
    ) -> Result<(), ConfigError> {
        let Some(found) = self.data.remove(key) else { return Ok(()) };
        match words.iter().find(|(word, _)| *word == found) {
            Some((_, value)) => *target = value.clone(),
            None => return Err(self.invalid(key, found, words.iter().map(|(word, _)| *word).collect())),
        }
        Ok(())
    }

    pub(super) fn storages(
        &mut self,
        key: &'static str,
        allowed: &[Storage],
        target: &mut BTreeSet<Storage>,
    ) -> Result<(), ConfigError> {
        let Some(list) = self.data.remove(key) else { return Ok(()) };
        target.clear();
        if list.is_empty() {
            return Ok(());
        }
        for word in list.split(',').map(str::trim) {
            let Some(storage) = allowed.iter().find(|storage| storage.name() == word) else {
                let wanted = allowed.iter().map(|storage| storage.name()).collect();
                return Err(self.invalid(key, word.to_owned(), wanted));
            };
            target.insert(*storage);
        }
        if target.contains(&Storage::Kafka) {
            self.warnings.push(Warning::Kafka { file: self.file.to_owned(), key });
        }
        Ok(())
    }

    fn invalid(&self, key: &'static str, found: String, mut wanted: Vec<&'static str>) -> ConfigError {
        wanted.sort_unstable();
        ConfigError::Value { file: self.file.to_owned(), key, found, wanted }
    }

    pub(super) fn claims(&self, why: ClaimsError) -> ConfigError {
        ConfigError::Claims { file: self.file.to_owned(), why }
    }

    pub(super) fn rest(mut self) -> Result<Vec<Warning>, ConfigError> {
        for key in self.data.into_keys() {
            if key.starts_with("provost.") {
                return Err(ConfigError::Unsupported { file: self.file.to_owned(), key });
            }
            // Kubernetes' own convention: keys that begin so are comments.
            if !key.starts_with('_') {
                self.warnings.push(Warning::UnknownKey { file: self.file.to_owned(), key });
            }
        }
        Ok(self.warnings)
    }
}
