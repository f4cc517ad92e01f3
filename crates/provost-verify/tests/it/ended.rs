//! Keys and authorities that are over: what they signed counts only where someone trusted says that it was in time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use provost_sigstore::certificate::Certificate;
use provost_sigstore::window::Window;
use provost_statement::IN_TOTO_PAYLOAD;
use provost_statement::envelope::pre_authentication_encoding;
use provost_verify::beside::certified;
use provost_verify::{Attestor, LogRule, Trust};
use serde_json::{Value, json};

use crate::sigstore::{NOW, Scene, YEAR, check_bundle, code, dsse, hashedrekord_v2};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The same trust, with the log's key retired at this second.
fn retired(trust: Trust, end: i64) -> Trust {
    let mut trust = trust;
    for log in &mut trust.material.logs {
        log.valid = Window { end: Some(at(end)), ..log.valid };
    }
    trust
}

/// A key's attestation as a bundle, with an entry of Rekor v1 or v2 that has a proof and no promise.
fn proven(scene: &Scene, second: bool, stamped: Option<i64>) -> Value {
    let (envelope, payload, signature) = scene.envelope();
    let entry = if second {
        let signed = pre_authentication_encoding(IN_TOTO_PAYLOAD, &payload);
        let body = hashedrekord_v2(&signed, &signature, &scene.certificate);
        scene.authority.log.append(&body, NOW + 1).for_bundle_v2("hashedrekord", "0.0.2")
    } else {
        let body = dsse(envelope.to_string().as_bytes(), &payload, &signature, &scene.key.public_pem());
        let mut entry = scene.authority.log.append(&body, NOW + 1).for_bundle("dsse", "0.0.1");
        entry.as_object_mut().unwrap().remove("inclusionPromise");
        entry
    };
    let signer = if second {
        json!({"certificate": {"rawBytes": STANDARD.encode(&scene.certificate)}})
    } else {
        json!({"publicKey": {"hint": "x"}})
    };
    let mut bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": signer,
        "dsseEnvelope": envelope,
    });
    bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
    if let Some(time) = stamped {
        let stamp = scene.authority.timestamps.stamp(&signature, time);
        bundle["verificationMaterial"]["timestampVerificationData"] =
            json!({"rfc3161Timestamps": [{"signedTimestamp": STANDARD.encode(stamp)}]});
    }
    bundle
}

/// Rule 7: whoever has a log's retired key can sign any checkpoint today; only a timestamp says when it was.
#[test]
fn a_proof_under_a_retired_log_key_needs_a_timestamp_within_its_days() {
    let scene = Scene::new();
    let (trust, over) = (scene.key_trust(), retired(scene.key_trust(), NOW + 10));
    assert!(check_bundle(&proven(&scene, false, None), &trust).unwrap().logged);
    assert_eq!(check_bundle(&proven(&scene, false, None), &over), code("log-entry-untrusted"));
    assert_eq!(check_bundle(&proven(&scene, false, Some(NOW + 11)), &over), code("log-entry-untrusted"));
    assert!(check_bundle(&proven(&scene, false, Some(NOW + 9)), &over).unwrap().logged);
    // An authority that nobody trusts does not say when it was.
    let mut stranger = over.clone();
    stranger.material.stamp_authorities.clear();
    assert_eq!(check_bundle(&proven(&scene, false, Some(NOW + 9)), &stranger), code("log-entry-untrusted"));
}

#[test]
fn rekor_v2_under_a_retired_key_holds_by_its_timestamp() {
    let scene = Scene::new();
    let over = retired(scene.trust(), NOW + 10);
    assert!(check_bundle(&proven(&scene, true, Some(NOW + 9)), &over).unwrap().logged);
    assert_eq!(check_bundle(&proven(&scene, true, Some(NOW + 11)), &over), code("log-entry-untrusted"));
    assert!(check_bundle(&proven(&scene, true, Some(NOW + 11)), &scene.trust()).unwrap().logged);
}

/// An entry that names no kind would be spared what Rekor v2 asks for.
#[test]
fn an_entry_names_its_kind() {
    let scene = Scene::new();
    for field in ["kind", "version"] {
        let mut bundle = proven(&scene, false, None);
        bundle["verificationMaterial"]["tlogEntries"][0]["kindVersion"][field] = json!("");
        let found = check_bundle(&bundle, &scene.key_trust()).unwrap_err();
        assert!(found.contains("Malformed") && found.contains("kindVersion"), "{found}");
    }
}

/// An authority may certify until a day; a signature of the next day does not count, though its certificate began before.
#[test]
fn an_authoritys_days_count_for_the_signature_too() {
    let scene = Scene::new();
    let until = |second: i64| {
        let mut trust = scene.trust();
        for authority in &mut trust.material.authorities {
            authority.valid = Window { end: Some(at(second)), ..authority.valid };
        }
        trust
    };
    // The certificate begins at NOW, the log saw the signature a second later.
    assert!(scene.layer().check(&until(NOW + 1)).is_ok());
    assert!(check_bundle(&scene.bundle(), &until(NOW + 1)).is_ok());
    assert_eq!(scene.layer().check(&until(NOW)), code("certificate-untrusted"));
    assert_eq!(check_bundle(&scene.bundle(), &until(NOW)), code("certificate-untrusted"));
    let present = Trust { log: LogRule::Ignored, now: at(NOW + 60), ..until(NOW + 30) };
    assert_eq!(scene.layer().check(&present), code("certificate-untrusted"));
}

/// Case 29 for a certificate that the user names: those above it are held against the same times.
#[test]
fn an_ended_authority_above_a_named_certificate_is_refused() {
    let scene = Scene::under_ended_intermediate();
    let mut trust = Trust { log: LogRule::Ignored, now: at(NOW + 60), ..scene.trust() };
    let certificate = Certificate::from_der(&scene.certificate).unwrap();
    let above = certified(&trust, &certificate, &[]).unwrap().split_off(1);
    assert_eq!(above.len(), 2);
    trust.attestor = Attestor::Certificate { certificate, above };
    assert_eq!(scene.layer().check(&trust), code("certificate-time"));
    trust.now = at(NOW + 20);
    assert!(scene.layer().check(&trust).is_ok());
    trust.log = LogRule::Required;
    trust.now = at(NOW + YEAR);
    assert!(scene.layer().check(&trust).is_ok(), "the log saw it while all of them held");
}
