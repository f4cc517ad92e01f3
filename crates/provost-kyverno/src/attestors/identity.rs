//! Whom a certificate must name, in Kyverno's way: wildcards or regular expressions, and Fulcio's extensions.

use std::collections::BTreeMap;
use std::fmt;

use provost_expr::{re2, wildcard};
use provost_sigstore::certificate::Certificate;

use crate::policy::entry::Keyless;

/// The extensions a policy may ask for, by number and name.
const EXTENSIONS: [(&str, &str); 6] = [
    ("1.3.6.1.4.1.57264.1.1", "oidcIssuer"),
    ("1.3.6.1.4.1.57264.1.2", "githubWorkflowTrigger"),
    ("1.3.6.1.4.1.57264.1.3", "githubWorkflowSha"),
    ("1.3.6.1.4.1.57264.1.4", "githubWorkflowName"),
    ("1.3.6.1.4.1.57264.1.5", "githubWorkflowRepository"),
    ("1.3.6.1.4.1.57264.1.6", "githubWorkflowRef"),
];

/// Whom a certificate must name; what is empty is not asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who {
    issuer: String,
    issuer_pattern: String,
    subject: String,
    subject_pattern: String,
    extensions: BTreeMap<String, String>,
}

/// Why a certificate is not whom the policy names; the words are Kyverno's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentence of each stands below")]
pub enum Mismatch {
    NoCertificate,
    Subject { expected: String, found: Vec<String> },
    Issuer { expected: String, found: String },
    Extension { name: String, expected: String, found: String },
    UnknownExtension(String),
    Pattern { what: &'static str, text: String, reason: String },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("certificate not found"),
            Self::Subject { expected, found } => {
                write!(f, "subject mismatch: expected {expected}, received {}", found.join(", "))
            }
            Self::Issuer { expected, found } => {
                write!(f, "issuer mismatch: expected {expected}, received {found}")
            }
            Self::Extension { name, expected, found } => {
                write!(f, "extension mismatch: expected {expected} for key {name}, received {found}")
            }
            Self::UnknownExtension(name) => write!(f, "invalid certificate extension {name}"),
            Self::Pattern { what, text, reason } => {
                write!(f, "invalid regexp for {what}: {text} : error parsing regexp: {reason}")
            }
        }
    }
}

impl Who {
    /// Everything a keyless attestor asks for.
    pub(crate) fn of(keyless: &Keyless) -> Self {
        Self {
            issuer: keyless.issuer.clone(),
            issuer_pattern: keyless.issuer_reg_exp.clone(),
            subject: keyless.subject.clone(),
            subject_pattern: keyless.subject_reg_exp.clone(),
            extensions: keyless.additional_extensions.clone(),
        }
    }

    /// Its extensions alone, where issuer and subject are compared elsewhere.
    pub(crate) fn extensions_of(keyless: &Keyless) -> Self {
        Self { extensions: keyless.additional_extensions.clone(), ..Self::default() }
    }

    /// Whether a certificate names all that is asked for. One without any name is nobody; Kyverno then asks for no
    /// subject.
    pub(crate) fn is(&self, certificate: Option<&Certificate>) -> Result<(), Mismatch> {
        let texts = [&self.issuer, &self.issuer_pattern, &self.subject, &self.subject_pattern];
        if texts.iter().all(|text| text.is_empty()) && self.extensions.is_empty() {
            return Ok(());
        }
        let certificate = certificate.ok_or(Mismatch::NoCertificate)?;
        self.names_subject(certificate)?;
        let claims = certificate.claims();
        let issuer =
            |expected: &str| Mismatch::Issuer { expected: expected.to_owned(), found: claims.issuer.clone() };
        if !self.issuer.is_empty() && !wildcard::matches(&self.issuer, &claims.issuer) {
            return Err(issuer(&self.issuer));
        }
        if !self.issuer_pattern.is_empty() && !found("issuer", &self.issuer_pattern, &[&claims.issuer])? {
            return Err(issuer(&self.issuer_pattern));
        }
        let values =
            [&claims.issuer, &claims.trigger, &claims.sha, &claims.name, &claims.repository, &claims.git_ref];
        for (name, expected) in &self.extensions {
            let known = EXTENSIONS.iter().position(|(number, word)| number == name || word == name);
            let value = known.and_then(|at| values.get(at).copied());
            let value = value.ok_or_else(|| Mismatch::UnknownExtension(name.clone()))?;
            if !wildcard::matches(expected, value) {
                let (name, expected) = (name.clone(), expected.clone());
                return Err(Mismatch::Extension { name, expected, found: value.clone() });
            }
        }
        Ok(())
    }

    fn names_subject(&self, certificate: &Certificate) -> Result<(), Mismatch> {
        if self.subject.is_empty() && self.subject_pattern.is_empty() {
            return Ok(());
        }
        let names = certificate.names();
        let exact =
            !self.subject.is_empty() && names.iter().any(|name| wildcard::matches(&self.subject, name));
        let texts: Vec<&String> = names.iter().collect();
        let pattern = !self.subject_pattern.is_empty() && found("subject", &self.subject_pattern, &texts)?;
        if exact || pattern {
            return Ok(());
        }
        let expected = if self.subject.is_empty() { &self.subject_pattern } else { &self.subject };
        Err(Mismatch::Subject { expected: expected.clone(), found: names })
    }
}

/// Whether a regular expression is found in one of the texts.
fn found(what: &'static str, pattern: &str, texts: &[&String]) -> Result<bool, Mismatch> {
    let regex = re2::compile(pattern).map_err(|reason| Mismatch::Pattern {
        what,
        text: pattern.to_owned(),
        reason,
    })?;
    Ok(texts.iter().any(|text| regex.is_match(text)))
}
