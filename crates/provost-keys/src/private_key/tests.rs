//! Private keys under test.
