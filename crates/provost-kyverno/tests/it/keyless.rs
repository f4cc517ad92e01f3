//! Attestors by certificate and identity, with logs, timestamps and bundles, against a Sigstore of the tests' own.

mod scene;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_keys::PublicKey;
use provost_kyverno::{KeyServices, ServiceError};
use serde_json::{Value, json};
use testkit::authority::{Authority, pem};

use scene::{ISSUER, NAME, NOW, Scene, TYPE, put};

fn signed(attestor: &Value) -> Value {
    json!({"attestors": [{"entries": [attestor]}]})
}

fn attested(attestor: &Value) -> Value {
    json!({"attestations": [{"type": TYPE, "attestors": [{"entries": [attestor]}]}]})
}

fn keyless(fields: &Value) -> Value {
    let mut keyless = json!({"rekor": {"url": "https://rekor.example.test"}});
    for (name, value) in fields.as_object().unwrap() {
        keyless[name] = value.clone();
    }
    json!({"keyless": keyless})
}

/// Cases 26 and 27 of the catalogue, in the words of policies: the identity decides, and wildcards are the author's.
#[tokio::test]
async fn identities_are_compared_as_kyverno_compares_them() {
    let scene = Scene::new().await;
    scene.sign(true).await;
    scene.attest().await;
    let good = [
        json!({"subject": NAME, "issuer": ISSUER}),
        json!({"subject": "*@example.test", "issuer": "https://issuer.*"}),
        json!({"subjectRegExp": "^dev@example\\.test$", "issuerRegExp": "^https://issuer\\."}),
        json!({"subject": "nobody", "subjectRegExp": "dev@", "issuer": ISSUER}),
        json!({"subject": NAME, "issuer": ISSUER, "additionalExtensions": {"githubWorkflowRepository": "org/*"}}),
        json!({"subject": NAME, "issuer": ISSUER, "additionalExtensions": {"1.3.6.1.4.1.57264.1.5": "org/app"}}),
        json!({}),
    ];
    for identity in good {
        assert_eq!(scene.judged(&signed(&keyless(&identity))).await, None, "{identity}");
        assert_eq!(scene.judged(&attested(&keyless(&identity))).await, None, "{identity}");
    }
    let bad = [
        (
            json!({"subject": "dev@example.tes", "issuer": ISSUER}),
            "subject mismatch: expected dev@example.tes, received dev@example.test",
        ),
        (
            json!({"subject": NAME, "issuer": "https://evil.test"}),
            "issuer mismatch: expected https://evil.test, received https://issuer.example.test",
        ),
        (
            json!({"subject": NAME, "issuer": ISSUER, "issuerRegExp": "evil"}),
            "issuer mismatch: expected evil, received https://issuer.example.test",
        ),
        (
            json!({"subject": NAME, "additionalExtensions": {"githubWorkflowRepository": "evil"}}),
            "extension mismatch: expected evil for key githubWorkflowRepository, received org/app",
        ),
        (json!({"additionalExtensions": {"x": "y"}}), "invalid certificate extension x"),
        (json!({"subjectRegExp": "("}), "invalid regexp for subject: ( : error parsing regexp"),
    ];
    for (identity, words) in bad {
        let said = scene.judged(&signed(&keyless(&identity))).await.unwrap_or_default();
        assert!(said.contains(&format!(".attestors[0].entries[0].keyless: {words}")), "{identity}: {said}");
        let said = scene.judged(&attested(&keyless(&identity))).await.unwrap_or_default();
        assert!(said.contains(&format!("requiredCount: 1, error: {words}")), "{identity}: {said}");
    }
}

/// Without a trusted root nothing is known, and nothing is fetched: what the policy names itself suffices.
#[tokio::test]
async fn without_a_trusted_root_the_policy_must_name_its_own() {
    let mut scene = Scene::new().await;
    scene.sign(true).await;
    scene.trusting = false;
    let roots = scene.authority.chain_pem();
    let log = json!({"url": "https://rekor.example.test", "pubkey": scene.log_pem()});
    let sct = json!({"pubkey": scene.authority.ct_log.public_pem()});
    for (fields, words) in [
        (
            json!({"subject": NAME}),
            "failed to get roots from fulcio: no trusted root is at hand, and none is fetched while judging: expected --trusted-root FILE",
        ),
        (json!({"roots": roots}), "failed to load Rekor public keys: no trusted root is at hand"),
        (
            json!({"roots": roots, "rekor": log}),
            "failed to load CTLogs public keys: no trusted root is at hand",
        ),
        (json!({"roots": "x"}), "failed to load Root certificates: "),
        (
            json!({"roots": roots, "rekor": {"pubkey": "x"}}),
            "failed to load Rekor public keys: failed to get rekor public keys: ",
        ),
    ] {
        let said = scene.judged(&signed(&keyless(&fields))).await.unwrap_or_default();
        assert!(said.contains(words), "{fields}: {said}");
    }
    let own = json!({"roots": roots, "rekor": log, "ctlog": sct, "subject": NAME, "issuer": ISSUER});
    assert_eq!(scene.judged(&signed(&keyless(&own))).await, None);
    // Case 34: a log of somebody else's.
    let stranger = Authority::new(NOW);
    let other = json!({"roots": roots, "rekor": {"pubkey": stranger.log.key.public_pem()}, "ctlog": sct});
    let said = scene.judged(&signed(&keyless(&other))).await.unwrap_or_default();
    assert!(said.contains("rekor log public key not found for payload"), "{said}");
    // Case 30: an authority of somebody else's, and CT logs.
    let other = json!({"roots": stranger.chain_pem(), "rekor": log, "ctlog": {"ignoreSCT": true}});
    let said = scene.judged(&signed(&keyless(&other))).await.unwrap_or_default();
    assert!(said.contains("no matching signatures: cert verification failed"), "{said}");
    let other = json!({"roots": roots, "rekor": log, "ctlog": {"pubkey": stranger.ct_log.public_pem()}});
    let said = scene.judged(&signed(&keyless(&other))).await.unwrap_or_default();
    assert!(said.contains("ctfe public key not found for payload"), "{said}");
}

/// Case 29: with the log ignored an ended certificate needs another time.
#[tokio::test]
async fn an_ended_certificate_needs_a_trusted_time() {
    let scene = Scene::new().await;
    scene.sign(true).await;
    let ignoring = keyless(&json!({"subject": NAME, "issuer": ISSUER, "rekor": {"ignoreTlog": true}}));
    let said = scene.judged(&signed(&ignoring)).await.unwrap_or_default();
    assert!(said.contains("expected a signed timestamp to verify an expired certificate"), "{said}");
    // A certificate that is named is a key whose days count, too.
    let ctlog = json!({"ignoreSCT": true});
    let named = |rekor: Value| json!({"certificates": {"cert": scene.certificate_pem(), "rekor": rekor, "ctlog": ctlog}});
    assert_eq!(scene.judged(&signed(&named(json!({"url": "u"})))).await, None);
    let said = scene.judged(&signed(&named(json!({"ignoreTlog": true})))).await.unwrap_or_default();
    assert!(said.contains(".certificates: no matching signatures: expected a signed timestamp"), "{said}");
}

#[tokio::test]
async fn certificates_are_held_against_their_chain() {
    let scene = Scene::new().await;
    scene.sign(true).await;
    let with = |fields: Value| {
        let mut one = json!({"rekor": {"url": "u"}, "ctlog": {"ignoreSCT": true}});
        for (name, value) in fields.as_object().unwrap() {
            one[name] = value.clone();
        }
        signed(&json!({ "certificates": one }))
    };
    let (cert, chain) = (scene.certificate_pem(), scene.authority.chain_pem());
    let stranger = Authority::new(NOW).chain_pem();
    assert_eq!(scene.judged(&with(json!({"cert": cert, "certChain": chain}))).await, None);
    assert_eq!(scene.judged(&with(json!({"certChain": chain}))).await, None);
    assert_eq!(scene.judged(&with(json!({"cert": STANDARD.encode(&cert), "certChain": chain}))).await, None);
    for (fields, words) in [
        (json!({"cert": cert, "certChain": stranger}), "failed to load validate certificate chain: "),
        (json!({"certChain": stranger}), "no matching signatures: cert verification failed"),
        (json!({"cert": "x", "certChain": chain}), "failed to load certificate from x: "),
        (
            json!({"cert": cert, "certChain": chain.repeat(6)}),
            "certificate chain too long (12), maximum allowed is 11",
        ),
    ] {
        let said = scene.judged(&with(fields.clone())).await.unwrap_or_default();
        assert!(said.contains(words), "{fields}: {said}");
    }
}

/// A key may ask for the log, and for signatures among the referrers.
#[tokio::test]
async fn keys_ask_for_logs_and_referrers() {
    let scene = Scene::new().await;
    let pem = scene.key.public_pem();
    let key = |rekor: Value| json!({"keys": {"publicKeys": pem, "rekor": rekor}});
    scene.sign_by_referrer().await;
    let said = scene.judged(&signed(&key(json!({"ignoreTlog": true})))).await.unwrap_or_default();
    assert!(said.contains("no signatures found"), "{said}");
    let mut experimental = signed(&key(json!({"url": "u"})));
    experimental["cosignOCI11"] = json!(true);
    assert_eq!(scene.judged(&experimental).await, None);
    experimental["attestors"][0]["entries"][0]["annotations"] = json!({"env": "test"});
    let said = scene.judged(&experimental).await.unwrap_or_default();
    assert!(said.contains("no signature matched the required annotations"), "{said}");
    scene.sign(false).await;
    assert_eq!(scene.judged(&signed(&key(json!({"url": "u"})))).await, None);
    let other = key(json!({"pubkey": Authority::new(NOW).log.key.public_pem()}));
    assert!(scene.judged(&signed(&other)).await.is_some());
}

#[tokio::test]
async fn bundles_are_signatures_and_attestations() {
    let scene = Scene::new().await;
    scene.attest_as_bundle().await;
    let bundled = |mut entry: Value| {
        entry["type"] = json!("SigstoreBundle");
        entry
    };
    let good = keyless(&json!({"subject": NAME, "issuer": ISSUER}));
    assert_eq!(scene.judged(&bundled(signed(&good))).await, None);
    assert_eq!(scene.judged(&bundled(attested(&good))).await, None);
    for fields in [
        json!({"subject": "*@example.test", "issuer": ISSUER}),
        json!({"subject": NAME, "issuer": "https://evil.test"}),
        // Kyverno asks for nobody where only one of the two is named.
        json!({"subject": "evil"}),
        json!({"subject": NAME, "issuer": ISSUER, "additionalExtensions": {"githubWorkflowRepository": "x"}}),
        json!({"subject": NAME, "issuer": ISSUER, "rekor": {"pubkey": Authority::new(NOW).log.key.public_pem()}}),
    ] {
        for entry in [signed(&keyless(&fields)), attested(&keyless(&fields))] {
            let said = scene.judged(&bundled(entry)).await.unwrap_or_default();
            let words = "sigstore bundle verification failed: no matching signatures found";
            assert!(said.contains(words), "{fields}: {said}");
        }
    }
    let certificates = json!({"certificates": {"certChain": scene.authority.chain_pem()}});
    let said = scene.judged(&bundled(signed(&certificates))).await.unwrap_or_default();
    assert!(said.contains("certificates with type: SigstoreBundle is not supported"), "{said}");
    let untimed = keyless(&json!({"subject": NAME, "issuer": ISSUER, "ctlog": {"ignoreSCT": true}}));
    assert!(scene.judged(&bundled(signed(&untimed))).await.is_some());
}

/// Annotations are the payload's of an image signature; no attestation has them.
#[tokio::test]
async fn annotations_of_attestations_never_match() {
    let scene = Scene::new().await;
    scene.attest().await;
    let mut entry = attested(&keyless(&json!({"subject": NAME, "issuer": ISSUER})));
    entry["annotations"] = json!({"env": "prod"});
    let said = scene.judged(&entry).await.unwrap_or_default();
    assert!(said.contains("no signature matched the required annotations"), "{said}");
}

#[tokio::test]
async fn notary_signatures_and_attested_artifacts() {
    let scene = Scene::new().await;
    let root = pem("CERTIFICATE", &scene.authority.root.certificate);
    let stranger = pem("CERTIFICATE", &Authority::new(NOW).root.certificate);
    let by = |root: &str| json!({"certificates": {"cert": root}});
    let notary = |mut entry: Value| {
        entry["type"] = json!("Notary");
        entry
    };
    let said = scene.judged(&notary(signed(&by(&root)))).await.unwrap_or_default();
    let words = "failed to verify image reg.example/app@";
    assert!(said.starts_with(words) && said.contains(".attestors[0].entries[0]: failed to verify"), "{said}");
    assert!(said.contains("no signature is associated with the artifact"), "{said}");
    scene.notarize(&scene.image).await;
    assert_eq!(scene.judged(&notary(signed(&by(&root)))).await, None);
    let said = scene.judged(&notary(signed(&by(&stranger)))).await.unwrap_or_default();
    assert!(said.contains("leads to no certificate of the trust store"), "{said}");
    let said = scene.judged(&notary(signed(&by("x")))).await.unwrap_or_default();
    assert!(said.contains("failed to parse certificates: "), "{said}");
    // What nobody signed says nothing, and all that is signed must hold.
    let wanted = |root: &str| {
        let all =
            json!([{"all": [{"key": "{{ ok }}", "operator": "Equals", "value": true, "message": "not ok"}]}]);
        let mut entry = attested(&by(root));
        entry["attestations"][0]["type"] = json!("sbom/x");
        entry["attestations"][0]["conditions"] = all;
        notary(entry)
    };
    let said = scene.judged(&wanted(&root)).await.unwrap_or_default();
    assert!(said.contains("no matching attestations found for image reg.example/app@"), "{said}");
    let attach = |text: &'static str| {
        let layers = vec![("application/json", text.as_bytes().to_vec(), BTreeMap::new())];
        put(&scene.store, b"{}", layers, Some(&scene.image), Some("sbom/x"))
    };
    attach(r#"{"ok": false, "by": "nobody"}"#).await;
    assert!(scene.judged(&wanted(&root)).await.unwrap_or_default().contains("no signature is associated"));
    let good = attach(r#"{"ok": true}"#).await;
    scene.notarize(&good).await;
    assert_eq!(scene.judged(&wanted(&root)).await, None);
    assert!(scene.judged(&wanted(&stranger)).await.is_some());
    let bad = attach(r#"{"ok": false}"#).await;
    scene.notarize(&bad).await;
    let said = scene.judged(&wanted(&root)).await.unwrap_or_default();
    assert!(said.contains("attestation checks failed") && said.contains("not ok"), "{said}");
}

struct Vault(PublicKey);

#[async_trait::async_trait]
impl KeyServices for Vault {
    async fn public_key(&self, reference: &str) -> Result<PublicKey, ServiceError> {
        match reference {
            "hashivault://app" => Ok(self.0.clone()),
            "awskms://x" => Err(ServiceError::NotAllowed("not enabled".to_owned())),
            other => Err(ServiceError::Failed(format!("no key {other}"))),
        }
    }
}

/// Rule 23: services are asked only where the operator gave them.
#[tokio::test]
async fn keys_in_services_are_opened_only_where_allowed() {
    let mut scene = Scene::new().await;
    scene.sign(false).await;
    let kms = |uri: &str| signed(&json!({"keys": {"kms": uri, "rekor": {"ignoreTlog": true}}}));
    let said = scene.judged(&kms("hashivault://app")).await.unwrap_or_default();
    assert!(said.contains("failed to load public key from hashivault://app: keys in services"), "{said}");
    scene.services = Some(Arc::new(Vault(PublicKey::from_der(&scene.key.spki()).unwrap())));
    assert_eq!(scene.judged(&kms("hashivault://app")).await, None);
    for (uri, words) in [
        ("hashivault://other", "from hashivault://other: no key hashivault://other"),
        ("awskms://x", "from awskms://x: not enabled"),
        ("pkcs11:token=x", "from pkcs11:token=x"),
        ("https://example.test/key", "a policy's key is PEM, k8s:// or a Secret; nothing else is opened"),
    ] {
        let said = scene.judged(&kms(uri)).await.unwrap_or_default();
        assert!(said.contains(words), "{uri}: {said}");
    }
}
