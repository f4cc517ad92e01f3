//! Public keys under test.
