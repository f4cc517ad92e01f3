//! Rego policies in v0 syntax, judged by `data.signature.allow`, without network.

mod builtins;
mod keywords;
mod undefined;

use std::num::NonZeroU32;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

pub use self::undefined::{MAX_REFERENCES, Undefined};

/// How long one evaluation may take: OPA answers the largest policies of the field in milliseconds, so this is
/// three orders above need and one below cosign's own timeout of three minutes.
pub const EVALUATION_LIMIT: Duration = Duration::from_secs(10);
/// Work units between looks at the clock: one look costs some 30 ns, a thousand units some 50 µs.
const CHECK_EVERY: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);
/// The query cosign asks.
pub const QUERY: &str = "data.signature.allow";

/// One or more Rego files, parsed once and evaluated for each statement.
#[derive(Clone)]
pub struct RegoPolicy {
    engine: Engine,
    files: Vec<(String, String)>,
}

/// What a policy says of one statement.
#[derive(Clone, Debug, PartialEq)]
pub enum RegoOutcome {
    /// `data.signature.allow` is exactly `true`.
    Allowed,
    /// It is something else, in Go's `%v`.
    Value(String),
    /// It is undefined: another package, or no rule fired and there is no default.
    Undefined,
    /// Complete rules, or the clauses of a function, give several values.
    Conflict {
        /// The file.
        file: String,
        /// The line of the rule that gives another value, from 1.
        line: usize,
        /// Whether it is a function.
        function: bool,
    },
    /// Evaluation failed, in regorus's words.
    Failed(String),
}

/// Why files are no Rego policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegoError {
    /// A keyword of later Rego is used without its import, which OPA in v0 mode refuses.
    #[error("{file}:{line}: rego_parse_error: var cannot be used for rule name")]
    UndeclaredKeyword {
        /// The file as it was named.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The keyword.
        word: &'static str,
    },
    /// The file does not parse.
    #[error("{file}: {reason}")]
    Syntax {
        /// The file as it was named.
        file: String,
        /// regorus's words, with line and column.
        reason: String,
    },
}

impl RegoPolicy {
    /// Prepares the files, whose rules merge as OPA merges them.
    ///
    /// # Errors
    /// The first file that does not parse.
    pub fn prepare(files: &[(String, String)]) -> Result<Self, RegoError> {
        let mut engine = Engine::new();
        engine.set_rego_v0(true);
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: EVALUATION_LIMIT,
            check_interval: CHECK_EVERY,
        });
        builtins::add(&mut engine);
        // What a policy prints is not for the user who verifies; OPA drops it, too.
        engine.set_gather_prints(true);
        for (file, source) in files {
            if let Some(found) = keywords::undeclared(source) {
                return Err(RegoError::UndeclaredKeyword {
                    file: file.clone(),
                    line: found.line,
                    word: found.word,
                });
            }
            engine
                .add_policy(file.clone(), source.clone())
                .map_err(|error| RegoError::Syntax { file: file.clone(), reason: error.to_string() })?;
        }
        Ok(Self { engine, files: files.to_vec() })
    }

    /// Judges one statement, given as JSON text.
    #[must_use]
    pub fn judge(&self, input: &[u8]) -> RegoOutcome {
        let mut engine = self.engine.clone();
        let text = String::from_utf8_lossy(input);
        let input = match Value::from_json_str(&text) {
            Ok(input) => input,
            Err(error) => return RegoOutcome::Failed(error.to_string()),
        };
        engine.set_input(input);
        let results = match engine.eval_query(QUERY.to_owned(), false) {
            Ok(results) => results,
            Err(error) => return failed(&error.to_string()),
        };
        let [result] = results.result.as_slice() else { return RegoOutcome::Undefined };
        let [expression] = result.expressions.as_slice() else { return RegoOutcome::Undefined };
        match &expression.value {
            Value::Bool(true) => RegoOutcome::Allowed,
            Value::Undefined => RegoOutcome::Undefined,
            other => RegoOutcome::Value(go_shown(other)),
        }
    }
}

impl RegoPolicy {
    /// The first reference of the policy, in the order of its text, for which a statement (JSON text) has no value.
    ///
    /// It explains a verdict and decides none: a rule may do well without what it asks for.
    #[must_use]
    pub fn first_undefined(&self, input: &[u8]) -> Option<Undefined> {
        let input = Value::from_json_str(&String::from_utf8_lossy(input)).ok()?;
        undefined::first(&mut self.engine.clone(), &self.files, input)
    }
}

/// What regorus says of an evaluation that failed: `--> FILE:LINE:COLUMN`, the source, `error: …`.
fn failed(words: &str) -> RegoOutcome {
    let place = || {
        let (_, place) = words.split_once("--> ")?;
        let mut parts = place.lines().next()?.rsplitn(3, ':');
        let (_, line, file) = (parts.next()?, parts.next()?, parts.next()?);
        Some((file.to_owned(), line.parse().ok()?))
    };
    let error = words.rsplit_once("error: ").map_or(words, |(_, error)| error);
    let function = error.starts_with("functions must not produce");
    let conflict = error.starts_with("rule conflicts with rule")
        || error.starts_with("complete rules should not produce multiple outputs");
    match place() {
        Some((file, line)) if conflict || function => RegoOutcome::Conflict { file, line, function },
        _ => RegoOutcome::Failed(words.to_owned()),
    }
}

/// A value as Go's `%v` prints what OPA returns: `[a b]`, `map[k:v]`, `<nil>`; sets are lists.
fn go_shown(value: &Value) -> String {
    let joined = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(" ");
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::String(text) => text.to_string(),
        Value::Number(_) => value.to_string(),
        Value::Array(list) => format!("[{}]", joined(&mut list.iter().map(go_shown))),
        Value::Set(set) => format!("[{}]", joined(&mut set.iter().map(go_shown))),
        Value::Object(map) => {
            format!(
                "map[{}]",
                joined(&mut map.iter().map(|(k, v)| format!("{}:{}", go_shown(k), go_shown(v))))
            )
        }
        Value::Undefined => "<undefined>".to_owned(),
    }
}

#[cfg(test)]
mod tests;
