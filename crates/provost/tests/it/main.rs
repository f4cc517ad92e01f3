//! The real binary, run as users run it.
mod key_pairs;
