//! Tests of stamp.
