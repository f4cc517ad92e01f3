//! Vouching: from payload to envelope to store.
