//! The PIN of a token, kept out of what other users of the machine see and out of messages.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

/// What the reference of a key on a PKCS#11 token begins with.
pub(crate) const PKCS11: &str = "pkcs11:";
/// Where cosign, and the program that serves tokens, look for a PIN that the reference does not have.
pub(crate) const VARIABLE: &str = "COSIGN_PKCS11_PIN";
/// The attribute of RFC 7512 that holds a PIN.
const ATTRIBUTE: &str = "pin-value=";

/// A reference without its PIN, and the PIN decoded; any other reference as it is.
///
/// Every user of a machine may read the arguments of every program, but not its environment.
pub(crate) fn split(reference: &str) -> (String, Option<Zeroizing<String>>) {
    let Some((path, query)) = reference.split_once('?').filter(|_| reference.starts_with(PKCS11)) else {
        return (reference.to_owned(), None);
    };
    let (pins, rest): (Vec<&str>, Vec<&str>) =
        query.split(['&', ';']).partition(|one| one.starts_with(ATTRIBUTE));
    let pin = pins.first().and_then(|one| one.strip_prefix(ATTRIBUTE)).filter(|pin| !pin.is_empty());
    let pin = pin.map(|pin| Zeroizing::new(percent_decode_str(pin).decode_utf8_lossy().into_owned()));
    (if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) }, pin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_taken_out_of_a_tokens_reference_alone() {
        for (reference, rest, pin) in [
            (
                "pkcs11:token=a;id=%01?module-path=/m&pin-value=1%20%32",
                "pkcs11:token=a;id=%01?module-path=/m",
                Some("1 2"),
            ),
            (
                "pkcs11:token=a?pin-value=1;module-path=/m&pin-value=2",
                "pkcs11:token=a?module-path=/m",
                Some("1"),
            ),
            ("pkcs11:token=a?pin-value=1", "pkcs11:token=a", Some("1")),
            ("pkcs11:token=a?pin-value=", "pkcs11:token=a", None),
            ("pkcs11:token=a", "pkcs11:token=a", None),
            ("other://k?pin-value=1", "other://k?pin-value=1", None),
        ] {
            let (kept, found) = split(reference);
            assert_eq!((kept.as_str(), found.as_ref().map(|pin| pin.as_str())), (rest, pin), "{reference}");
        }
    }
}
