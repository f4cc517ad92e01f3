//! The key in `signing-secrets`: `x509.pem` before `cosign.key`, opened once for each change of it, and signing as Chains does.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use provost_keys::{Hash, KEY_FILE_LIMIT, KeyError, PrivateKey, PublicKey, Signer};
use zeroize::Zeroizing;

/// The bytes that `signing-secrets` holds; wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyMaterial {
    x509: Option<Zeroizing<Vec<u8>>>,
    cosign: Option<Zeroizing<Vec<u8>>>,
    password: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(…)")
    }
}

/// The names in the Secret and in the folder it is mounted as.
const X509: &str = "x509.pem";
const COSIGN: &str = "cosign.key";
const PASSWORD: &str = "cosign.password";

impl KeyMaterial {
    /// What a Secret holds.
    pub(crate) fn of_secret(secret: Option<Secret>) -> Self {
        let mut data = secret.and_then(|secret| secret.data).unwrap_or_default();
        let mut take = |name: &str| data.remove(name).map(|ByteString(bytes)| Zeroizing::new(bytes));
        Self { x509: take(X509), cosign: take(COSIGN), password: take(PASSWORD).unwrap_or_default() }
    }

    /// What a folder holds, as the kubelet mounts a Secret; the file that cannot be read is named.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self, String> {
        let read = |name: &str| {
            let path = folder.join(name);
            match std::fs::metadata(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(format!("{}: {error}", path.display())),
                Ok(found) if found.len() > KEY_FILE_LIMIT as u64 => {
                    return Err(format!(
                        "{}: {} bytes, a key has at most {KEY_FILE_LIMIT}",
                        path.display(),
                        found.len()
                    ));
                }
                Ok(_) => {}
            }
            std::fs::read(&path)
                .map(|bytes| Some(Zeroizing::new(bytes)))
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        Ok(Self { x509: read(X509)?, cosign: read(COSIGN)?, password: read(PASSWORD)?.unwrap_or_default() })
    }

    /// Opens the key; scrypt takes a sixth of a second and 64 MiB, so never on the runtime's thread. The allocator gives the
    /// memory back when the blocking thread that did it ends, ten seconds after its last work.
    pub(crate) fn open(&self) -> Result<Arc<dyn Signer>, String> {
        if let Some(pem) = &self.x509 {
            let key = PrivateKey::from_pem(pem).map_err(|error| format!("{X509}: {error}"))?;
            return Ok(Arc::new(Sha256Key(key)));
        }
        let pem = self.cosign.as_ref().ok_or_else(|| {
            format!("it holds neither {X509} nor {COSIGN}; `provost generate-key-pair k8s://NAMESPACE/signing-secrets` makes one")
        })?;
        let key = PrivateKey::from_encrypted_pem(pem, &self.password);
        Ok(Arc::new(key.map_err(|error| format!("{COSIGN} with {PASSWORD}: {error}"))?))
    }
}

/// A key of `x509.pem`, with which Chains signs over SHA-256 whatever its curve.
#[derive(Debug)]
struct Sha256Key(PrivateKey);

#[async_trait]
impl Signer for Sha256Key {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    fn hash(&self) -> Hash {
        Hash::Sha256
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0.sign_exactly(message, Hash::Sha256)
    }

    async fn sign_exactly(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, KeyError> {
        self.0.sign_exactly(message, hash)
    }
}

#[cfg(test)]
mod tests {
    use provost_keys::HashChoice;

    use super::*;

    /// A key made for this test.
    const P384: &str = "-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDCnsxQMQ1YQkRIb9jBN
LFhMr65a7soVmnAkv7AoW6ork8N9voUCUpStkBjUTtIePaWhZANiAAT5+raIsz46
HcLHg1BRpOYMvCU8jYRPZ8026zOjEEnmo8h+Az9Anu8Riv5SLXXI7d/r2+tzqQIf
vWJ3UrJzGP/zoXgXXJ2+daRyJPIGqG9bYflellGuDho9HnCfpcDmZ3c=
-----END PRIVATE KEY-----
";

    fn secret(files: &[(&str, &[u8])]) -> KeyMaterial {
        let data = files.iter().map(|(name, bytes)| ((*name).to_owned(), ByteString(bytes.to_vec())));
        KeyMaterial::of_secret(Some(Secret { data: Some(data.collect()), ..Secret::default() }))
    }

    #[tokio::test]
    async fn x509_goes_first_and_signs_over_sha256() {
        let key = PrivateKey::from_pem(P384.as_bytes()).unwrap();
        let cosign = PrivateKey::generate().unwrap().to_encrypted_pem(b"pw").unwrap();
        let opened = secret(&[(X509, P384.as_bytes()), (COSIGN, cosign.as_bytes()), (PASSWORD, b"pw")])
            .open()
            .unwrap();
        assert_eq!(opened.public_key().to_pem(), key.public_key().to_pem());
        let signature = opened.sign(b"m").await.unwrap();
        let exactly = HashChoice::Exactly(Hash::Sha256);
        assert_eq!(opened.public_key().verify(b"m", &signature, exactly), Ok(()));
    }

    #[test]
    fn cosigns_key_is_opened_with_its_password_and_what_is_wrong_is_named() {
        let key = PrivateKey::generate().unwrap();
        let pem = key.to_encrypted_pem(b"pw").unwrap();
        let opened = secret(&[(COSIGN, pem.as_bytes()), (PASSWORD, b"pw")]).open().unwrap();
        assert_eq!(opened.public_key().to_pem(), key.public_key().to_pem());
        let refused = |files: &[(&str, &[u8])]| secret(files).open().unwrap_err();
        assert!(refused(&[(COSIGN, pem.as_bytes()), (PASSWORD, b"other")]).starts_with("cosign.key with"));
        assert!(refused(&[(X509, b"x")]).starts_with("x509.pem: "));
        assert!(refused(&[]).starts_with("it holds neither"));
        assert!(KeyMaterial::of_secret(None).open().is_err());
    }

    #[test]
    fn a_folder_holds_what_the_secret_holds() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(KeyMaterial::of_folder(folder.path()), Ok(KeyMaterial::default()));
        std::fs::write(folder.path().join(COSIGN), "k").unwrap();
        std::fs::write(folder.path().join(PASSWORD), "p").unwrap();
        assert_eq!(KeyMaterial::of_folder(folder.path()), Ok(secret(&[(COSIGN, b"k"), (PASSWORD, b"p")])));
        std::fs::write(folder.path().join(X509), vec![b'x'; KEY_FILE_LIMIT + 1]).unwrap();
        assert!(KeyMaterial::of_folder(folder.path()).unwrap_err().contains("a key has at most"));
    }
}
