//! Kyverno's image policies: match, autogen, verifyImages, results.
