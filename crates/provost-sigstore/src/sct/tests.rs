//! Tests of sct.
