//! `sigstore-kms-pkcs11`: keys on PKCS#11 tokens, served by sigstore's KMS plugin protocol.

fn main() {}
