//! Settings as they change in a cluster in memory: a bad edit changes nothing, a new key signs once it is written down.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::PrivateKey;
use serde_json::{Value, json};

use super::*;
use crate::events::events;
use crate::fake::FakeServer;

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";
const SECRET: &str = "/api/v1/namespaces/ns/secrets/signing-secrets";

/// Two keys in the form of `x509.pem`, made for these tests.
const KEYS: [&str; 2] = [
    "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1+jIIMdissKGlA90
XaRcHHIpYV9ukY1zdrOd7v98d/ihRANCAATFUfN9fTWcnrafbBrRpauqGnk0lteX
3Uxt14LlRDuS3DXnIB3fkmfc5nXd5eeo9vybaucmfcp0zSiNABRvgcO6
-----END PRIVATE KEY-----
",
    "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRiijLwQ7CCw0aU4G
qm2ELGw6Ba1w34oYORA17umqqXmhRANCAARcfIgiAqG0mzt/Maod5eWhqToJMERp
QAjlTbaPqXPzwcfaTA3qiEDe6ni82ABMc73kAOHmOkrH/QBPeVDl8WSw
-----END PRIVATE KEY-----
",
];

struct Scene {
    server: FakeServer,
    settings: watch::Receiver<Option<Arc<Settings>>>,
    said: Arc<Mutex<Vec<String>>>,
}

fn config(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG, "namespace": "ns"}, "data": data})
}

fn secret(pem: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRETS, "namespace": "ns"},
        "data": {"x509.pem": STANDARD.encode(pem)}})
}

fn public(pem: &str) -> PublicKey {
    PrivateKey::from_pem(pem.as_bytes()).unwrap().public_key()
}

/// Neither keys in services nor Fulcio.
pub(crate) fn no_services() -> (OpenKms, Services) {
    let open_kms: OpenKms = Arc::new(|_| Box::pin(async { Err("there are no services here".to_owned()) }));
    let client = provost_registry::service_client(&provost_registry::RemoteOptions::default()).unwrap();
    let token =
        Arc::new(|_: &provost_chains::config::SignerSettings| Err("there is no token here".to_owned()));
    (open_kms, Services { client, token })
}

impl Scene {
    async fn new(source: KeySource) -> Self {
        let (server, cluster) = FakeServer::start().await;
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = said.clone();
        let say: crate::Say = Arc::new(move |words: &str| heard.lock().unwrap().push(words.to_owned()));
        let (events, writer) = events(&cluster, "me", say.clone());
        tokio::spawn(writer.write());
        let (told, settings) = watch::channel(None);
        let (namespace, metrics) = ("ns".to_owned(), Arc::new(Metrics::new()));
        let (open_kms, services) = no_services();
        let follower = Follower { cluster, namespace, source, open_kms, services, events, metrics, say };
        tokio::spawn(follower.follow(told));
        Self { server, settings, said }
    }

    /// Waits for settings of which this holds.
    async fn when(&mut self, holds: impl Fn(&Settings) -> bool) -> Arc<Settings> {
        let found = self.settings.wait_for(|now| now.as_ref().is_some_and(|now| holds(now))).await.unwrap();
        found.clone().unwrap()
    }

    fn said(&self, words: &str) -> bool {
        self.said.lock().unwrap().iter().any(|line| line.contains(words))
    }
}

fn signs_with(settings: &Settings, pem: &str) -> bool {
    settings.key.as_ref().is_ok_and(|key| key.public_key().to_der() == public(pem).to_der())
}

#[tokio::test]
async fn nothing_is_known_before_configuration_and_key_and_then_both_are() {
    let mut scene = Scene::new(KeySource::Secret).await;
    scene.server.put(SECRET, secret(KEYS[0]));
    scene.server.until(|server| server.get(&format!("{MAPS}/{RECEIPT_KEYS}"))).await;
    assert!(scene.settings.borrow().is_none(), "there is no chains-config");
    scene.server.put(&format!("{MAPS}/{CONFIG}"), config(&json!({"builder.id": "one"})));
    let settings = scene.when(|now| signs_with(now, KEYS[0])).await;
    assert_eq!(settings.config.builder_id, "one");
    assert!(settings.receipt_keys.iter().any(|key| key.to_der() == public(KEYS[0]).to_der()));
    // Its public half stood in the cluster before it signed.
    let kept = scene.server.get(&format!("{MAPS}/{RECEIPT_KEYS}")).unwrap();
    assert_eq!(kept["data"][format!("{}.pub", fingerprint(&public(KEYS[0])))], public(KEYS[0]).to_pem());
}

#[tokio::test]
async fn a_bad_edit_keeps_what_was_before_and_says_so_on_the_object() {
    let mut scene = Scene::new(KeySource::Secret).await;
    scene.server.put(SECRET, secret(KEYS[0]));
    scene.server.put(&format!("{MAPS}/{CONFIG}"), config(&json!({"builder.id": "one"})));
    let before = scene.when(|now| now.config.builder_id == "one").await;
    scene.server.put(&format!("{MAPS}/{CONFIG}"), config(&json!({"artifacts.taskrun.format": "nosuch"})));
    let event = |server: &FakeServer| {
        (server.asked("POST /apis/events.k8s.io/v1/namespaces/ns/events") > 0).then_some(())
    };
    scene.server.until(event).await;
    assert!(scene.said("the configuration before it stays"));
    assert_eq!(scene.settings.borrow().as_ref().unwrap().config_digest, before.config_digest);
    scene.server.put(&format!("{MAPS}/{CONFIG}"), config(&json!({"builder.id": "two"})));
    scene.when(|now| now.config.builder_id == "two").await;
}

#[tokio::test]
async fn a_new_key_signs_and_the_old_ones_receipts_still_count() {
    let mut scene = Scene::new(KeySource::Secret).await;
    scene.server.put(&format!("{MAPS}/{CONFIG}"), config(&json!({})));
    scene.server.put(SECRET, secret(KEYS[0]));
    scene.when(|now| signs_with(now, KEYS[0])).await;
    scene.server.put(SECRET, secret("no key"));
    scene.server.until(|server| (server.asked("POST /apis/events") > 0).then_some(())).await;
    assert!(signs_with(scene.settings.borrow().as_ref().unwrap(), KEYS[0]), "the key before it stays");
    scene.server.put(SECRET, secret(KEYS[1]));
    let settings = scene.when(|now| signs_with(now, KEYS[1])).await;
    for pem in KEYS {
        assert!(settings.receipt_keys.iter().any(|key| key.to_der() == public(pem).to_der()));
    }
}

#[tokio::test]
async fn without_a_key_the_reason_is_known() {
    let mut scene = Scene::new(KeySource::Secret).await;
    scene.server.put(&format!("{MAPS}/{CONFIG}"), config(&json!({})));
    let settings = scene.when(|now| now.key.is_err()).await;
    let why = settings.key.as_ref().err().unwrap();
    assert!(why.starts_with("Secret ns/signing-secrets: it holds neither"), "{why}");
}

#[tokio::test]
async fn a_key_that_cannot_be_written_down_does_not_sign() {
    let mut scene = Scene::new(KeySource::Secret).await;
    scene.server.refuse(&format!("PATCH {MAPS}/{RECEIPT_KEYS}"), 403);
    scene.server.put(&format!("{MAPS}/{CONFIG}"), config(&json!({})));
    scene.server.put(SECRET, secret(KEYS[0]));
    let waits =
        |now: &Settings| now.key.as_ref().err().is_some_and(|why| why.starts_with("the new key waits"));
    scene.when(waits).await;
    // Whatever changes next, it is tried again.
    scene.server.put(&format!("{MAPS}/{CONFIG}"), config(&json!({"builder.id": "two"})));
    scene.when(|now| signs_with(now, KEYS[0])).await;
}

#[tokio::test]
async fn a_mounted_folder_is_a_source_as_well() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x509.pem"), KEYS[0]).unwrap();
    let mut scene = Scene::new(KeySource::Folder(folder.path().to_owned())).await;
    scene.server.put(&format!("{MAPS}/{CONFIG}"), config(&json!({})));
    scene.when(|now| signs_with(now, KEYS[0])).await;
    assert_eq!(scene.server.asked("GET /api/v1/namespaces/ns/secrets"), 0);
}

#[test]
fn settings_are_news_where_another_key_or_configuration_signs_or_another_reason_stands() {
    let (_, services) = no_services();
    let signer = |pem: &str| Arc::new(PrivateKey::from_pem(pem.as_bytes()).unwrap()) as Arc<dyn Signer>;
    let known = |digest: &str, pem: &str, receipts: &[&str]| {
        let known = Known {
            config: Some((ChainsConfig::default(), digest.to_owned())),
            key: Some(signer(pem)),
            receipt_keys: Some(receipts.iter().map(|pem| public(pem)).collect()),
            ..Known::default()
        };
        known.settings(&services).unwrap()
    };
    let [one, other] = KEYS;
    let first = known("a", one, &[one]);
    assert!(is_same(None, None) && !is_same(None, Some(&first)));
    assert!(is_same(Some(&first), Some(&known("a", one, &[one]))), "the same key, opened anew");
    for new in [known("b", one, &[one]), known("a", other, &[one]), known("a", one, &[one, other])] {
        assert!(!is_same(Some(&first), Some(&new)));
    }
    let failed = |why: &str| Settings { key: Err(why.to_owned()), ..Settings::clone(&first) };
    assert!(
        is_same(Some(&failed("x")), Some(&failed("x"))) && !is_same(Some(&failed("x")), Some(&failed("y")))
    );
}
