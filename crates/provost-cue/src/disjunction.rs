//! Disjunctions: each arm is tried on a copy of what is known; those that hold remain.

use std::rc::Rc;

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::expr::Expr;
use crate::fault::{Bottom, Done};
use crate::label::LabelKind;
use crate::value::Value;
use crate::vertex::{ArcType, Choice, Conjunct, Elem, Mode, Status, VertexId};

/// Combined disjunctions are cut off here: all pairs of arms are compared, and 1,000 arms are 500,000 pairs, about 1 s.
pub(crate) const ARMS: usize = 1_000;

/// A partial result: a copy of the vertex with one arm of each disjunction so far.
#[derive(Clone)]
struct Partial {
    vertex: VertexId,
    mode: Mode,
    /// The mode of the arm that was tried last.
    arm: Mode,
    /// All disjunctions, as seen from the copy, and those of the vertices it is an arm of.
    choices: Vec<Choice>,
}

/// An arm that holds, and its mode among the arms inside the arm it came from.
type Found = (VertexId, Option<Mode>);
/// What an arm comes to: those that hold with their modes and the disjunctions as they see them, or its error.
type Tried = Result<Vec<(VertexId, Option<Mode>, Vec<Choice>)>, Rc<Bottom>>;

impl Context<'_> {
    /// Decides all disjunctions of a vertex. It ends with an arm in its place, with arms, or with an error.
    pub(crate) fn decide(&mut self, v: VertexId) -> Done {
        let choices = std::mem::take(&mut self.node(v).choices);
        if self.decide_simple(v, &choices)? {
            return Ok(());
        }
        let count = choices.len();
        match self.combine_arms(v, choices, count, true)? {
            Ok(partials) => self.finish(v, partials),
            Err(bottom) => self.add_error(v, bottom),
        }
        Ok(())
    }

    /// All combinations of the arms of the first `count` disjunctions that hold. Where they are not `whole`, more is
    /// to come for them.
    fn combine_arms(
        &mut self,
        v: VertexId,
        choices: Vec<Choice>,
        count: usize,
        whole: bool,
    ) -> Done<Result<Vec<Partial>, Rc<Bottom>>> {
        let mut partials = vec![Partial { vertex: v, mode: Mode::Maybe, arm: Mode::Maybe, choices }];
        for index in 0..count {
            let last = whole && index + 1 == count;
            let mut results: Vec<(Partial, Option<Mode>, Mode)> = Vec::new();
            let mut errors: Vec<Option<Rc<Bottom>>> = Vec::new();
            let (mut left_drops, mut right_drops) = (true, true);
            for partial in &partials {
                let Some(choice) = partial.choices.get(index) else { continue };
                errors.resize(choice.arms.len(), None);
                for (position, (arm, right)) in choice.arms.iter().enumerate() {
                    if results.len() >= ARMS {
                        return self.over("arms of disjunctions of one field", ARMS as u64);
                    }
                    match self.try_arm(v, partial, choice, arm, last)? {
                        Ok(found) => {
                            left_drops &= partial.mode != Mode::Default && partial.arm != Mode::Default;
                            right_drops &= *right != Mode::Default;
                            for (vertex, nested, choices) in found {
                                let result = Partial { vertex, mode: partial.mode, arm: *right, choices };
                                results.push((result, nested, *right));
                            }
                        }
                        Err(bottom) => {
                            if let Some(slot) = errors.get_mut(position) {
                                *slot = Some(bottom);
                            }
                        }
                    }
                }
            }
            partials.clear();
            let mut decided = false;
            for (mut partial, nested, right) in results {
                let left = if left_drops { Mode::Maybe } else { partial.mode };
                partial.mode = match nested {
                    None if right_drops => left,
                    None => combine(left, right),
                    Some(nested) => combine(left, combine(right, nested)),
                };
                decided |= nested.is_some() && partial.mode != Mode::Maybe;
                self.keep(&mut partials, partial, last)?;
            }
            for partial in &mut partials {
                if decided && partial.mode == Mode::Maybe {
                    partial.mode = Mode::Not;
                }
            }
            if partials.is_empty() {
                return Ok(Err(self.empty(v, errors)));
            }
        }
        Ok(Ok(partials))
    }

    fn finish(&mut self, v: VertexId, mut partials: Vec<Partial>) {
        let has_data = self.vertex(v).has_data;
        partials.sort_by_key(|partial| partial.mode != Mode::Default);
        let defaults = partials.iter().filter(|partial| partial.mode == Mode::Default).count();
        for partial in &partials {
            self.vertex_mut(partial.vertex).has_data |= has_data;
        }
        match partials.as_slice() {
            [one] => {
                let by_default = one.mode == Mode::Default;
                self.node(one.vertex).by_default |= by_default;
                self.vertex_mut(v).forward = Some(one.vertex);
                self.node(v).tasks.clear();
            }
            _ => {
                let node = self.node(v);
                node.arms = partials.iter().map(|partial| partial.vertex).collect();
                node.defaults = defaults;
                node.tasks.clear();
            }
        }
    }

    /// Adds a partial result unless an equal one is there. Unfinished ones must also be known to the same definitions.
    fn keep(&mut self, partials: &mut Vec<Partial>, partial: Partial, last: bool) -> Done {
        for known in partials.iter_mut() {
            let alike = self.alike(known.vertex, partial.vertex)?
                && (last || self.closed_alike(known.vertex, partial.vertex)?);
            if alike {
                if partial.mode == Mode::Default {
                    known.mode = Mode::Default;
                }
                return Ok(());
            }
        }
        partials.push(partial);
        Ok(())
    }

    /// Tries one arm on a copy; the copies that hold, and the disjunctions as seen from each.
    fn try_arm(
        &mut self,
        v: VertexId,
        partial: &Partial,
        choice: &Choice,
        arm: &Elem,
        last: bool,
    ) -> Done<Tried> {
        self.enter()?;
        self.trials += 1;
        let mut copied = self.copy(partial.vertex)?;
        let copy = copied.root;
        let forward = self.vertex_mut(v).forward.replace(copy);
        let mut choices = partial.choices.clone();
        for choice in &mut choices {
            choice.env = self.move_env(choice.env, &mut copied.envs, &copied.map)?;
        }
        let env = self.move_env(choice.env, &mut copied.envs, &copied.map)?;
        self.insert(copy, &Conjunct { env, elem: arm.clone(), close: choice.close })?;
        let found = if last || self.has_fatal(copy) {
            self.finalize(copy)?;
            let found = self.outcome(copy)?;
            found.map(|found| found.into_iter().map(|(arm, mode)| (arm, mode, choices.clone())).collect())
        } else {
            self.look_ahead(copy)?;
            match self.fatal_below(copy)? {
                Some(bottom) => Err(bottom),
                None => self.nested_arms(copy, choices)?,
            }
        };
        self.vertex_mut(v).forward = forward;
        self.trials -= 1;
        self.leave();
        Ok(found)
    }

    /// Decides the disjunctions inside an arm before more is said about it.
    fn nested_arms(&mut self, copy: VertexId, choices: Vec<Choice>) -> Done<Tried> {
        let inner = match self.known(copy) {
            Some(node) if node.tasks.is_empty() && !node.choices.is_empty() => node.choices.clone(),
            _ => return Ok(Ok(vec![(copy, None, choices)])),
        };
        self.node(copy).choices.clear();
        let count = inner.len();
        let all = inner.into_iter().chain(choices).collect();
        Ok(self.combine_arms(copy, all, count, false)?.map(|partials| {
            let single = partials.len() == 1;
            let outer = |partial: Partial| {
                let choices = partial.choices.into_iter().skip(count).collect();
                (partial.vertex, (!single || partial.mode == Mode::Default).then_some(partial.mode), choices)
            };
            partials.into_iter().map(outer).collect()
        }))
    }

    /// Inserts what a vertex and its fields are told without completing them, so that contradictions show.
    fn look_ahead(&mut self, v: VertexId) -> Done {
        self.enter()?;
        self.expand(v)?;
        self.run_tasks(v)?;
        let mut next = 0;
        while let Some((_, arc)) = self.vertex(v).arcs.at(next) {
            next += 1;
            let open = self.vertex(arc).arc == ArcType::Member && self.vertex(arc).status <= Status::Open;
            if open && self.only_data(arc).is_none() && !self.has_fatal(v) {
                self.look_ahead(arc)?;
            }
        }
        self.leave();
        Ok(())
    }

    /// What a completed arm comes to: itself, the arms inside it, or its error.
    fn outcome(&mut self, arm: VertexId) -> Done<Result<Vec<Found>, Rc<Bottom>>> {
        let actual = self.actual(arm);
        if let Some(bottom) = self.settle(actual)?
            && !bottom.code.is_incomplete()
        {
            return Ok(Err(bottom));
        }
        if let Some(bottom) = self.unfinished(actual)? {
            return Ok(Err(bottom));
        }
        if self.strict
            && let Some(bottom) = self.absent_in_arm(actual)?
        {
            return Ok(Err(bottom));
        }
        let Some(node) = self.known(actual).filter(|node| !node.arms.is_empty()) else {
            return Ok(Ok(vec![(actual, None)]));
        };
        let defaults = node.defaults;
        let mode = |index: usize| match defaults {
            0 => Mode::Maybe,
            defaults if index < defaults => Mode::Default,
            _ => Mode::Not,
        };
        Ok(Ok(node.arms.iter().enumerate().map(|(index, arm)| (*arm, Some(mode(index)))).collect()))
    }

    /// The first error of a complete arm or its fields, as CUE looks for it: also one that later values could mend
    /// drops the arm, but what lies behind an optional field or let clause is not looked at.
    fn unfinished(&mut self, arm: VertexId) -> Done<Option<Rc<Bottom>>> {
        self.enter()?;
        let arm = self.actual(arm);
        let mut found = self.known(arm).and_then(|node| node.errors.clone());
        if found.is_none() && self.only_data(arm).is_none() {
            let mut next = 0;
            while let Some((label, arc)) = self.vertex(arm).arcs.at(next) {
                next += 1;
                if self.vertex(arc).arc > ArcType::Required || label.kind() == LabelKind::Let {
                    break;
                }
                found = self.unfinished(arc)?;
                if found.is_some() {
                    break;
                }
            }
        }
        self.leave();
        Ok(found)
    }

    /// The error of a disjunction without an arm left.
    pub(crate) fn empty(&mut self, v: VertexId, errors: Vec<Option<Rc<Bottom>>>) -> Rc<Bottom> {
        let mut errors: Vec<Rc<Bottom>> = errors.into_iter().flatten().collect();
        if errors.iter().any(|bottom| bottom.code == Code::User) {
            errors.retain(|bottom| bottom.code == Code::User);
        }
        if errors.len() > 2 && errors.iter().any(|bottom| bottom.code.is_incomplete()) {
            let first = errors.iter().position(|bottom| bottom.code.is_incomplete()).unwrap_or(0);
            errors.drain(..first);
        }
        let code = errors.iter().map(|bottom| bottom.code).filter(|code| *code != Code::User).max();
        let mut faults: Vec<_> = errors.iter().flat_map(|bottom| bottom.faults.iter().cloned()).collect();
        let absent =
            |fault: &crate::fault::Fault| fault.code == Code::Eval && fault.reason == Reason::Required;
        if self.strict && faults.iter().any(absent) {
            // cosign passed, so what refuses are the arms that were dropped.
            faults.retain(absent);
            return Rc::new(Bottom { code: Code::Eval, faults, closedness: false });
        }
        // Disjunctions inside are counted with their own headings.
        if faults.len() != 1 {
            let count = faults.len();
            let heading = Reason::EmptyDisjunction { count };
            faults.insert(0, crate::fault::Fault { at: v, code: Code::Eval, reason: heading, span: None });
        }
        Rc::new(Bottom { code: code.unwrap_or(Code::Eval), faults, closedness: false })
    }

    /// Disjunctions of plain values over a vertex without fields need no copies of more than its own state.
    fn decide_simple(&mut self, v: VertexId, choices: &[Choice]) -> Done<bool> {
        let [choice] = choices else { return Ok(false) };
        let idle = self.known(v).is_some_and(|node| node.tasks.is_empty() && node.waiting_cycles.is_empty());
        let plain = |elem: &Elem| match elem {
            Elem::Expr(id) => match self.program.expr(*id) {
                Expr::Value(value) => Some(value.clone()),
                _ => None,
            },
            Elem::Value(value) => Some(value.clone()),
            Elem::Data(_) => None,
        };
        let simple = |value: &Value| {
            value.is_scalar() || matches!(value, Value::Type(kinds) if *kinds != crate::kind::Kinds::TOP)
        };
        let values: Option<Vec<Value>> =
            choice.arms.iter().map(|(elem, _)| plain(elem).filter(|value| simple(value))).collect();
        let Some(values) = values.filter(|_| idle && self.vertex(v).arcs.len() == 0) else {
            return Ok(false);
        };
        let Some(node) = self.known(v) else { return Ok(false) };
        if node.scalar.is_none() {
            return Ok(false);
        }
        let saved = self.vertex(v).node.clone();
        let mut kept: Option<(Box<crate::vertex::Node>, Mode)> = None;
        let mut errors = Vec::new();
        for (value, (_, mode)) in values.iter().zip(&choice.arms) {
            self.insert_value(v, value, choice.close)?;
            self.check_value(v)?;
            let tried = std::mem::replace(&mut self.vertex_mut(v).node, saved.clone());
            match tried {
                Some(node) if node.errors.is_none() => {
                    let mode = kept.as_ref().map_or(*mode, |(_, known)| (*mode).max(*known));
                    kept = Some((kept.map_or(node, |(known, _)| known), mode));
                }
                tried => errors.push(tried.and_then(|node| node.errors)),
            }
        }
        match kept {
            // One value is known, so all arms that hold are that value.
            Some((node, _)) => self.vertex_mut(v).node = Some(node),
            None => {
                let bottom = self.empty(v, errors);
                self.add_error(v, bottom);
            }
        }
        Ok(true)
    }
}

/// The mode of a combination, by the rules of the specification.
fn combine(a: Mode, b: Mode) -> Mode {
    match (a.min(b), a.max(b)) {
        (Mode::Maybe, other) => other,
        (Mode::Not, _) => Mode::Not,
        (other, _) => other,
    }
}
