//! Evaluates a syntax tree over borrowed JSON, with Kyverno's "Unknown key" outcome.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::ast::{Comparator, Kind, Node};
use super::error::JmesError;
use super::item::{Item, NULL, Outcome, is_false, nodes, or_null};
use super::{Found, MAX_TOTAL_WORK, MAX_WORK, functions};
use crate::context::{Lookup, Origin};
use crate::environment::Environment;

/// One evaluation: where names are looked up, and how much has been done.
pub(super) struct Interpreter<'a> {
    lookup: &'a dyn Lookup,
    pub(super) environment: &'a Environment<'a>,
    work: Cell<usize>,
    limit: usize,
    origin: Cell<Origin>,
}

/// Evaluates a whole expression; what it does is added to `spent`.
///
/// # Errors
/// As [`super::Expression::find`].
pub(super) fn evaluate(
    node: &Node,
    lookup: &dyn Lookup,
    environment: &Environment<'_>,
    spent: &Cell<usize>,
) -> Result<Found, JmesError> {
    let work = Cell::new(spent.get());
    let limit = spent.get().saturating_add(MAX_WORK).min(MAX_TOTAL_WORK);
    let interpreter = Interpreter { lookup, environment, work, limit, origin: Cell::new(Origin::Policy) };
    let outcome = interpreter.node(node, Item::Root).and_then(|item| interpreter.own(item));
    spent.set(interpreter.work.get());
    let value = outcome?;
    Ok(Found { value, origin: interpreter.origin.get() })
}

impl<'a> Interpreter<'a> {
    /// Counts work done.
    ///
    /// # Errors
    /// When the limit is passed.
    pub(super) fn charge(&self, amount: usize) -> Result<(), JmesError> {
        let done = self.work.get().saturating_add(amount);
        self.work.set(done);
        if done > self.limit { Err(JmesError::TooMuchWork) } else { Ok(()) }
    }

    fn note(&self, origin: Origin) {
        self.origin.set(self.origin.get().max(origin));
    }

    /// A second handle on an item; only values the expression made are copied.
    fn duplicate(&self, item: &Item<'a>) -> Outcome<'a> {
        if let Item::Own(value) = item {
            self.charge(nodes(value))?;
        }
        Ok(item.clone())
    }

    /// Loads the document where it is needed whole.
    pub(super) fn settle(&self, item: Item<'a>) -> Outcome<'a> {
        if !matches!(item, Item::Root) {
            return Ok(item);
        }
        if let Some(found) = self.lookup.document() {
            self.note(found.origin);
            return Ok(Item::Ref(found.value));
        }
        let mut whole = Map::new();
        for name in self.lookup.names() {
            if let Some(found) = self.lookup.root(&name)? {
                self.note(found.origin);
                self.charge(nodes(found.value))?;
                whole.insert(name, found.value.clone());
            }
        }
        Ok(Item::Own(Value::Object(whole)))
    }

    /// The item as a value of its own.
    pub(super) fn own(&self, item: Item<'a>) -> Result<Value, JmesError> {
        match self.settle(item)? {
            Item::Own(value) => Ok(value),
            Item::Ref(value) => {
                self.charge(nodes(value))?;
                Ok(value.clone())
            }
            Item::Root | Item::Reference(_) => Err(JmesError::ReferenceAsValue),
        }
    }

    fn test(&self, item: &Item<'a>) -> Result<bool, JmesError> {
        let truth = |item: &Item<'_>| item.value().is_none_or(|value| !is_false(value));
        if matches!(item, Item::Root) { Ok(truth(&self.settle(Item::Root)?)) } else { Ok(truth(item)) }
    }

    /// The elements of a list, or nothing for other values.
    pub(super) fn elements(&self, item: Item<'a>) -> Result<Option<Vec<Item<'a>>>, JmesError> {
        Ok(match self.settle(item)? {
            Item::Ref(Value::Array(items)) => Some(items.iter().map(Item::Ref).collect()),
            Item::Own(Value::Array(items)) => Some(items.into_iter().map(Item::Own).collect()),
            _ => None,
        })
    }

    fn members(&self, item: Item<'a>) -> Result<Option<Vec<Item<'a>>>, JmesError> {
        Ok(match self.settle(item)? {
            Item::Ref(Value::Object(map)) => Some(map.values().map(Item::Ref).collect()),
            Item::Own(Value::Object(map)) => Some(map.into_values().map(Item::Own).collect()),
            _ => None,
        })
    }

    /// Whether two values are equal as JSON, numbers by their value.
    pub(super) fn equal(&self, left: &Value, right: &Value) -> Result<bool, JmesError> {
        self.charge(1)?;
        match (left, right) {
            (Value::Number(a), Value::Number(b)) => Ok(a.as_f64() == b.as_f64()),
            (Value::Array(a), Value::Array(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (x, y) in a.iter().zip(b) {
                    if !self.equal(x, y)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Object(a), Value::Object(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for ((key, x), (other, y)) in a.iter().zip(b) {
                    if key != other || !self.equal(x, y)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (a, b) => Ok(a == b),
        }
    }

    /// Evaluates one node against a value.
    pub(super) fn node(&self, node: &'a Node, value: Item<'a>) -> Outcome<'a> {
        self.charge(1)?;
        match &node.kind {
            Kind::Identity | Kind::Current => Ok(value),
            Kind::Literal(literal) => Ok(Item::Ref(literal)),
            Kind::Field(name) => self.field(name, value),
            Kind::Index(index) => self.index(*index, value),
            Kind::Slice(parts) => self.slice(*parts, value),
            Kind::Subexpression(left, right) | Kind::IndexExpression(left, right) => {
                let value = self.node(left, value)?;
                self.node(right, value)
            }
            Kind::Pipe(left, right) => {
                let value = or_null(self.node(left, value))?;
                or_null(self.node(right, value))
            }
            Kind::Or(left, right) => self.or(left, right, value),
            Kind::And(left, right) => self.and(left, right, value),
            Kind::Not(inner) => {
                let item = or_null(self.node(inner, value))?;
                Ok(Item::Own(Value::Bool(!self.test(&item)?)))
            }
            Kind::Comparison(comparator, left, right) => self.comparison(*comparator, left, right, value),
            Kind::Projection(left, right) => {
                let list = or_null(self.node(left, value))?;
                match self.elements(list)? {
                    Some(items) => self.project(items, right),
                    None => Ok(NULL),
                }
            }
            Kind::ValueProjection(left, right) => {
                let object = or_null(self.node(left, value))?;
                match self.members(object)? {
                    Some(items) => self.project(items, right),
                    None => Ok(NULL),
                }
            }
            Kind::FilterProjection(left, right, condition) => self.filter(left, right, condition, value),
            Kind::Flatten(inner) => self.flatten(inner, value),
            Kind::List(items) => self.list(items, value),
            Kind::Hash(pairs) => self.hash(pairs, value),
            Kind::Function(name, arguments) => self.function(name, arguments, value),
            Kind::Reference(inner) => Ok(Item::Reference(inner)),
        }
    }

    #[inline(never)]
    fn field(&self, name: &str, value: Item<'a>) -> Outcome<'a> {
        let unknown = || JmesError::UnknownKey(name.to_owned());
        match value {
            Item::Root => {
                if let Some(found) = self.lookup.document() {
                    self.note(found.origin);
                    return self.field(name, Item::Ref(found.value));
                }
                let found = self.lookup.root(name)?.ok_or_else(unknown)?;
                self.note(found.origin);
                Ok(Item::Ref(found.value))
            }
            Item::Ref(Value::Object(map)) => map.get(name).map(Item::Ref).ok_or_else(unknown),
            Item::Own(Value::Object(mut map)) => map.remove(name).map(Item::Own).ok_or_else(unknown),
            _ => Ok(NULL),
        }
    }

    #[inline(never)]
    fn index(&self, index: i64, value: Item<'a>) -> Outcome<'a> {
        let value = self.settle(value)?;
        let length = match &value {
            Item::Ref(Value::Array(items)) => items.len(),
            Item::Own(Value::Array(items)) => items.len(),
            _ => return Ok(NULL),
        };
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let place = if index < 0 { index.saturating_add(length) } else { index };
        let Ok(place) = usize::try_from(place) else { return Ok(NULL) };
        Ok(match value {
            Item::Ref(Value::Array(items)) => items.get(place).map_or(NULL, Item::Ref),
            Item::Own(Value::Array(mut items)) if place < items.len() => Item::Own(items.swap_remove(place)),
            _ => NULL,
        })
    }

    #[inline(never)]
    fn slice(&self, parts: [Option<i64>; 3], value: Item<'a>) -> Outcome<'a> {
        let Some(items) = self.elements(value)? else { return Ok(NULL) };
        let [start, stop, step] = parts;
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(JmesError::SliceStep);
        }
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let cap = |at: i64| {
            let at = if at < 0 { at.saturating_add(length) } else { at };
            if step < 0 { at.clamp(-1, length - 1) } else { at.clamp(0, length) }
        };
        let start = start.map_or(if step < 0 { length - 1 } else { 0 }, cap);
        let stop = stop.map_or(if step < 0 { -1 } else { length }, cap);
        let mut chosen = Vec::new();
        let mut at = start;
        while (step > 0 && at < stop) || (step < 0 && at > stop) {
            if let Some(item) = usize::try_from(at).ok().and_then(|place| items.get(place)) {
                chosen.push(self.own(self.duplicate(item)?)?);
            }
            at = at.saturating_add(step);
        }
        Ok(Item::Own(Value::Array(chosen)))
    }

    #[inline(never)]
    fn or(&self, left: &'a Node, right: &'a Node, value: Item<'a>) -> Outcome<'a> {
        let first = or_null(self.node(left, self.duplicate(&value)?))?;
        if self.test(&first)? {
            return Ok(first);
        }
        or_null(self.node(right, value))
    }

    #[inline(never)]
    fn and(&self, left: &'a Node, right: &'a Node, value: Item<'a>) -> Outcome<'a> {
        let first = or_null(self.node(left, self.duplicate(&value)?))?;
        if !self.test(&first)? {
            return Ok(first);
        }
        // Kyverno leaves an unknown key on this side an error.
        self.node(right, value)
    }

    #[inline(never)]
    fn comparison(
        &self,
        comparator: Comparator,
        left: &'a Node,
        right: &'a Node,
        value: Item<'a>,
    ) -> Outcome<'a> {
        let left = self.settle(or_null(self.node(left, self.duplicate(&value)?))?)?;
        let right = self.settle(or_null(self.node(right, value))?)?;
        let (Some(left), Some(right)) = (left.value(), right.value()) else {
            return Err(JmesError::ReferenceAsValue);
        };
        let holds = match comparator {
            Comparator::Equal => self.equal(left, right)?,
            Comparator::NotEqual => !self.equal(left, right)?,
            order => {
                let (Some(left), Some(right)) = (left.as_f64(), right.as_f64()) else { return Ok(NULL) };
                match order {
                    Comparator::Less => left < right,
                    Comparator::LessEqual => left <= right,
                    Comparator::Greater => left > right,
                    _ => left >= right,
                }
            }
        };
        Ok(Item::Own(Value::Bool(holds)))
    }

    #[inline(never)]
    fn project(&self, items: Vec<Item<'a>>, right: &'a Node) -> Outcome<'a> {
        let mut collected = Vec::new();
        for item in items {
            let found = self.own(or_null(self.node(right, item))?)?;
            if !found.is_null() {
                collected.push(found);
            }
        }
        Ok(Item::Own(Value::Array(collected)))
    }

    #[inline(never)]
    fn filter(&self, left: &'a Node, right: &'a Node, condition: &'a Node, value: Item<'a>) -> Outcome<'a> {
        let list = or_null(self.node(left, value))?;
        let Some(items) = self.elements(list)? else { return Ok(NULL) };
        let mut collected = Vec::new();
        for item in items {
            let verdict = or_null(self.node(condition, self.duplicate(&item)?))?;
            if self.test(&verdict)? {
                let found = self.own(or_null(self.node(right, item))?)?;
                if !found.is_null() {
                    collected.push(found);
                }
            }
        }
        Ok(Item::Own(Value::Array(collected)))
    }

    #[inline(never)]
    fn flatten(&self, inner: &'a Node, value: Item<'a>) -> Outcome<'a> {
        let list = or_null(self.node(inner, value))?;
        let Some(items) = self.elements(list)? else { return Ok(NULL) };
        let mut flat = Vec::new();
        for item in items {
            match self.own(item)? {
                Value::Array(nested) => flat.extend(nested),
                other => flat.push(other),
            }
        }
        Ok(Item::Own(Value::Array(flat)))
    }

    fn is_null(&self, value: &Item<'a>) -> bool {
        match value {
            Item::Root => self.lookup.document().is_some_and(|found| found.value.is_null()),
            other => other.value().is_some_and(Value::is_null),
        }
    }

    #[inline(never)]
    fn list(&self, nodes: &'a [Node], value: Item<'a>) -> Outcome<'a> {
        if self.is_null(&value) {
            return Ok(NULL);
        }
        let mut made = Vec::with_capacity(nodes.len());
        for node in nodes {
            let item = or_null(self.node(node, self.duplicate(&value)?))?;
            made.push(self.own(item)?);
        }
        Ok(Item::Own(Value::Array(made)))
    }

    #[inline(never)]
    fn hash(&self, pairs: &'a [(String, Node)], value: Item<'a>) -> Outcome<'a> {
        if self.is_null(&value) {
            return Ok(NULL);
        }
        let mut made = Map::new();
        for (key, node) in pairs {
            let item = or_null(self.node(node, self.duplicate(&value)?))?;
            made.insert(key.clone(), self.own(item)?);
        }
        Ok(Item::Own(Value::Object(made)))
    }

    #[inline(never)]
    fn function(&self, name: &str, nodes: &'a [Node], value: Item<'a>) -> Outcome<'a> {
        let mut arguments = Vec::with_capacity(nodes.len());
        for node in nodes {
            let item = or_null(self.node(node, self.duplicate(&value)?))?;
            arguments.push(self.settle(item)?);
        }
        functions::call(self, name, arguments).map(Item::Own)
    }
}
