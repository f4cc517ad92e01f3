//! CUE policies: prepared once, checked against each statement as cosign checks them, and more strictly.

use provost_cue::{Absent, CueErrors, Data, Limits, Policy, PolicyFile};

use super::input::PolicyInput;

/// One or more CUE files that hold together.
pub struct CuePolicy {
    policy: Policy,
    absent: Absent,
}

impl CuePolicy {
    /// Prepares the files: one instance, whatever their order.
    ///
    /// `absent` says whether a field the policy names and the statement lacks is refused (ours) or filled in
    /// by the policy itself (cosign's reading).
    ///
    /// # Errors
    /// What is wrong with the files, in CUE's words.
    pub fn prepare(files: &[(String, String)], absent: Absent) -> Result<Self, CueErrors> {
        let files: Vec<_> = files.iter().map(|(name, source)| PolicyFile { name, source }).collect();
        Ok(Self { policy: Policy::prepare(&files, &Limits::default())?, absent })
    }

    /// Judges one statement.
    ///
    /// Where re-encoding dropped or invented fields the policy must hold for what was signed, too: a field is
    /// absent when either lacks it (design.md, where we are stricter).
    ///
    /// # Errors
    /// Why the policy does not hold, or could not be evaluated.
    pub fn judge(&self, input: &PolicyInput) -> Result<(), CueErrors> {
        let limits = Limits::default();
        self.policy.check(&Data::from_json(&input.text, &limits)?, self.absent)?;
        match (&input.signed, self.absent) {
            (Some(signed), Absent::Refuse) => {
                self.policy.check(&Data::from_json(signed, &limits)?, Absent::Refuse)
            }
            _ => Ok(()),
        }
    }
}
