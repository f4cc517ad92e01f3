//! Tests of go_text.
