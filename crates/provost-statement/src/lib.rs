//! What was signed: in-toto statements, SLSA provenance, DSSE envelopes, simple signing, strict JSON.
