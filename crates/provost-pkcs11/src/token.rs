//! One key on one token: its public half, and signatures by its private half.

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::Error as TokenFault;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use provost_keys::{Hash, KeyError, KeyKind, PublicKey, ecdsa_der};

use crate::uri::Uri;

/// The DER of the object identifiers of the curves, as tokens hold them.
const CURVES: [(&[u8], KeyKind, usize); 3] = [
    (&[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], KeyKind::EcdsaP256, 32),
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22], KeyKind::EcdsaP384, 48),
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23], KeyKind::EcdsaP521, 66),
];
/// What stands before the hash in a PKCS#1 v1.5 signature (RFC 8017 §9.2, note 1).
const SHA224_INFO: &[u8] = &[
    0x30, 0x2d, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04, 0x05, 0x00,
    0x04, 0x1c,
];
const SHA256_INFO: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];
const SHA384_INFO: &[u8] = &[
    0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00,
    0x04, 0x30,
];
const SHA512_INFO: &[u8] = &[
    0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00,
    0x04, 0x40,
];

/// Why a token does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("opening pkcs11 token key: access modulePath: {path}: {cause}")]
    Module { path: String, cause: String },
    #[error("opening pkcs11 token key: {doing}: {cause}")]
    Driver { doing: &'static str, cause: TokenFault },
    #[error("opening pkcs11 token key: could not find a slot for the token '{0}'")]
    NoToken(String),
    #[error("opening pkcs11 token key: there is no slot {0} with a token in it")]
    NoSlot(u64),
    #[error(
        "opening pkcs11 token key: the token wants a PIN: set COSIGN_PKCS11_PIN, or add &pin-value=… to the reference"
    )]
    NoPin,
    #[error("opening pkcs11 token key: signer not set: no {what} key found for {named} in slot/token")]
    NoKey { what: &'static str, named: String },
    #[error(
        "opening pkcs11 token key: the key is of a kind that is not supported: expected ECDSA on P-256, P-384 or P-521, or RSA"
    )]
    Kind,
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A session with the token that holds the key.
pub(crate) struct Token {
    session: Session,
    uri: Uri,
    public: PublicKey,
}

impl Token {
    /// Finds token and key; `sign` logs in first, where the token wants that.
    pub(crate) fn open(uri: Uri, sign: bool) -> Result<Self, TokenError> {
        let module = |cause: String| TokenError::Module { path: uri.module.clone(), cause };
        match std::fs::metadata(&uri.module) {
            Ok(data) if data.is_file() => {}
            Ok(_) => return Err(module("not a regular file".to_owned())),
            Err(error) => return Err(module(error.to_string())),
        }
        let driver = Pkcs11::new(&uri.module).map_err(|error| module(error.to_string()))?;
        let told = |doing| move |cause| TokenError::Driver { doing, cause };
        driver
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .map_err(told("initialize PKCS11 module"))?;
        let slots = driver.get_slots_with_token().map_err(told("get slot list of PKCS11 module"))?;
        let mut found = None;
        for slot in slots {
            // A slot wins over a token's name, as in cosign.
            let ours = match (uri.slot, &uri.token) {
                (Some(wanted), _) => slot.id() == wanted,
                (None, Some(name)) => {
                    let info = driver.get_token_info(slot).map_err(told("get token info"))?;
                    info.label().trim_end() == name
                }
                (None, None) => false,
            };
            if ours {
                found = Some(slot);
                break;
            }
        }
        let slot = found.ok_or_else(|| match uri.slot {
            Some(slot) => TokenError::NoSlot(slot),
            None => TokenError::NoToken(uri.token.clone().unwrap_or_default()),
        })?;
        let info = driver.get_token_info(slot).map_err(told("get token info"))?;
        let session = driver.open_ro_session(slot).map_err(told("open session"))?;
        match &uri.pin {
            Some(pin) => {
                let pin = AuthPin::from(pin.to_string());
                session.login(UserType::User, Some(&pin)).map_err(told("log in"))?;
            }
            None if sign && info.login_required() => return Err(TokenError::NoPin),
            None => {}
        }
        let public = public_key(&session, find(&session, &uri, ObjectClass::PUBLIC_KEY)?)?;
        Ok(Self { session, uri, public })
    }

    /// The public half.
    pub(crate) fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a hash that was made with this function.
    pub(crate) fn sign(&self, digest: &[u8], hash: Hash) -> Result<Vec<u8>, TokenError> {
        let key = find(&self.session, &self.uri, ObjectClass::PRIVATE_KEY)?;
        let told = |cause| TokenError::Driver { doing: "sign", cause };
        let width =
            CURVES.iter().find(|(_, kind, _)| *kind == self.public.kind()).map(|(_, _, width)| *width);
        if let Some(width) = width {
            // ECDSA takes the leftmost bits of a hash longer than the curve's order (FIPS 186-5 §6.4.1).
            let bits = digest.get(..width).unwrap_or(digest);
            let halves = self.session.sign(&Mechanism::Ecdsa, key, bits).map_err(told)?;
            return ecdsa_der(&halves).ok_or(TokenError::Kind);
        }
        let info = match hash {
            Hash::Sha224 => SHA224_INFO,
            Hash::Sha256 => SHA256_INFO,
            Hash::Sha384 => SHA384_INFO,
            Hash::Sha512 => SHA512_INFO,
        };
        self.session.sign(&Mechanism::RsaPkcs, key, &[info, digest].concat()).map_err(told)
    }
}

/// The key of this class; an id wins over a label, as in cosign.
fn find(session: &Session, uri: &Uri, class: ObjectClass) -> Result<ObjectHandle, TokenError> {
    let what = if class == ObjectClass::PUBLIC_KEY { "public" } else { "private" };
    let (attribute, named) = match (&uri.id, &uri.label) {
        (Some(id), _) => (Attribute::Id(id.clone()), format!("id={id:02x?}")),
        (None, label) => {
            let label = label.clone().unwrap_or_default();
            let named = format!("label={:?}", String::from_utf8_lossy(&label));
            (Attribute::Label(label), named)
        }
    };
    let found = session.find_objects(&[Attribute::Class(class), attribute]);
    let found = found.map_err(|cause| TokenError::Driver { doing: "find key", cause })?;
    found.first().copied().ok_or(TokenError::NoKey { what, named })
}

fn public_key(session: &Session, key: ObjectHandle) -> Result<PublicKey, TokenError> {
    let read = |wanted: &[AttributeType]| {
        session
            .get_attributes(key, wanted)
            .map_err(|cause| TokenError::Driver { doing: "read public key", cause })
    };
    let kind = read(&[AttributeType::KeyType])?;
    match kind.first() {
        Some(Attribute::KeyType(kind)) if *kind == KeyType::EC => {
            let (mut curve, mut point) = (Vec::new(), Vec::new());
            for one in read(&[AttributeType::EcParams, AttributeType::EcPoint])? {
                match one {
                    Attribute::EcParams(bytes) => curve = bytes,
                    Attribute::EcPoint(bytes) => point = bytes,
                    _ => {}
                }
            }
            let known = CURVES.iter().find(|(oid, _, _)| *oid == curve);
            let (_, kind, width) = known.ok_or(TokenError::Kind)?;
            let (x, y) = coordinates(&point, *width).ok_or(TokenError::Kind)?;
            Ok(PublicKey::from_point(*kind, x, y)?)
        }
        Some(Attribute::KeyType(kind)) if *kind == KeyType::RSA => {
            let (mut modulus, mut exponent) = (Vec::new(), Vec::new());
            for one in read(&[AttributeType::Modulus, AttributeType::PublicExponent])? {
                match one {
                    Attribute::Modulus(bytes) => modulus = bytes,
                    Attribute::PublicExponent(bytes) => exponent = bytes,
                    _ => {}
                }
            }
            Ok(PublicKey::from_rsa_numbers(&modulus, &exponent)?)
        }
        _ => Err(TokenError::Kind),
    }
}

/// The coordinates of an uncompressed point, bare or inside the OCTET STRING that the standard wants.
fn coordinates(point: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let length = 2 * width + 1;
    let (header, bare) = point.split_at_checked(point.len().checked_sub(length)?)?;
    let short = u8::try_from(length).ok()?;
    let proper = match header {
        [] => true,
        [0x04, one] => *one == short && short < 0x80,
        [0x04, 0x81, one] => *one == short,
        _ => false,
    };
    let (mark, rest) = bare.split_first()?;
    (proper && *mark == 4).then(|| rest.split_at_checked(width)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_bare_and_wrapped() {
        for width in [32, 48, 66] {
            let mut bare = vec![4];
            bare.extend(std::iter::repeat_n(1, width));
            bare.extend(std::iter::repeat_n(2, width));
            let length = u8::try_from(bare.len()).unwrap();
            let header = if length < 0x80 { vec![4, length] } else { vec![4, 0x81, length] };
            let wrapped = [header, bare.clone()].concat();
            for point in [&bare, &wrapped] {
                let (x, y) = coordinates(point, width).unwrap();
                assert_eq!((x, y), (&*vec![1; width], &*vec![2; width]));
            }
            assert!(coordinates(&[vec![5, 5], bare.clone()].concat(), width).is_none());
            assert!(coordinates(bare.split_first().unwrap().1, width).is_none());
        }
    }
}
