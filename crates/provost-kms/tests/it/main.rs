//! Keys in services, asked over loopback.
