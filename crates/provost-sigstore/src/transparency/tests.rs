//! Tests of transparency.
