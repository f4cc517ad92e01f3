//! Kyverno's paths.

use crate::hook::{Hook, Share};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// An object is to be admitted.
    Review(Hook),
    /// A policy is to be stored.
    Policy,
    /// An exception is to be stored.
    Exception,
    /// A policy is to be stored and might be changed first, which it never is.
    Unchanged,
    /// Whether the process answers at all.
    Liveness,
    /// Whether it may be asked.
    Readiness,
}

impl Route {
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/policyvalidate" => return Some(Self::Policy),
            "/exceptionvalidate" => return Some(Self::Exception),
            "/policymutate" | "/verifymutate" => return Some(Self::Unchanged),
            "/health/liveness" => return Some(Self::Liveness),
            "/health/readiness" => return Some(Self::Readiness),
            _ => {}
        }
        if let Some(share) = path.strip_prefix("/mutate").and_then(Share::at) {
            return Some(Self::Review(Hook::Mutate(share)));
        }
        let share = path.strip_prefix("/validate").and_then(Share::at)?;
        Some(Self::Review(Hook::Validate(share)))
    }
}

#[cfg(test)]
mod tests {
    use provost_kyverno::policy::FailurePolicy;

    use super::*;

    #[test]
    fn kyvernos_paths_are_known_and_no_others() {
        let share = Share::Of(FailurePolicy::Ignore);
        assert_eq!(Route::at("/mutate"), Some(Route::Review(Hook::Mutate(Share::All))));
        assert_eq!(Route::at("/validate/ignore"), Some(Route::Review(Hook::Validate(share))));
        assert_eq!(Route::at("/policyvalidate"), Some(Route::Policy));
        for path in
            ["", "/", "/mutate/", "/mutatefail", "/validate/fail/x", "/policyvalidate/", "//mutate", "/ui"]
        {
            assert_eq!(Route::at(path), None, "{path}");
        }
    }
}
