//! Bundles that hold more than is looked at, or something else than they should.

use serde_json::json;
use testkit::authority::Authority;

use super::*;

const NOW: i64 = 1_780_000_000;

fn bundle() -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "x"}},
        "messageSignature": {"signature": "AA=="},
    })
}

fn parsed(bundle: &Value) -> Result<Bundle, BundleError> {
    Bundle::parse(bundle.to_string().as_bytes())
}

#[test]
fn no_more_is_read_than_is_looked_at() {
    let authority = Authority::new(NOW);
    let entry = authority.log.append(b"body", NOW).for_bundle("dsse", "0.0.1");
    let certificate = json!({"rawBytes": STANDARD.encode(&authority.root.certificate)});
    let places = [
        ("/tlogEntries", entry, MAX_ENTRIES),
        ("/timestampVerificationData/rfc3161Timestamps", json!({"signedTimestamp": "AA=="}), MAX_STAMPS),
        ("/x509CertificateChain/certificates", certificate, MAX_BUNDLE_CERTIFICATES),
    ];
    for (path, one, limit) in places {
        let with = |count: usize| {
            let mut bundle = bundle();
            let mut place = &mut bundle["verificationMaterial"];
            for step in path.split('/').skip(1) {
                place = &mut place[step];
            }
            *place = json!(vec![one.clone(); count]);
            parsed(&bundle)
        };
        let found = with(limit);
        assert!(found.is_ok(), "{path}: {:?}", found.err());
        let found = with(limit + 1).unwrap_err();
        let too_many = BundleError::TooMany {
            what: match path {
                "/tlogEntries" => "log entries",
                "/x509CertificateChain/certificates" => "certificates",
                _ => "timestamps",
            },
            found: limit + 1,
            limit,
        };
        assert_eq!(found, too_many);
    }
}

/// Whoever reads the one and whoever reads the other would take it for signed by different hands.
#[test]
fn what_has_two_readings_is_none() {
    let mut both = bundle();
    both["dsseEnvelope"] = json!({"payload": "e30=", "payloadType": "t", "signatures": [{"sig": "AA=="}]});
    assert!(matches!(parsed(&both), Err(BundleError::Field(_))));
    let text = bundle().to_string();
    let twice = text.replacen(
        "\"messageSignature\"",
        "\"messageSignature\":{\"signature\":\"AQ==\"},\"messageSignature\"",
        1,
    );
    assert!(matches!(Bundle::parse(twice.as_bytes()), Err(BundleError::Json(_))));
    for (path, value) in [
        ("verificationMaterial", json!([])),
        ("messageSignature", json!({"signature": ""})),
        ("messageSignature", json!({"signature": "!"})),
        ("mediaType", json!("application/json")),
    ] {
        let mut wrong = bundle();
        wrong[path] = value;
        assert!(parsed(&wrong).is_err(), "{wrong}");
    }
    let mut empty = bundle();
    empty["verificationMaterial"]["x509CertificateChain"] = json!({"certificates": []});
    assert!(parsed(&empty).is_err());
}
