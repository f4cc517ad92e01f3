//! Helpers as scripts.
