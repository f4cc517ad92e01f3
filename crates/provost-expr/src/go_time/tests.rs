//! Tests of go_time.
