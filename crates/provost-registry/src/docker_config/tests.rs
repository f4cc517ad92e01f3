//! Entries of docker files.
