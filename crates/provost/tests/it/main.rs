//! The real binary, run as users run it.
