//! Digests as results spell them: `algorithm:hex`, by Tekton Chains' rules.

use provost_oci::Digest;

/// A digest that Chains accepts: the algorithm in lower case, both parts without surrounding blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestText {
    /// `sha1`, `sha256`, `sha384` or `sha512`.
    pub algorithm: String,
    /// Lower-case hexadecimal of the algorithm's length.
    pub hex: String,
}

/// Why a text is no digest for Chains.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestTextError {
    /// Not exactly one colon.
    #[error("digest {0:?} is not of the form <algorithm>:<hex>")]
    Form(String),
    /// None of sha1, sha256, sha384, sha512.
    #[error("digest {0:?} has an unsupported algorithm: expected sha1, sha256, sha384 or sha512")]
    Algorithm(String),
    /// The digits are too few, too many or not lower-case hexadecimal.
    #[error("digest {0:?} does not have the lower-case hexadecimal digits its algorithm needs")]
    Digits(String),
}

impl DigestText {
    /// Reads `algorithm:hex`.
    ///
    /// # Errors
    /// See [`DigestTextError`].
    pub fn parse(text: &str) -> Result<Self, DigestTextError> {
        let (algorithm, hex) = split(text).ok_or_else(|| DigestTextError::Form(text.to_owned()))?;
        let (algorithm, hex) = (algorithm.trim().to_lowercase(), hex.trim().to_owned());
        let good = match algorithm.as_str() {
            "sha1" => hex.len() == 40 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            "sha256" | "sha384" | "sha512" => format!("{algorithm}:{hex}").parse::<Digest>().is_ok(),
            _ => return Err(DigestTextError::Algorithm(text.to_owned())),
        };
        if good { Ok(Self { algorithm, hex }) } else { Err(DigestTextError::Digits(text.to_owned())) }
    }
}

/// The two sides of the only colon, untouched: what Chains writes into subjects.
///
/// Chains validates the trimmed parts and then writes the untrimmed ones, so a digest that ends in a line
/// break keeps it in the subject.
#[must_use]
pub fn split(text: &str) -> Option<(&str, &str)> {
    let (algorithm, hex) = text.split_once(':')?;
    (!hex.contains(':')).then_some((algorithm, hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_algorithm_is_lowered_and_blanks_are_trimmed() {
        let text = format!(" SHA256 : {}\n", "a".repeat(64));
        let read = DigestText::parse(&text).unwrap();
        assert_eq!((read.algorithm.as_str(), read.hex), ("sha256", "a".repeat(64)));
        assert_eq!(split(&text), Some((" SHA256 ", format!(" {}\n", "a".repeat(64)).as_str())));
    }

    #[test]
    fn each_algorithm_has_its_length() {
        for (algorithm, digits) in [("sha1", 40), ("sha256", 64), ("sha384", 96), ("sha512", 128)] {
            assert!(DigestText::parse(&format!("{algorithm}:{}", "0".repeat(digits))).is_ok());
            let short = format!("{algorithm}:{}", "0".repeat(digits - 1));
            assert_eq!(DigestText::parse(&short), Err(DigestTextError::Digits(short.clone())));
            let upper = format!("{algorithm}:{}", "A".repeat(digits));
            assert_eq!(DigestText::parse(&upper), Err(DigestTextError::Digits(upper.clone())));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        assert_eq!(DigestText::parse("abc"), Err(DigestTextError::Form("abc".into())));
        assert_eq!(DigestText::parse("a:b:c"), Err(DigestTextError::Form("a:b:c".into())));
        assert_eq!(DigestText::parse("md5:ab"), Err(DigestTextError::Algorithm("md5:ab".into())));
    }
}
