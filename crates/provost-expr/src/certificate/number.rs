//! Whole numbers of any length, as DER writes them.

use super::{CertificateFault, Result};

/// The longest number written in decimal: an RSA modulus of 16,384 bits. Writing takes time quadratic in its length.
const MAX_NUMBER: usize = 2048 + 1;

/// The bytes of a number, unless there are more than are written in decimal.
pub(super) fn limited<'a>(der: &'a [u8], what: &'static str) -> Result<&'a [u8]> {
    if der.len() > MAX_NUMBER { Err(CertificateFault::Malformed(what)) } else { Ok(der) }
}

/// A small number that is not negative.
pub(super) fn small(der: &[u8]) -> Option<i64> {
    if der.is_empty() || der.len() > 8 || der.first().is_some_and(|byte| byte & 0x80 != 0) {
        return None;
    }
    Some(der.iter().fold(0, |number, byte| (number << 8) | i64::from(*byte)))
}

/// A number that is not negative in decimal.
pub(super) fn decimal(der: &[u8]) -> String {
    /// What one limb holds: nine decimal digits.
    const LIMB: u64 = 1_000_000_000;
    let mut limbs: Vec<u64> = Vec::new();
    for byte in der.iter().take(MAX_NUMBER) {
        let mut carry = u64::from(*byte);
        for limb in &mut limbs {
            let value = *limb * 256 + carry;
            *limb = value % LIMB;
            carry = value / LIMB;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let mut text = String::new();
    for (at, limb) in limbs.iter().rev().enumerate() {
        text.push_str(&if at == 0 { limb.to_string() } else { format!("{limb:09}") });
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::{MAX_NUMBER, decimal, limited, small};

    #[test]
    fn numbers_are_written_in_decimal() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), "18446744073709551616");
        assert_eq!((small(&[1, 0, 1]), small(&[0x80]), small(&[1; 9])), (Some(65537), None, None));
    }

    #[test]
    fn long_numbers_have_a_limit() {
        let long = vec![1; MAX_NUMBER + 1];
        assert!(limited(&long, "x").is_err() && limited(&long[1..], "x").is_ok());
    }
}
