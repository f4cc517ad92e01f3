//! Verdicts as attestations: SLSA's verification summaries, which another cluster can accept (security.md 19).
//!
//! [`hears`] picks the decisions that may be vouched for, [`Summarizer`] signs them with a key of its own and stores them
//! beside the image, [`accept`] is the other side: SLSA's seven steps, the policy's digest and an age.

mod accepting;
mod making;

pub use accepting::{Accepted, Expected, Refused, accept, judge};
pub use making::{Summarizer, Summary, hears, plain_passes};

/// The predicate type of a summary.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/verification_summary/v1";
/// What a summary says of levels: nothing. Which level a builder has, the policy knows and the gate does not.
pub const LEVEL: &str = "SLSA_BUILD_LEVEL_UNEVALUATED";
/// What a summary says of what holds.
pub const PASSED: &str = "PASSED";

/// How a summary names a place of images: where its consumer fetches them from.
#[must_use]
pub fn resource_uri(repository: &provost_oci::Repository) -> String {
    format!("oci://{repository}")
}

/// How a summary names a policy.
#[must_use]
pub fn policy_uri(policy: &provost_kyverno::Policy) -> String {
    let kind = policy.kind.name().to_lowercase();
    match policy.namespace.as_str() {
        "" => format!("urn:provost:kyverno.io:{kind}:{}", policy.name),
        namespace => format!("urn:provost:kyverno.io:{kind}:{namespace}:{}", policy.name),
    }
}

#[cfg(test)]
mod tests;
