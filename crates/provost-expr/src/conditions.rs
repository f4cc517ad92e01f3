//! Conditions of policies: `any` and `all` blocks, the old flat list, and the messages of what held or did not.

use serde_json::{Value, json};
use thiserror::Error;

use crate::context::Lookup;
use crate::environment::Environment;
use crate::operators::{Operator, OperatorError};
use crate::origins::Origins;
use crate::variables::{self, SubstituteError};

/// How many conditions one rule may hold: 10,000, many times what fits into a policy the API server stores.
pub const MAX_CONDITIONS: usize = 10_000;

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is compared; may hold variables.
    pub key: Value,
    /// How.
    pub operator: Operator,
    /// With what; may hold variables.
    pub value: Value,
    /// What to say about it.
    pub message: String,
    /// Who wrote which part of the key and the value, where they are substituted already.
    origins: (Origins, Origins),
}

/// A block: one of `any` must hold where there are any, and all of `all`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Block {
    /// `None` where the block has no `any`; an empty `any` never holds.
    pub any: Option<Vec<Condition>>,
    /// All of these must hold.
    pub all: Vec<Condition>,
}

/// The conditions of a rule or attestation.
#[derive(Clone, Debug, PartialEq)]
pub enum Conditions {
    /// One block (preconditions, `validate.deny`).
    Block(Block),
    /// Blocks that all must hold (attestations, exceptions).
    Blocks(Vec<Block>),
    /// The old form: a list of conditions that all must hold.
    Flat(Vec<Condition>),
}

/// Why a value is no conditions.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConditionFormError {
    /// Something else than the three forms.
    #[error("invalid condition: expected any/all blocks or a list of conditions at {0}")]
    Form(String),
    /// A field that conditions do not have.
    #[error("invalid condition: unknown field {field:?} at {path}")]
    UnknownField {
        /// The field.
        field: String,
        /// Where.
        path: String,
    },
    /// An operator that does not exist.
    #[error("{0}")]
    Operator(OperatorError),
    /// More than [`MAX_CONDITIONS`].
    #[error("more than {MAX_CONDITIONS} conditions")]
    TooMany,
}

/// Why conditions could not be evaluated. This is never a verdict.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ConditionError {
    /// A variable in a key has no value.
    #[error("failed to substitute variables in condition key: {0}")]
    Key(SubstituteError),
    /// A variable in a value has no value.
    #[error("failed to substitute variables in condition value: {0}")]
    Value(SubstituteError),
    /// A variable in the conditions of an attestation has no value.
    #[error("failed to substitute variables in attestation conditions: {0}")]
    Attestation(SubstituteError),
    /// After substitution these are no conditions any more.
    #[error(transparent)]
    Form(#[from] ConditionFormError),
    /// The operator cannot compare these.
    #[error("{0}")]
    Operator(#[from] OperatorError),
}

/// What conditions came to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Whether they hold.
    pub holds: bool,
    /// The messages of the conditions that decided: those that held where all hold, else those that did not.
    pub messages: Vec<String>,
}

impl Outcome {
    /// The messages as Kyverno prints them, `; ` between.
    #[must_use]
    pub fn text(&self) -> String {
        self.messages.join("; ")
    }
}

fn fields<'a>(
    value: &'a Value,
    path: &str,
    known: &[&str],
) -> Result<&'a serde_json::Map<String, Value>, ConditionFormError> {
    let map = value.as_object().ok_or_else(|| ConditionFormError::Form(path.to_owned()))?;
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(field) => Err(ConditionFormError::UnknownField { field: field.clone(), path: path.to_owned() }),
        None => Ok(map),
    }
}

fn condition(value: &Value, by: &Origins, path: &str) -> Result<Condition, ConditionFormError> {
    let map = fields(value, path, &["key", "operator", "value", "message"])?;
    let field = |name: &str| map.get(name).cloned().unwrap_or(Value::Null);
    let text = |name: &str| match map.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(ConditionFormError::Form(format!("{path}/{name}"))),
    };
    let operator = Operator::parse(text("operator")?).map_err(ConditionFormError::Operator)?;
    let origins = (by.field("key").clone(), by.field("value").clone());
    let message = text("message")?.to_owned();
    Ok(Condition { key: field("key"), operator, value: field("value"), message, origins })
}

fn list(value: &Value, by: &Origins, path: &str) -> Result<Vec<Condition>, ConditionFormError> {
    let items = value.as_array().ok_or_else(|| ConditionFormError::Form(path.to_owned()))?;
    if items.len() > MAX_CONDITIONS {
        return Err(ConditionFormError::TooMany);
    }
    let each = items.iter().enumerate();
    each.map(|(index, item)| condition(item, by.element(index), &format!("{path}/{index}"))).collect()
}

fn block(value: &Value, by: &Origins, path: &str) -> Result<Block, ConditionFormError> {
    let map = fields(value, path, &["any", "all"])?;
    let part = |name: &str| match map.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => list(value, by.field(name), &format!("{path}/{name}")).map(Some),
    };
    Ok(Block { any: part("any")?, all: part("all")?.unwrap_or_default() })
}

impl Conditions {
    /// Reads conditions in any of their forms.
    ///
    /// # Errors
    /// For other forms, unknown fields and unknown operators.
    pub fn parse(value: &Value) -> Result<Self, ConditionFormError> {
        Self::parse_written(value, &Origins::Ours)
    }

    /// The same, of conditions that are substituted already and of which it is known who wrote what.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_written(value: &Value, by: &Origins) -> Result<Self, ConditionFormError> {
        let Value::Array(items) = value else { return block(value, by, "").map(Self::Block) };
        let is_block = |item: &Value| item.get("any").is_some() || item.get("all").is_some();
        if items.len() > MAX_CONDITIONS {
            return Err(ConditionFormError::TooMany);
        }
        if items.iter().any(is_block) {
            let each = items.iter().enumerate();
            let blocks = each.map(|(index, item)| block(item, by.element(index), &format!("/{index}")));
            return blocks.collect::<Result<_, _>>().map(Self::Blocks);
        }
        list(value, by, "").map(Self::Flat)
    }

    /// All conditions, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Condition> {
        let (blocks, flat): (&[Block], &[Condition]) = match self {
            Self::Block(block) => (std::slice::from_ref(block), &[]),
            Self::Blocks(blocks) => (blocks, &[]),
            Self::Flat(conditions) => (&[], conditions),
        };
        let inner = blocks.iter().flat_map(|block| block.any.iter().flatten().chain(&block.all));
        inner.chain(flat)
    }
}

/// Evaluates conditions, each key and value substituted when its turn comes (preconditions, `validate.deny`).
///
/// # Errors
/// For variables without a value; conditions after the one that decides are not looked at.
pub fn evaluate(
    conditions: &Conditions,
    lookup: &dyn Lookup,
    environment: &Environment<'_>,
) -> Result<Outcome, ConditionError> {
    run(conditions, &|condition| {
        let substituted = |value| variables::substitute_with_origins(value, lookup, environment);
        let (key, key_by) = substituted(&condition.key).map_err(ConditionError::Key)?;
        let (value, value_by) = substituted(&condition.value).map_err(ConditionError::Value)?;
        Ok(condition.operator.holds_between(&key, &key_by, &value, &value_by)?)
    })
}

/// Evaluates conditions in which nothing is left to substitute.
///
/// # Errors
/// Where an operator cannot compare.
pub fn evaluate_resolved(conditions: &Conditions) -> Result<Outcome, ConditionError> {
    run(conditions, &|condition| {
        let Condition { key, operator, value, origins: (key_by, value_by), .. } = condition;
        Ok(operator.holds_between(key, key_by, value, value_by)?)
    })
}

/// Evaluates the conditions of an attestation: the whole list is substituted first, messages included, so that a
/// path such as `/0/all/0/key` names the place; what came out of a predicate is not looked at again.
///
/// # Errors
/// For the first variable without a value, even where its condition would not decide.
pub fn evaluate_attestation(
    conditions: &Value,
    lookup: &dyn Lookup,
    environment: &Environment<'_>,
) -> Result<Outcome, ConditionError> {
    let list = if conditions.is_array() { conditions.clone() } else { json!([conditions]) };
    // The operators are checked before anything of the predicate comes in.
    Conditions::parse(&list)?;
    let (resolved, by) = variables::substitute_with_origins(&list, lookup, environment)
        .map_err(ConditionError::Attestation)?;
    evaluate_resolved(&Conditions::parse_written(&printable(resolved), &by)?)
}

/// A message that is one variable becomes that variable's value; it is still a message.
fn printable(mut blocks: Value) -> Value {
    fn each(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(each),
            Value::Object(map) => {
                if let Some(message) = map.get_mut("message")
                    && !message.is_string()
                    && !message.is_null()
                {
                    *message = Value::String(crate::go_text::to_json(message));
                }
                for name in ["any", "all"] {
                    if let Some(inner) = map.get_mut(name) {
                        each(inner);
                    }
                }
            }
            _ => {}
        }
    }
    each(&mut blocks);
    blocks
}

type Verdict<'v> = dyn Fn(&Condition) -> Result<bool, ConditionError> + 'v;

fn run(conditions: &Conditions, verdict: &Verdict<'_>) -> Result<Outcome, ConditionError> {
    match conditions {
        Conditions::Block(block) => run_block(block, verdict),
        Conditions::Blocks(blocks) => {
            let mut all = Outcome { holds: true, messages: Vec::new() };
            for block in blocks {
                let outcome = run_block(block, verdict)?;
                if !outcome.holds {
                    return Ok(outcome);
                }
                all.messages.extend(outcome.messages);
            }
            Ok(all)
        }
        Conditions::Flat(list) => run_block(&Block { any: None, all: list.clone() }, verdict),
    }
}

fn run_block(block: &Block, verdict: &Verdict<'_>) -> Result<Outcome, ConditionError> {
    let mut held = Vec::new();
    let mut failed = Vec::new();
    let mut any_holds = block.any.is_none();
    for condition in block.any.iter().flatten() {
        if verdict(condition)? {
            held.push(condition.message.clone());
            any_holds = true;
            break;
        }
        failed.push(condition.message.clone());
    }
    let mut all_hold = true;
    for condition in &block.all {
        if verdict(condition)? {
            held.push(condition.message.clone());
        } else {
            failed.push(condition.message.clone());
            all_hold = false;
            break;
        }
    }
    let holds = any_holds && all_hold;
    let mut messages = if holds { held } else { failed };
    messages.retain(|message| !message.is_empty());
    Ok(Outcome { holds, messages })
}

#[cfg(test)]
mod tests;
