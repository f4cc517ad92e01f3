//! As of when, and seen by whom: certificates, logs, timestamps and trusted roots.
