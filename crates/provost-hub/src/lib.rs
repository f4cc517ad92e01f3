//! The embedded registry: the OCI distribution specification over a layout on disk.
