//! Parameters: what is declared, what is given, what holds.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Halt;
use crate::object::{Param, ParamSpec, ParamType, ParamValue};

/// Whose parameters they are: it decides Tekton's reason and words.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Taker<'n> {
    /// A Task of this name.
    Task(&'n str),
    /// A Pipeline of this name, run by a PipelineRun of this namespace and name.
    Pipeline {
        /// The Pipeline.
        name: &'n str,
        /// The run's namespace.
        namespace: &'n str,
        /// The run.
        run: &'n str,
    },
}

impl Taker<'_> {
    fn missing(self, names: &[&str]) -> Halt {
        let names = names.join(" ");
        match self {
            Self::Task(task) => Halt::fail(
                "TaskRunValidationFailed",
                format!(
                    "invalid input params for task {task}: missing values for these params which have no default values: \
                     [{names}]"
                ),
            ),
            Self::Pipeline { name, namespace, run } => Halt::fail(
                "ParameterMissing",
                format!(
                    "PipelineRun {namespace}/{run} parameters is missing some parameters required by Pipeline {name}'s \
                     parameters: pipelineRun missing parameters: [{names}]"
                ),
            ),
        }
    }

    fn mistyped(self, names: &[&str]) -> Halt {
        let names = names.join(" ");
        match self {
            Self::Task(task) => Halt::fail(
                "TaskRunValidationFailed",
                format!(
                    "invalid input params for task {task}: param types don't match the user-specified type: [{names}]"
                ),
            ),
            Self::Pipeline { name, namespace, run } => Halt::fail(
                "ParameterTypeMismatch",
                format!(
                    "PipelineRun {namespace}/{run} parameters have mismatching types with Pipeline {name}'s parameters: \
                     parameters have inconsistent types : [{names}]"
                ),
            ),
        }
    }

    fn keyless(self, missing: &BTreeMap<&str, Vec<&str>>) -> Halt {
        let missing: Vec<String> =
            missing.iter().map(|(name, keys)| format!("{name}:[{}]", keys.join(" "))).collect();
        let missing = missing.join(" ");
        match self {
            Self::Task(task) => Halt::fail(
                "TaskRunValidationFailed",
                format!(
                    "invalid input params for task {task}: missing keys for these params which are required in ParamSpec's properties map[{missing}]"
                ),
            ),
            Self::Pipeline { name, namespace, run } => Halt::fail(
                "ObjectParameterMissKeys",
                format!(
                    "PipelineRun {namespace}/{run} parameters is missing object keys required by Pipeline {name}'s \
                     parameters: pipelineRun missing object keys for parameters: map[{missing}]"
                ),
            ),
        }
    }

    fn not_allowed(self, param: &str, value: &str, allowed: &[String]) -> Halt {
        let message =
            format!("param `{param}` value: {value} is not in the enum list: [{}]", allowed.join(" "));
        match self {
            Self::Task(_) => Halt::fail("InvalidParamValue", message),
            Self::Pipeline { namespace, run, .. } => Halt::fail(
                "InvalidParamValue",
                format!("PipelineRun {namespace}/{run} parameters have invalid value: {message}"),
            ),
        }
    }
}

/// The values that hold: what is given over the defaults, keys of objects one by one.
///
/// Given parameters that nobody declared are kept too: they are in scope of what is written in place.
pub(crate) fn effective(
    declared: &[ParamSpec],
    given: &[Param],
    taker: Taker<'_>,
) -> Result<BTreeMap<String, ParamValue>, Halt> {
    let mut values: BTreeMap<String, ParamValue> =
        given.iter().map(|param| (param.name.clone(), param.value.clone())).collect();
    let (mut missing, mut mistyped, mut keyless) = (Vec::new(), Vec::new(), BTreeMap::new());
    for spec in declared {
        let value = match (values.get(&spec.name), &spec.default) {
            (Some(ParamValue::Object(given)), Some(ParamValue::Object(default))) => {
                let mut both = default.clone();
                both.extend(given.clone());
                ParamValue::Object(both)
            }
            (Some(given), _) => given.clone(),
            (None, Some(default)) => default.clone(),
            (None, None) => {
                missing.push(spec.name.as_str());
                continue;
            }
        };
        if value.kind() != spec.kind() {
            mistyped.push(spec.name.as_str());
        }
        if let ParamValue::Object(entries) = &value {
            let lacking: Vec<&str> = spec
                .properties
                .keys()
                .map(String::as_str)
                .filter(|key| !entries.contains_key(*key))
                .collect();
            if !lacking.is_empty() {
                keyless.insert(spec.name.as_str(), lacking);
            }
        }
        if let ParamValue::String(text) = &value
            && !spec.allowed.is_empty()
            && !spec.allowed.contains(text)
        {
            return Err(taker.not_allowed(&spec.name, text, &spec.allowed));
        }
        values.insert(spec.name.clone(), value);
    }
    if !missing.is_empty() {
        return Err(taker.missing(&missing));
    }
    if !mistyped.is_empty() {
        return Err(taker.mistyped(&mistyped));
    }
    if !keyless.is_empty() {
        return Err(taker.keyless(&keyless));
    }
    Ok(values)
}

/// The names of required parameters that `given` lacks.
pub(crate) fn lacking<'s>(declared: &'s [ParamSpec], given: &[Param]) -> Vec<&'s str> {
    let have: BTreeSet<&str> = given.iter().map(|param| param.name.as_str()).collect();
    let required = declared.iter().filter(|spec| spec.default.is_none());
    required.map(|spec| spec.name.as_str()).filter(|name| !have.contains(name)).collect()
}

/// `given`, with those of `over` replacing or joining them; a text for an array or object parameter is read as JSON.
pub(crate) fn overridden(given: &[Param], over: &[Param], declared: &[ParamSpec]) -> Vec<Param> {
    let mut out = given.to_vec();
    for param in over {
        let wanted =
            declared.iter().find(|spec| spec.name == param.name).map_or(ParamType::String, ParamSpec::kind);
        let value = match &param.value {
            ParamValue::String(text) if wanted != ParamType::String => {
                serde_json::from_str::<serde_json::Value>(text)
                    .map_or_else(|_| param.value.clone(), ParamValue::from)
            }
            value => value.clone(),
        };
        match out.iter_mut().find(|given| given.name == param.name) {
            Some(given) => given.value = value,
            None => out.push(Param { name: param.name.clone(), value }),
        }
    }
    out
}
