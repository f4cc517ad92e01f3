//! The key of `signers.kms.*`: opened when the configuration names another, and anew each minute where its token is a file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use provost_chains::ChainsConfig;
use provost_chains::config::{Signer as Word, SignerSettings};
use provost_keys::Signer;

/// Opens the key that `signers.kms.*` name, or says why not.
pub type OpenKms =
    Arc<dyn Fn(&SignerSettings) -> BoxFuture<'static, Result<Arc<dyn Signer>, String>> + Send + Sync>;

/// How often a key is opened anew whose token lies in a file: Vault's agent writes a fresh one there before the old one ends.
const RENEWED: Duration = Duration::from_secs(60);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a service may take to show a key's public half; others wait for the settings meanwhile.
const TIME: Duration = Duration::from_secs(30);

/// A key in a service, as far as it is known.
#[derive(Default)]
pub(super) struct KmsKey {
    /// What it was opened for.
    settings: Option<SignerSettings>,
    key: Option<Arc<dyn Signer>>,
    trouble: Option<String>,
    due: Option<Instant>,
}

impl KmsKey {
    /// When it is to be opened again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The key, or why it cannot be used.
    pub(super) fn state(&self) -> Result<Arc<dyn Signer>, String> {
        let waits = || "signers.kms: the key has not been opened yet".to_owned();
        self.key.clone().ok_or_else(|| self.trouble.clone().unwrap_or_else(waits))
    }

    /// Opens the key where a configuration asks for one and it is time to; what came of it is for [`KmsKey::accept`] or
    /// [`KmsKey::fail`].
    pub(super) async fn open(
        &mut self,
        config: Option<&ChainsConfig>,
        open: &OpenKms,
    ) -> Option<Result<Arc<dyn Signer>, String>> {
        let Some(config) = config.filter(|config| config.uses(Word::Kms)) else {
            *self = Self::default();
            return None;
        };
        if self.settings.as_ref() != Some(&config.signers) {
            // A key that another configuration named signs nothing under this one.
            *self = Self { settings: Some(config.signers.clone()), ..Self::default() };
        } else if self.due.is_none_or(|due| Instant::now() < due) {
            return None;
        }
        let opened = tokio::time::timeout(TIME, open(&config.signers)).await;
        Some(opened.unwrap_or_else(|_| Err(format!("signers.kms: no answer in {} s", TIME.as_secs()))))
    }

    /// Takes a key into use; whether it is another one than before.
    pub(super) fn accept(&mut self, key: Arc<dyn Signer>) -> bool {
        let from_file = |one: &SignerSettings| one.kms_auth.contains_key("signers.kms.auth.token-path");
        self.due = self.settings.as_ref().is_some_and(from_file).then(|| Instant::now() + RENEWED);
        self.trouble = None;
        let der = |key: &Arc<dyn Signer>| key.public_key().to_der().to_vec();
        let is_new = self.key.as_ref().map(der) != Some(der(&key));
        self.key = Some(key);
        is_new
    }

    /// Notes why there is no key, or no fresh one; whether that is news. A key that was opened before stays.
    pub(super) fn fail(&mut self, why: String) -> bool {
        self.due = Some(Instant::now() + AGAIN);
        let is_news = self.trouble.as_ref() != Some(&why);
        self.trouble = Some(why);
        is_news
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt as _;
    use provost_keys::PrivateKey;

    use super::*;

    /// A configuration with a key in a service, and an opener that answers from a list and notes what it was asked for.
    fn config(reference: &str) -> ChainsConfig {
        let mut config = ChainsConfig::default();
        config.task_runs.signer = Word::Kms;
        config.signers.kms_reference = Some(reference.to_owned());
        config
    }

    type Asked = Arc<Mutex<Vec<Option<String>>>>;

    fn opener(answer: Result<PrivateKey, String>) -> (OpenKms, Asked) {
        let asked = Asked::default();
        let (noted, answer) = (asked.clone(), answer.map(|key| Arc::new(key) as Arc<dyn Signer>));
        let open = move |settings: &SignerSettings| {
            noted.lock().unwrap().push(settings.kms_reference.clone());
            std::future::ready(answer.clone()).boxed()
        };
        (Arc::new(open), asked)
    }

    #[tokio::test]
    async fn it_is_opened_once_for_each_configuration_and_not_without_one() {
        let (open, asked) = opener(Ok(PrivateKey::generate().unwrap()));
        let mut kms = KmsKey::default();
        assert!(kms.open(None, &open).await.is_none());
        assert!(kms.open(Some(&ChainsConfig::default()), &open).await.is_none());
        assert!(kms.state().is_err());
        let one = config("hashivault://one");
        let key = kms.open(Some(&one), &open).await.unwrap().unwrap();
        assert!(kms.accept(key));
        assert!(kms.state().is_ok());
        assert!(kms.open(Some(&one), &open).await.is_none());
        let two = config("hashivault://two");
        let key = kms.open(Some(&two), &open).await.unwrap().unwrap();
        assert!(kms.state().is_err(), "the other configuration's key does not sign under this one");
        assert!(kms.accept(key));
        assert_eq!(kms.due(), None);
        let names = asked.lock().unwrap().clone();
        assert_eq!(names, ["hashivault://one", "hashivault://two"].map(|name| Some(name.to_owned())));
        assert!(kms.open(Some(&ChainsConfig::default()), &open).await.is_none());
        assert!(kms.state().is_err(), "a configuration without it lets it go");
    }

    #[tokio::test]
    async fn a_token_in_a_file_is_read_again_and_a_failure_leaves_the_key() {
        let (open, _) = opener(Ok(PrivateKey::generate().unwrap()));
        let mut kms = KmsKey::default();
        let mut from_file = config("hashivault://one");
        from_file.signers.kms_auth.insert("signers.kms.auth.token-path", "/token".to_owned());
        let key = kms.open(Some(&from_file), &open).await.unwrap().unwrap();
        assert!(kms.accept(key.clone()));
        assert!(kms.due().is_some_and(|due| due > Instant::now()));
        assert!(!kms.accept(key));
        assert!(kms.fail("away".to_owned()) && !kms.fail("away".to_owned()));
        assert!(kms.state().is_ok());
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_opened_says_why_and_is_tried_again() {
        let (open, _) = opener(Err("no such key".to_owned()));
        let mut kms = KmsKey::default();
        let why = kms.open(Some(&config("awskms:///a")), &open).await.unwrap().unwrap_err();
        assert!(kms.fail(why));
        assert_eq!(kms.state().unwrap_err(), "no such key");
        assert!(kms.due().is_some());
    }
}
