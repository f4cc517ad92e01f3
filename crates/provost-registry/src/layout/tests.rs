//! The layout on disk: whole files, durable answers, foreign folders.
