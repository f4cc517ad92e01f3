//! Tests of certificate.
