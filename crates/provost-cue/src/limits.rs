//! The limits of one evaluation: values that end in typed errors, never in an overflow or a hang.

/// How much one policy check may take. Every field has a default below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of JSON in one document.
    pub data_bytes: usize,
    /// Levels of nesting in one JSON document.
    pub data_depth: usize,
    /// Bytes of all policy files together.
    pub policy_bytes: usize,
    /// Levels of nesting in one policy file, brackets and operators alike.
    pub policy_depth: usize,
    /// Units of work: an inserted conjunct, an evaluated expression, a copied vertex.
    pub steps: u64,
    /// Levels of evaluation that wait for each other.
    pub eval_depth: usize,
    /// Vertices that may exist at once; with their conjuncts about 600 bytes each.
    pub vertices: usize,
    /// Bytes of one string that a policy computes.
    pub text_bytes: usize,
}

/// cosign's own bound on an attestation, 128 MiB: what it can store, a policy can judge.
pub(crate) const DATA_BYTES: usize = 128 << 20;
/// Real statements stay under 40 levels; 512 leaves an order of magnitude.
pub(crate) const DATA_DEPTH: usize = 512;
/// Policies are written by hand: 4 MiB is some 100,000 lines of 40 bytes.
pub(crate) const POLICY_BYTES: usize = 4 << 20;
/// One level costs at most 12 parser frames of about 1 KiB, so 200 levels stay under 3 MiB of stack.
pub(crate) const POLICY_DEPTH: usize = 200;
/// About 1 µs a step, at most 100 bytes: 6 million steps are some 6 s and 600 MB, twelve times what a 4 MB document with
/// a closed schema takes.
pub(crate) const STEPS: u64 = 6_000_000;
/// In an unoptimised build 1,200 levels were seen to run within 8 MiB, so one level costs under 7 KiB of stack.
pub(crate) const EVAL_DEPTH: usize = 1_200;
/// One million vertices of 600 bytes are 600 MB; a document makes vertices only where a policy speaks of it.
pub(crate) const VERTICES: usize = 1_000_000;
/// A computed string of 16 MiB is longer than any message or name.
pub(crate) const TEXT_BYTES: usize = 16 << 20;
/// The evaluator's own stack: eight times what [`EVAL_DEPTH`] levels were seen to need. It is reserved, and touched
/// only as deep as needed.
pub(crate) const STACK_BYTES: usize = 64 << 20;

/// Levels that are tried on the caller's stack first, which spares most checks a thread: 96 levels of 7 KiB are 672 KiB,
/// a third of what threads commonly have.
pub(crate) const SHALLOW_DEPTH: usize = 96;
/// The same for the nesting of a policy: 32 levels of 12 KiB are 384 KiB, and hand-written policies have ten.
const SHALLOW_NESTING: usize = 32;
/// What a policy has too much of that nests deeper than [`Limits::policy_depth`].
pub(crate) const NESTING: &str = "levels of policy nesting";

impl Limits {
    /// The same limits with no more levels than any thread's stack has room for.
    pub(crate) fn shallow(&self) -> Self {
        Self {
            policy_depth: self.policy_depth.min(SHALLOW_NESTING),
            eval_depth: self.eval_depth.min(SHALLOW_DEPTH),
            ..*self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            data_bytes: DATA_BYTES,
            data_depth: DATA_DEPTH,
            policy_bytes: POLICY_BYTES,
            policy_depth: POLICY_DEPTH,
            steps: STEPS,
            eval_depth: EVAL_DEPTH,
            vertices: VERTICES,
            text_bytes: TEXT_BYTES,
        }
    }
}
