//! Who a certificate must name: subject, issuer, and the workflow that ran.

use provost_expr::re2;
use regex::Regex;

use crate::certificate::{Certificate, Claims};

/// A name that is asked for.
///
/// Regular expressions are RE2 and unanchored, as Go's `MatchString`: `example` finds `dev@example.test`.
#[derive(Clone, Debug, Default)]
pub struct NameRule {
    exact: Option<String>,
    pattern: Option<(String, Result<Regex, String>)>,
}

impl NameRule {
    /// A rule of an exact name, a pattern, both or neither; empty ones count as none.
    #[must_use]
    pub fn new(exact: Option<&str>, pattern: Option<&str>) -> Self {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let pattern = given(pattern).map(|text| {
            let compiled = re2::compile(&text);
            (text, compiled)
        });
        Self { exact: given(exact), pattern }
    }

    /// Whether it asks for anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_none() && self.pattern.is_none()
    }

    fn compiled(&self) -> Result<Option<&Regex>, IdentityFault> {
        match &self.pattern {
            None => Ok(None),
            Some((_, Ok(regex))) => Ok(Some(regex)),
            Some((text, Err(reason))) => {
                Err(IdentityFault::Pattern { issuer: false, text: text.clone(), reason: reason.clone() })
            }
        }
    }
}

/// Whom a certificate must name.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The subject: one of the names the certificate is for.
    pub subject: NameRule,
    /// Who vouched for it.
    pub issuer: NameRule,
    /// What GitHub said of the workflow; empty fields are not asked for, and its issuer is not read.
    pub workflow: Claims,
}

/// Which claim about a workflow differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkflowClaim {
    /// What started it.
    Trigger,
    /// The commit.
    Sha,
    /// Its name.
    Name,
    /// The repository.
    Repository,
    /// The ref.
    Ref,
}

/// Why a certificate is not of the identity asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityFault {
    /// A pattern is no regular expression.
    #[error("the pattern {text} is no regular expression: {reason}")]
    Pattern {
        /// Whether it is that of the issuer.
        issuer: bool,
        /// The pattern.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A claim about the workflow differs.
    #[error("the certificate's workflow {claim:?} is {found:?}, expected {expected:?}")]
    Workflow {
        /// Which.
        claim: WorkflowClaim,
        /// What was asked for.
        expected: String,
        /// What the certificate says.
        found: String,
    },
    /// Neither of its names is asked for, or the issuer is another.
    #[error("the certificate is of {} by {issuer:?}", .names.join(", "))]
    Other {
        /// The names it is for.
        names: Vec<String>,
        /// Who vouched for them.
        issuer: String,
    },
    /// In a bundle, a name or an issuer is not the one asked for.
    #[error("expected the {what} {expected:?}, found {found:?}")]
    Value {
        /// `SAN` or `issuer`.
        what: &'static str,
        /// What was asked for.
        expected: String,
        /// Whether that is a pattern.
        pattern: bool,
        /// What the certificate says.
        found: String,
    },
    /// The certificate names nobody.
    #[error("the certificate names nobody")]
    Nobody,
}

impl Identity {
    /// Compares as cosign compares for signatures of the tag scheme: the workflow first, then issuer and names together.
    /// Where a name is given both exactly and as a pattern, the pattern decides.
    ///
    /// # Errors
    /// See [`IdentityFault`].
    pub fn matches(&self, certificate: &Certificate) -> Result<(), IdentityFault> {
        let claims = certificate.claims();
        self.workflow_of(&claims)?;
        if self.subject.is_empty() && self.issuer.is_empty() {
            return Ok(());
        }
        let names = certificate.names();
        let issuer = match (self.issuer.compiled().map_err(of_issuer)?, &self.issuer.exact) {
            (Some(regex), _) => regex.is_match(&claims.issuer),
            (None, Some(exact)) => *exact == claims.issuer,
            (None, None) => true,
        };
        let subject = match (self.subject.compiled()?, &self.subject.exact) {
            (Some(regex), _) => names.iter().any(|name| regex.is_match(name)),
            (None, Some(exact)) => names.contains(exact),
            (None, None) => true,
        };
        if issuer && subject {
            return Ok(());
        }
        Err(IdentityFault::Other { names, issuer: claims.issuer })
    }

    /// Compares as sigstore-go compares for bundles: one name, exact and pattern both, then the issuer, then the workflow.
    ///
    /// # Errors
    /// See [`IdentityFault`].
    pub fn matches_bundle(&self, certificate: &Certificate) -> Result<(), IdentityFault> {
        self.patterns()?;
        let name = certificate.identity().ok_or(IdentityFault::Nobody)?;
        value("SAN", &self.subject, &name)?;
        value("issuer", &self.issuer, &certificate.bundle_issuer())?;
        self.workflow_of(&certificate.claims())
    }

    /// Whether both patterns are regular expressions.
    ///
    /// # Errors
    /// The first that is none.
    pub fn patterns(&self) -> Result<(), IdentityFault> {
        self.subject.compiled()?;
        self.issuer.compiled().map_err(of_issuer)?;
        Ok(())
    }

    fn workflow_of(&self, found: &Claims) -> Result<(), IdentityFault> {
        let wanted = &self.workflow;
        let pairs = [
            (WorkflowClaim::Trigger, &wanted.trigger, &found.trigger),
            (WorkflowClaim::Sha, &wanted.sha, &found.sha),
            (WorkflowClaim::Name, &wanted.name, &found.name),
            (WorkflowClaim::Repository, &wanted.repository, &found.repository),
            (WorkflowClaim::Ref, &wanted.git_ref, &found.git_ref),
        ];
        match pairs.into_iter().find(|(_, wanted, found)| !wanted.is_empty() && wanted != found) {
            None => Ok(()),
            Some((claim, wanted, found)) => {
                Err(IdentityFault::Workflow { claim, expected: wanted.clone(), found: found.clone() })
            }
        }
    }
}

fn of_issuer(fault: IdentityFault) -> IdentityFault {
    match fault {
        IdentityFault::Pattern { text, reason, .. } => IdentityFault::Pattern { issuer: true, text, reason },
        other => other,
    }
}

fn value(what: &'static str, rule: &NameRule, found: &str) -> Result<(), IdentityFault> {
    let differs = |expected: &str, pattern| IdentityFault::Value {
        what,
        expected: expected.to_owned(),
        pattern,
        found: found.to_owned(),
    };
    if let Some(exact) = rule.exact.as_deref().filter(|exact| *exact != found) {
        return Err(differs(exact, false));
    }
    match (&rule.pattern, rule.compiled()?) {
        (Some((text, _)), Some(regex)) if !regex.is_match(found) => Err(differs(text, true)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
