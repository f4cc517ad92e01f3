//! Variables: `$(params.x)` and its kin, replaced in texts, lists and whole specs.
//!
//! One table is one pass, left to right, and what a pass put in is not looked at again by the same pass; Tekton's order of
//! passes (reference §10.3) is the callers'. What no table knows stays as text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::object::{ParamSpec, ParamType, ParamValue};

/// The most bytes one replaced text may have: a file read has at most 8 MiB, and a text of twice that was not meant.
pub const MAX_SUBSTITUTED: usize = 16 * 1024 * 1024;

/// Why a text could not be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubstituteError {
    /// The text would pass [`MAX_SUBSTITUTED`].
    #[error("the text with its variables replaced has more than {MAX_SUBSTITUTED} bytes")]
    TooLarge,
    /// An element beyond the end of an array.
    #[error("$({reference}): expected an index below {length}")]
    Index {
        /// The variable as written.
        reference: String,
        /// How many elements there are.
        length: usize,
    },
}

/// What the variables of one pass stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    texts: BTreeMap<String, String>,
    lists: BTreeMap<String, Vec<String>>,
    objects: BTreeMap<String, BTreeMap<String, String>>,
    /// Known by name, though not yet by value.
    open: BTreeSet<String>,
}

impl Table {
    /// `$(path)` stands for `value`.
    pub(crate) fn text(&mut self, path: impl Into<String>, value: impl Into<String>) {
        self.texts.insert(path.into(), value.into());
    }

    /// `$(prefix.name)`, `$(prefix["name"])` and `$(prefix['name'])`, each followed by `suffix`, stand for `value`.
    pub(crate) fn named(&mut self, prefix: &str, name: &str, suffix: &str, value: &str) {
        for base in quotings(prefix, name) {
            self.texts.insert(format!("{base}{suffix}"), value.to_owned());
        }
    }

    /// The same for a value of any type: the text, `[*]` and `[i]` of an array, `[*]` and `.key` of an object.
    pub(crate) fn value(&mut self, prefix: &str, name: &str, value: &ParamValue) {
        for base in quotings(prefix, name) {
            match value {
                ParamValue::String(text) => {
                    self.texts.insert(base, text.clone());
                }
                ParamValue::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        self.texts.insert(format!("{base}[{index}]"), item.clone());
                    }
                    self.lists.insert(base, items.clone());
                }
                ParamValue::Object(entries) => {
                    for (key, item) in entries {
                        self.texts.insert(format!("{base}.{key}"), item.clone());
                    }
                    self.objects.insert(base, entries.clone());
                }
            }
        }
    }

    /// A parameter whose value is not known yet: any use of it that its type allows is known.
    pub(crate) fn declared(&mut self, prefix: &str, spec: &ParamSpec) {
        for base in quotings(prefix, &spec.name) {
            match spec.kind() {
                ParamType::String => {
                    self.texts.insert(base, String::new());
                }
                ParamType::Array | ParamType::Object => {
                    self.open.insert(base);
                }
            }
        }
    }

    /// This table without what it knows of `names`, which something nearer declares.
    pub(crate) fn without<'n>(&self, prefix: &str, names: impl Iterator<Item = &'n str>) -> Self {
        let mut table = self.clone();
        for base in names.flat_map(|name| quotings(prefix, name)) {
            let other = |key: &String| {
                !key.strip_prefix(base.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            table.texts.retain(|key, _| other(key));
            table.lists.retain(|key, _| other(key));
            table.objects.retain(|key, _| other(key));
        }
        table
    }

    /// Whether the variable written `$(inner)` is known, whole or in part.
    fn knows(&self, inner: &str) -> bool {
        let base = inner.strip_suffix("[*]").unwrap_or(inner);
        let opened = || {
            let of = |open: &String| {
                inner
                    .strip_prefix(open.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            self.open.iter().any(of)
        };
        self.texts.contains_key(inner)
            || self.lists.contains_key(base)
            || self.objects.contains_key(base)
            || opened()
    }

    /// The first variable of `text` that begins with one of `prefixes` and that this table does not know.
    pub(crate) fn unknown<'t>(&self, text: &'t str, prefixes: &[&str]) -> Option<&'t str> {
        variables(text).find(|inner| {
            let ours = prefixes
                .iter()
                .any(|prefix| inner.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(['.', '['])));
            ours && !self.knows(inner) && self.beyond(inner).is_none()
        })
    }

    /// Whether the variable written `$(inner)` can be replaced.
    pub(crate) fn has(&self, inner: &str) -> bool {
        self.knows(inner)
    }

    /// The length of the array that `inner` points beyond, if it does.
    fn beyond(&self, inner: &str) -> Option<usize> {
        let (base, index) = inner.strip_suffix(']')?.rsplit_once('[')?;
        let index: usize = index.parse().ok()?;
        let items = self.lists.get(base)?;
        (index >= items.len()).then_some(items.len())
    }

    /// Replaces the variables of a text.
    pub(crate) fn in_text(&self, text: &str) -> Result<String, SubstituteError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("$(") {
            let (before, from) = rest.split_at(start);
            out.push_str(before);
            let inner = from.get(2..).unwrap_or_default();
            let known = inner.find(')').and_then(|end| Some((inner.get(..end)?, inner.get(end + 1..)?)));
            match known {
                Some((name, tail)) if self.texts.contains_key(name) => {
                    out.push_str(self.texts.get(name).map(String::as_str).unwrap_or_default());
                    rest = tail;
                }
                other => {
                    if let Some((name, length)) = other.and_then(|(name, _)| Some((name, self.beyond(name)?)))
                    {
                        return Err(SubstituteError::Index { reference: name.to_owned(), length });
                    }
                    out.push_str("$(");
                    rest = inner;
                }
            }
            if out.len() + rest.len() > MAX_SUBSTITUTED {
                return Err(SubstituteError::TooLarge);
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Replaces the variables of a list; an element that is a whole array becomes its elements.
    pub(crate) fn in_list(&self, items: &[String]) -> Result<Vec<String>, SubstituteError> {
        let mut out = Vec::with_capacity(items.len());
        let mut bytes = 0;
        for item in items {
            match self.whole_list(item) {
                Some(elements) => out.extend(elements.iter().cloned()),
                None => out.push(self.in_text(item)?),
            }
            bytes += out.last().map_or(0, String::len);
            if bytes > MAX_SUBSTITUTED || out.len() > MAX_SUBSTITUTED / 16 {
                return Err(SubstituteError::TooLarge);
            }
        }
        Ok(out)
    }

    /// Replaces the variables of a value; a text that is a whole array or object becomes it.
    pub(crate) fn in_param(&self, value: &ParamValue) -> Result<ParamValue, SubstituteError> {
        Ok(match value {
            ParamValue::String(text) => match (self.whole_list(text), self.whole_object(text)) {
                (Some(items), _) => ParamValue::Array(items.clone()),
                (None, Some(entries)) => ParamValue::Object(entries.clone()),
                (None, None) => ParamValue::String(self.in_text(text)?),
            },
            ParamValue::Array(items) => ParamValue::Array(self.in_list(items)?),
            ParamValue::Object(entries) => {
                let replaced = entries.iter().map(|(key, item)| Ok((key.clone(), self.in_text(item)?)));
                ParamValue::Object(replaced.collect::<Result<_, _>>()?)
            }
        })
    }

    /// Replaces the variables of every text below `value`.
    ///
    /// With `whole`, a field `value` that is one whole array or object becomes it, as for parameters of a pipeline's tasks.
    pub(crate) fn in_tree(&self, value: &Value, whole: bool) -> Result<Value, SubstituteError> {
        self.tree(value, whole, &mut 0)
    }

    /// `spent` counts the bytes of the whole tree, so that many texts cannot grow together either.
    fn tree(&self, value: &Value, whole: bool, spent: &mut usize) -> Result<Value, SubstituteError> {
        let replaced = match value {
            Value::String(text) => Value::String(self.in_text(text)?),
            Value::Array(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    match item.as_str().and_then(|text| self.whole_list(text)) {
                        Some(elements) => {
                            for element in elements {
                                out.push(self.counted(Value::String(element.clone()), spent)?);
                            }
                        }
                        None => out.push(self.tree(item, whole, spent)?),
                    }
                }
                Value::Array(out)
            }
            Value::Object(entries) => {
                let mut out = serde_json::Map::new();
                for (key, item) in entries {
                    let item = match item {
                        Value::String(text) if whole && key == "value" => {
                            let value = self.in_param(&ParamValue::String(text.clone()))?.to_json();
                            *spent += value.to_string().len();
                            value
                        }
                        item => self.tree(item, whole, spent)?,
                    };
                    out.insert(key.clone(), item);
                }
                Value::Object(out)
            }
            other => other.clone(),
        };
        self.counted(replaced, spent)
    }

    fn counted(&self, value: Value, spent: &mut usize) -> Result<Value, SubstituteError> {
        *spent += value.as_str().map_or(1, |text| text.len() + 1);
        if *spent > MAX_SUBSTITUTED { Err(SubstituteError::TooLarge) } else { Ok(value) }
    }

    /// The array a text names whole: `$(params.x[*])`, or `$(params.x)` as Tekton also takes it.
    fn whole_list(&self, text: &str) -> Option<&Vec<String>> {
        let inner = text.strip_prefix("$(")?.strip_suffix(')')?;
        self.lists.get(inner.strip_suffix("[*]").unwrap_or(inner))
    }

    fn whole_object(&self, text: &str) -> Option<&BTreeMap<String, String>> {
        self.objects.get(text.strip_prefix("$(")?.strip_suffix(')')?.strip_suffix("[*]")?)
    }
}

/// The three ways to write a name.
fn quotings(prefix: &str, name: &str) -> [String; 3] {
    [format!("{prefix}.{name}"), format!("{prefix}[\"{name}\"]"), format!("{prefix}['{name}']")]
}

/// What stands between `$(` and the next `)`, for every `$(`.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("$(").filter_map(|(start, _)| {
        let inner = text.get(start + 2..)?;
        inner.get(..inner.find(')')?)
    })
}

/// The task and the result a variable names, if it is `tasks.TASK.results.RESULT` in any quoting.
pub(crate) fn result_reference(inner: &str) -> Option<(&str, &str)> {
    let (task, rest) = inner.strip_prefix("tasks.")?.split_once('.')?;
    let rest = rest.strip_prefix("results")?;
    let name = if let Some(rest) = rest.strip_prefix('.') {
        rest.split(['.', '[']).next()?
    } else if let Some(rest) = rest.strip_prefix("[\"") {
        rest.split_once('"')?.0
    } else {
        rest.strip_prefix("['")?.split_once('\'')?.0
    };
    (!name.is_empty()).then_some((task, name))
}

/// Calls `visit` for every text below `value`.
pub(crate) fn texts_of<'v>(value: &'v Value, visit: &mut dyn FnMut(&'v str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, visit)),
        Value::Object(entries) => entries.values().for_each(|item| texts_of(item, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Kubernetes' own pass over commands, arguments and variables: `$(NAME)` of the container's environment, `$$` for `$`.
pub(crate) fn environment_in(
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Result<String, SubstituteError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let tail = from.get(1..).unwrap_or_default();
        if let Some(after) = tail.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = tail.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match environment.get(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            out.push('$');
            rest = tail;
        }
        if out.len() + rest.len() > MAX_SUBSTITUTED {
            return Err(SubstituteError::TooLarge);
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests;
