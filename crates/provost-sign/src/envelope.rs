//! Signing a payload into a DSSE envelope.

use provost_keys::{KeyError, Signer};
use provost_statement::envelope::pre_authentication_encoding;
use provost_statement::{Envelope, EnvelopeSignature, IN_TOTO_PAYLOAD};

/// Whether the envelope names its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHint {
    /// No `keyid`, as cosign signs.
    None,
    /// `SHA256:…`, the OpenSSH fingerprint, as Tekton Chains signs.
    SshFingerprint,
}

/// Signs an in-toto statement's bytes.
///
/// # Errors
/// When the key cannot sign.
pub async fn sign_envelope(payload: &[u8], key: &dyn Signer, hint: KeyHint) -> Result<Envelope, KeyError> {
    let signature = key.sign(&pre_authentication_encoding(IN_TOTO_PAYLOAD, payload)).await?;
    let keyid = match hint {
        KeyHint::None => String::new(),
        KeyHint::SshFingerprint => key.public_key().ssh_fingerprint(),
    };
    Ok(Envelope {
        payload_type: IN_TOTO_PAYLOAD.to_owned(),
        payload: payload.to_vec(),
        signatures: vec![EnvelopeSignature { keyid, signature: Some(signature) }],
    })
}
