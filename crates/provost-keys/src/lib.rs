//! Whose signature: key files, PEM public keys, signing and verifying.
