//! `--test-case-selector`: which expected results of the tests are looked at.

use provost_expr::wildcard;

use super::Expected;

/// Which expected results are looked at: all conditions of `policy=…,rule=…,resource=…` hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    policies: Vec<String>,
    rules: Vec<String>,
    resources: Vec<String>,
}

/// A part of a selector is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// It has another form.
    #[error("Invalid test-case-selector argument ({0}). Parameter must be in the form `<key>=<value>`.")]
    Form(String),
    /// It is about something else.
    #[error("Invalid test-case-selector ({0}). Parameter can only be policy, rule or resource.")]
    Key(String),
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// At its first part that is none. Kyverno prints such errors and goes on with the other parts.
    pub fn read(text: &str) -> Result<Self, SelectorError> {
        let mut selector = Self::default();
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let (key, value) = match part.split('=').collect::<Vec<_>>().as_slice() {
                [key, value] => (key.trim(), value.trim()),
                _ => return Err(SelectorError::Form(part.to_owned())),
            };
            let list = match key {
                "policy" => &mut selector.policies,
                "rule" => &mut selector.rules,
                "resource" => &mut selector.resources,
                _ => return Err(SelectorError::Key(part.to_owned())),
            };
            list.push(value.to_owned());
        }
        Ok(selector)
    }

    /// An expected result as far as it is looked at: of the objects it names, those that are selected. A result that
    /// names none is about those that the selector names.
    #[must_use]
    pub fn selected(&self, expected: &Expected) -> Option<Expected> {
        let holds = |patterns: &[String], text: &str| {
            text.is_empty() || patterns.iter().all(|pattern| wildcard::matches(pattern, text))
        };
        if !holds(&self.policies, &expected.policy) || !holds(&self.rules, &expected.rule) {
            return None;
        }
        let mut expected = expected.clone();
        if !expected.resources.is_empty() {
            expected.resources.retain(|name| holds(&self.resources, name));
            if expected.resources.is_empty() {
                return None;
            }
        } else if expected.resource_specs.is_empty() {
            let plain = |pattern: &&String| !pattern.contains(['*', '?']);
            expected.resources = self.resources.iter().filter(plain).cloned().collect();
        }
        Some(expected)
    }
}
