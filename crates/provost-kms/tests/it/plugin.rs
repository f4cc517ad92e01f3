//! Programs that keep keys, played by shell scripts.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use provost_keys::{HashChoice, KeyError};
use provost_kms::{KmsError, KmsKind, PLUGIN_OUTPUT_LIMIT, PluginFault};

use crate::server::{Kept, opener};

/// The usual places of programs, for the scripts' own needs.
const SYSTEM: &str = "/usr/bin:/bin";

fn script(folder: &Path, name: &str, text: &str) {
    let file = folder.join(format!("sigstore-kms-{name}"));
    std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A program that tells what it was given, and answers from files.
fn keeper(folder: &Path) {
    use base64::Engine;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let key = Kept::new(1);
    let pem = base64(key.public().to_pem().as_bytes());
    let signature = base64(&key.der(&provost_keys::Hash::Sha256.of(b"a statement")));
    std::fs::write(folder.join("public"), format!(r#"{{"publicKey":{{"publicKeyPEM":"{pem}"}}}}"#)).unwrap();
    std::fs::write(folder.join("created"), format!(r#"{{"createKey":{{"publicKeyPEM":"{pem}"}}}}"#)).unwrap();
    std::fs::write(folder.join("signed"), format!(r#"{{"signMessage":{{"signature":"{signature}"}}}}"#))
        .unwrap();
    let here = folder.display();
    script(
        folder,
        "my-hsm",
        &format!(
            r#"printf '%s %s\n' "$1" "$2" >> {here}/calls
env > {here}/env
cat > {here}/input
case "$2" in
*'"methodName":"publicKey"'*) cat {here}/public; exit 3;;
*'"methodName":"defaultAlgorithm"'*) echo '{{"defaultAlgorithm":{{"defaultAlgorithm":"ecdsa-p256"}}}}';;
*'"createKey":{{"algorithm":"ecdsa-p256"}}'*) cat {here}/created;;
*'"methodName":"signMessage"'*) cat {here}/signed;;
esac"#
        ),
    );
}

#[tokio::test]
async fn a_program_keeps_a_key() {
    let folder = tempfile::tempdir().unwrap();
    keeper(folder.path());
    let path = format!("relative:{}:{SYSTEM}", folder.path().display());
    let variables = [
        ("PATH", path.as_str()),
        ("MY_HSM_TOKEN", "x"),
        ("OTHER_SECRET", "y"),
        ("LISTED", "z"),
        ("PROVOST_KMS_PLUGIN_ENV", "LISTED"),
        ("COSIGN_PASSWORD", "pw"),
    ];
    let open = opener(&variables, &[KmsKind::Plugin]);
    let signer = open.signer("my-hsm://slot/1?x").await.unwrap();
    let signature = signer.sign(b"a statement").await.unwrap();
    assert_eq!(signer.public_key().verify(b"a statement", &signature, HashChoice::Usual), Ok(()));
    assert_eq!(std::fs::read(folder.path().join("input")).unwrap(), b"a statement");
    assert_eq!(open.create("my-hsm://new").await.unwrap(), Kept::new(1).public());

    let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap();
    let first = r#"v1 {"initOptions":{"ctxDeadline":"2026-01-02T03:04:15Z","protocolVersion":"v1","keyResourceID":"slot/1?x","hashFunc":5,"rpcOptions":{"keyVersion":"","remoteVerification":false}},"methodName":"publicKey","publicKey":{"publicKeyOptions":{"rpcOptions":{"keyVersion":"","remoteVerification":false}}}}"#;
    assert_eq!(calls.lines().next().unwrap(), first);
    let seen = std::fs::read_to_string(folder.path().join("env")).unwrap();
    let has = |name: &str| seen.lines().any(|line| line.starts_with(&format!("{name}=")));
    assert_eq!(
        ["PATH", "MY_HSM_TOKEN", "LISTED", "OTHER_SECRET", "COSIGN_PASSWORD"].map(has),
        [true, true, true, false, false]
    );
    // What signs another message is found out.
    let wrong = signer.sign(b"another").await.unwrap_err();
    assert!(matches!(wrong, KeyError::Elsewhere { .. }), "{wrong}");
}

#[tokio::test]
async fn a_tokens_pin_goes_by_the_environment_and_into_no_message() {
    let folder = tempfile::tempdir().unwrap();
    keeper(folder.path());
    let here = folder.path();
    let reference = "pkcs11:token=t;object=k?module-path=/m.so&pin-value=64%382";
    let path = format!("{}:{SYSTEM}", here.display());
    let open = opener(&[("PATH", path.as_str()), ("COSIGN_PKCS11_PIN", "other")], &[KmsKind::Plugin]);
    let missing = open.signer(reference).await.unwrap_err();
    assert!(
        matches!(&missing, KmsError::Plugin(PluginFault::NoTokens { program }) if program == "sigstore-kms-pkcs11"),
        "{missing}"
    );
    std::fs::rename(here.join("sigstore-kms-my-hsm"), here.join("sigstore-kms-pkcs11")).unwrap();
    let signer = open.signer(reference).await.unwrap();
    let seen = std::fs::read_to_string(here.join("env")).unwrap();
    assert!(seen.lines().any(|line| line == "COSIGN_PKCS11_PIN=6482"), "{seen}");
    let calls = std::fs::read_to_string(here.join("calls")).unwrap();
    assert!(calls.contains(r#""keyResourceID":"pkcs11:token=t;object=k?module-path=/m.so""#), "{calls}");
    let wrong = signer.sign(b"another").await.unwrap_err();
    let refused = opener(&[("PATH", &path)], &[]).signer(reference).await.unwrap_err();
    for shown in [missing.to_string(), wrong.to_string(), refused.to_string()] {
        assert!(!shown.contains("6482") && !shown.contains("64%382"), "{shown}");
    }
}

#[tokio::test]
async fn names_are_plain_and_only_absolute_folders_are_searched() {
    let folder = tempfile::tempdir().unwrap();
    keeper(folder.path());
    let here = folder.path().to_str().unwrap();
    let fault = async |path: &str, reference: &str| match opener(&[("PATH", path)], &[KmsKind::Plugin])
        .signer(reference)
        .await
        .unwrap_err()
    {
        KmsError::Plugin(fault) => fault,
        other => panic!("{other}"),
    };
    for bad in ["../x://k", "My-hsm://k", "a b://k", "a/b://k", "a_b://k", "://k"] {
        assert!(matches!(fault(here, bad).await, PluginFault::Name { .. }), "{bad}");
    }
    for path in ["", ".", "relative"] {
        let missing = fault(path, "my-hsm://k").await;
        assert_eq!(missing.to_string(), "loading URL: unrecognized scheme: my-hsm://", "{path}");
    }
    std::fs::set_permissions(
        folder.path().join("sigstore-kms-my-hsm"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    assert!(matches!(fault(here, "my-hsm://k").await, PluginFault::NotFound { .. }));
}

#[tokio::test]
async fn what_a_program_does_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}:{SYSTEM}", folder.path().display());
    for (name, text, words) in [
        ("says", r#"echo '{"errorMessage":"no such key"}'; exit 1"#, "plugin returned error: no such key"),
        ("garbles", "echo nonsense", "parsing plugin response: "),
        ("empty", "echo '{}'", "publicKey is missing"),
        ("dies", "kill -9 $$", "error executing plugin program: "),
    ] {
        script(folder.path(), name, text);
        let open = opener(&[("PATH", &path)], &[KmsKind::Plugin]);
        let error = open.signer(&format!("{name}://k")).await.unwrap_err().to_string();
        assert!(error.contains(words), "{name}: {error}");
    }
}

#[tokio::test]
async fn what_a_program_writes_has_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}:{SYSTEM}", folder.path().display());
    script(folder.path(), "floods", &format!("head -c {} /dev/zero", PLUGIN_OUTPUT_LIMIT * 2));
    let open = opener(&[("PATH", &path)], &[KmsKind::Plugin]);
    let error = open.signer("floods://k").await.unwrap_err();
    assert!(
        matches!(error, KmsError::Plugin(PluginFault::TooLong { limit: PLUGIN_OUTPUT_LIMIT, .. })),
        "{error}"
    );
}
