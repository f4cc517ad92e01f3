//! PKCS#11 URIs (RFC 7512), with the attributes and checks that cosign has.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

/// Which key on which token, by which driver.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Uri {
    pub(crate) module: String,
    pub(crate) token: Option<String>,
    pub(crate) slot: Option<u64>,
    pub(crate) label: Option<Vec<u8>>,
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) pin: Option<Zeroizing<String>>,
}

/// What is wrong with a URI, in cosign's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UriError {
    #[error("parsing pkcs11 uri: invalid uri: not a PKCS11 uri")]
    Scheme,
    #[error("parsing pkcs11 uri: invalid uri: one of token and slot-id must be set")]
    NoToken,
    #[error("parsing pkcs11 uri: invalid uri: slot-id '{0}' is not a valid number")]
    Slot(String),
    #[error(
        "parsing pkcs11 uri: invalid uri: module-path or COSIGN_PKCS11_MODULE_PATH must be set to the absolute path of the PKCS11 module"
    )]
    NoModule,
    #[error("parsing pkcs11 uri: invalid uri: one of object and id must be set")]
    NoKey,
    #[error("opening pkcs11 token key: modulePath does not point to an absolute path")]
    ModulePath,
}

impl Uri {
    /// Reads `pkcs11:token=…;object=…?module-path=…&pin-value=…`; variables stand in for module and PIN.
    pub(crate) fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, UriError> {
        let rest = text.strip_prefix("pkcs11:").unwrap_or(text);
        // The plugin protocol hands over what stands behind `pkcs11://`.
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        if rest.is_empty() {
            return Err(UriError::Scheme);
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let attribute = |part: &str, name: &str| {
            let value =
                part.split([';', '&']).find_map(|one| one.split_once('=').filter(|(key, _)| *key == name));
            value
                .map(|(_, value)| percent_decode_str(value).collect::<Vec<u8>>())
                .filter(|value| !value.is_empty())
        };
        let text = |part: &str, name: &str| {
            attribute(part, name).map(|value| String::from_utf8_lossy(&value).into_owned())
        };
        let (token, slot) = (text(path, "token"), text(path, "slot-id"));
        if token.is_none() && slot.is_none() {
            return Err(UriError::NoToken);
        }
        let slot = slot.map(|slot| slot.parse().map_err(|_| UriError::Slot(slot))).transpose()?;
        let module = text(query, "module-path").or_else(|| variable("COSIGN_PKCS11_MODULE_PATH"));
        let module = module.ok_or(UriError::NoModule)?;
        let (label, id) = (attribute(path, "object"), attribute(path, "id"));
        if label.is_none() && id.is_none() {
            return Err(UriError::NoKey);
        }
        if !module.starts_with('/') {
            return Err(UriError::ModulePath);
        }
        let pin = text(query, "pin-value").or_else(|| variable("COSIGN_PKCS11_PIN")).map(Zeroizing::new);
        Ok(Self { module, token, slot, label, id, pin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn attributes_are_decoded() {
        let uri =
            "pkcs11:token=My%20Token;slot-id=7;id=%01%ff;object=key?module-path=/lib/x.so&pin-value=12%2034";
        let read = Uri::parse(uri, none).unwrap();
        assert_eq!(
            (
                read.module.as_str(),
                read.token.as_deref(),
                read.slot,
                read.pin.as_ref().map(|pin| pin.as_str())
            ),
            ("/lib/x.so", Some("My Token"), Some(7), Some("12 34"))
        );
        assert_eq!((read.id.unwrap(), read.label.unwrap()), (vec![1, 0xff], b"key".to_vec()));
        assert!(Uri::parse("token=a;object=b?module-path=/x", none).is_ok());
    }

    #[test]
    fn variables_stand_in() {
        let read = Uri::parse("pkcs11:token=a;object=b", |name| Some(format!("/{name}"))).unwrap();
        assert_eq!(read.module, "/COSIGN_PKCS11_MODULE_PATH");
        assert_eq!(read.pin.as_ref().map(|pin| pin.as_str()), Some("/COSIGN_PKCS11_PIN"));
    }

    #[test]
    fn what_is_missing_is_said_in_cosigns_words() {
        for (uri, expected) in [
            ("pkcs11:", UriError::Scheme),
            ("pkcs11:object=a?module-path=/x", UriError::NoToken),
            ("pkcs11:slot-id=x;object=a?module-path=/x", UriError::Slot("x".to_owned())),
            ("pkcs11:token=a;object=b", UriError::NoModule),
            ("pkcs11:token=a?module-path=/x", UriError::NoKey),
            ("pkcs11:token=a;object=b?module-path=x.so", UriError::ModulePath),
        ] {
            assert_eq!(Uri::parse(uri, none).err(), Some(expected), "{uri}");
        }
    }
}
