//! The order of exported fields: that of the source where sources agree, by name where nothing says otherwise.
//!
//! The structs that were unified into a value each say in which order their fields come. A graph of "before" is
//! made of that: structs that follow each other are chained, structs that `&` joined are not. It is sorted
//! topologically, ties and circles by name, as CUE v0.16 does it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

use crate::context::Context;
use crate::expr::{Expr, ExprId};
use crate::label::{Label, LabelKind};
use crate::source::Span;
use crate::vertex::{Elem, VertexId};
use crate::view::{Field, Value};

/// The fields of a struct in the order of an export.
pub(super) fn fields<'e, 'a>(value: Value<'e, 'a>) -> Vec<Field<'e, 'a>> {
    let fields = value.fields();
    if fields.len() < 2 {
        return fields;
    }
    let context = value.evaluation.context.borrow();
    let vertex = context.actual(value.vertex);
    let labels: Vec<Label> = context
        .vertex(vertex)
        .arcs
        .iter()
        .map(|(label, _)| label)
        .filter(|label| !matches!(label.kind(), LabelKind::Index | LabelKind::Let))
        .collect();
    if labels.len() != fields.len() {
        return fields;
    }
    let sorted = sort(&context, vertex, &labels);
    let ranks: HashMap<Label, usize> = sorted.into_iter().zip(0..).collect();
    let mut ranked: Vec<_> = labels.iter().map(|label| ranks.get(label).copied()).zip(fields).collect();
    ranked.sort_by_key(|(rank, _)| rank.unwrap_or(usize::MAX));
    ranked.into_iter().map(|(_, field)| field).collect()
}

/// Where a struct, or the reference that led to it, stands.
type Place = Option<(u32, u32)>;

/// A struct that was unified into a value.
struct Part {
    place: Place,
    labels: Vec<(Span, Label)>,
    /// Whether `&` joined it to another.
    joined: bool,
    /// Whether its fields have computed names.
    computed: bool,
}

fn place(span: Span) -> Place {
    Some((span.file, span.start))
}

/// The structs behind a vertex, each with its fields.
fn parts(context: &Context<'_>, vertex: VertexId, labels: &HashSet<Label>) -> Vec<Part> {
    let mut index: HashMap<u32, usize> = HashMap::new();
    let mut parts: Vec<Part> = Vec::new();
    let mut named: HashMap<ExprId, Label> = HashMap::new();
    let mut computed: HashSet<ExprId> = HashSet::new();
    let mut sources: Vec<Vec<ExprId>> = Vec::new();
    for (label, arc) in context.vertex(vertex).arcs.iter().filter(|(label, _)| labels.contains(label)) {
        for conjunct in &context.vertex(arc).conjuncts {
            // A document's fields are one struct, which stands nowhere.
            let (key, span, source) = match &conjunct.elem {
                Elem::Expr(id) => (conjunct.env.0, context.program.span(*id), Some(*id)),
                Elem::Data(id) => (u32::MAX, Span { file: u32::MAX, start: id.0 }, None),
                Elem::Value(_) => continue,
            };
            let at = *index.entry(key).or_insert_with(|| {
                parts.push(Part { place: None, labels: Vec::new(), joined: false, computed: false });
                sources.push(Vec::new());
                parts.len() - 1
            });
            let Some(part) = parts.get_mut(at) else { continue };
            part.labels.push((span, label));
            part.place = place(span);
            let mut link = context.link(conjunct.close.chain);
            while let Some(found) = link {
                if found.reference != u32::MAX {
                    part.place = place(context.program.span(ExprId(found.reference)));
                }
                link = context.link(found.up);
            }
            if let Some(id) = source {
                if named.insert(id, label).is_some_and(|earlier| earlier != label) {
                    computed.insert(id);
                }
                if let Some(ids) = sources.get_mut(at) {
                    ids.push(id);
                }
            }
        }
    }
    for (part, ids) in parts.iter_mut().zip(&sources) {
        part.computed = ids.iter().any(|id| computed.contains(id));
        part.labels.sort_by_key(|(span, _)| (span.file, span.start));
        part.labels.dedup_by_key(|(_, label)| *label);
    }
    parts
}

/// Where the operands of every `&` among a vertex's own conjuncts begin.
fn operands(context: &Context<'_>, vertex: VertexId) -> HashSet<Place> {
    let mut found = HashSet::new();
    let mut waiting: Vec<ExprId> = Vec::new();
    for conjunct in &context.vertex(vertex).conjuncts {
        if let Elem::Expr(id) = conjunct.elem {
            waiting.push(id);
        }
    }
    while let Some(id) = waiting.pop() {
        if let Expr::Binary("&", left, right) = context.program.expr(id) {
            for side in [*left, *right] {
                found.insert(place(context.program.span(side)));
                if let Expr::Struct(decls) = context.program.expr(side) {
                    found.extend(decls.iter().filter_map(|decl| match decl {
                        crate::expr::Decl::Field { value, .. } => Some(place(context.program.span(*value))),
                        _ => None,
                    }));
                }
                waiting.push(side);
            }
        }
    }
    found
}

fn sort(context: &Context<'_>, vertex: VertexId, labels: &[Label]) -> Vec<Label> {
    let known: HashSet<Label> = labels.iter().copied().collect();
    let mut parts = parts(context, vertex, &known);
    let operands = operands(context, vertex);
    for part in &mut parts {
        part.joined = operands.contains(&part.place);
    }
    parts.sort_by_key(|part| (part.place, part.computed));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let is_joined = |batch: &[usize], parts: &[Part]| {
        batch.len() > 1 || batch.first().and_then(|at| parts.get(*at)).is_some_and(|part| part.joined)
    };
    let mut single: Vec<Vec<usize>> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let same = single.last().and_then(|batch| batch.first()).and_then(|first| parts.get(*first));
        match single.last_mut() {
            Some(batch) if same.is_some_and(|first| first.place == part.place) && !part.computed => {
                batch.push(at);
            }
            _ => single.push(vec![at]),
        }
    }
    let file = |batch: &[usize], parts: &[Part]| {
        batch.first().and_then(|at| parts.get(*at)).and_then(|part| part.place).map(|(file, _)| file)
    };
    for batch in single {
        match batches.last_mut() {
            Some(last)
                if is_joined(last, &parts)
                    && is_joined(&batch, &parts)
                    && file(last, &parts) == file(&batch, &parts) =>
            {
                last.extend(batch);
            }
            _ => batches.push(batch),
        }
    }
    let mut graph = Graph::new(labels);
    let mut seen: HashMap<Label, usize> = HashMap::new();
    let mut previous: Vec<Label> = Vec::new();
    let mut earlier = None;
    for batch in &batches {
        let joined = is_joined(batch, &parts);
        let here = file(batch, &parts);
        if earlier.is_some_and(|earlier| earlier != here) {
            previous.clear();
        }
        let mut next = Vec::new();
        for at in batch {
            next.extend(graph.chain(&previous, *at, joined, &parts, &mut seen));
        }
        previous = next;
        earlier = Some(here);
    }
    graph.sorted(context)
}

/// The names in a circle with their nodes, and the circle's number.
type Named<'n> = (&'n [(String, usize)], usize);

/// Labels and which come before which.
struct Graph {
    labels: Vec<Label>,
    index: HashMap<Label, usize>,
    after: Vec<Vec<usize>>,
    edges: HashSet<(usize, usize)>,
}

impl Graph {
    fn new(labels: &[Label]) -> Self {
        Self {
            labels: labels.to_vec(),
            index: labels.iter().copied().zip(0..).collect(),
            after: vec![Vec::new(); labels.len()],
            edges: HashSet::new(),
        }
    }

    fn edge(&mut self, from: Label, to: Label) {
        let (Some(from), Some(to)) = (self.index.get(&from).copied(), self.index.get(&to).copied()) else {
            return;
        };
        if self.edges.insert((from, to))
            && let Some(after) = self.after.get_mut(from)
        {
            after.push(to);
        }
    }

    /// Chains the fields of one struct behind those before it; what comes last is what the next is chained to.
    fn chain(
        &mut self,
        previous: &[Label],
        at: usize,
        joined: bool,
        parts: &[Part],
        seen: &mut HashMap<Label, usize>,
    ) -> Vec<Label> {
        let mut previous = previous.to_vec();
        let Some(part) = parts.get(at) else { return previous };
        for (_, label) in &part.labels {
            let by = seen.get(label).copied();
            let same_file = by
                .and_then(|by| parts.get(by))
                .is_some_and(|other| other.place.map(|(file, _)| file) == part.place.map(|(file, _)| file));
            if by == Some(at) || (!joined && same_file) {
                continue;
            }
            seen.insert(*label, at);
            for before in &previous {
                self.edge(*before, *label);
            }
            previous = vec![*label];
        }
        previous
    }

    /// Circles are taken as one, by name; then what nothing precedes any more, the least name first.
    fn sorted(&self, context: &Context<'_>) -> Vec<Label> {
        let circles = self.circles();
        let mut of = vec![0; self.labels.len()];
        for (number, circle) in circles.iter().enumerate() {
            for node in circle {
                if let Some(of) = of.get_mut(*node) {
                    *of = number;
                }
            }
        }
        let mut names: Vec<Vec<(String, usize)>> = Vec::with_capacity(circles.len());
        for circle in &circles {
            let name =
                |node: &usize| self.labels.get(*node).map(|label| context.labels.name(*label).to_string());
            let mut named: Vec<_> = circle.iter().filter_map(|node| Some((name(node)?, *node))).collect();
            named.sort();
            names.push(named);
        }
        let mut waits = vec![0usize; circles.len()];
        let mut follows: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); circles.len()];
        for (from, to) in &self.edges {
            let (Some(from), Some(to)) = (of.get(*from).copied(), of.get(*to).copied()) else { continue };
            if from != to
                && follows.get_mut(from).is_some_and(|follows| follows.insert(to))
                && let Some(waits) = waits.get_mut(to)
            {
                *waits += 1;
            }
        }
        let mut ready: BinaryHeap<Reverse<Named<'_>>> = BinaryHeap::new();
        for (number, names) in names.iter().enumerate() {
            if waits.get(number) == Some(&0) {
                ready.push(Reverse((names, number)));
            }
        }
        let mut out = Vec::with_capacity(self.labels.len());
        while let Some(Reverse((nodes, number))) = ready.pop() {
            out.extend(nodes.iter().filter_map(|(_, node)| self.labels.get(*node).copied()));
            for next in follows.get(number).into_iter().flatten() {
                if let (Some(waits), Some(names)) = (waits.get_mut(*next), names.get(*next)) {
                    *waits -= 1;
                    if *waits == 0 {
                        ready.push(Reverse((names, *next)));
                    }
                }
            }
        }
        out
    }

    /// The strongly connected components, found without recursion: a struct may have any number of fields.
    fn circles(&self) -> Vec<Vec<usize>> {
        let count = self.labels.len();
        let (mut number, mut low) = (vec![usize::MAX; count], vec![0usize; count]);
        let (mut on_stack, mut stack, mut next) = (vec![false; count], Vec::new(), 0);
        let mut out = Vec::new();
        for start in 0..count {
            let mut work = vec![(start, 0usize)];
            while let Some((node, edge)) = work.pop() {
                if edge == 0 {
                    if number.get(node).is_none_or(|number| *number != usize::MAX) {
                        continue;
                    }
                    set(&mut number, node, next);
                    set(&mut low, node, next);
                    set(&mut on_stack, node, true);
                    stack.push(node);
                    next += 1;
                } else if let Some(child) = self.after.get(node).and_then(|after| after.get(edge - 1))
                    && on_stack.get(*child) == Some(&true)
                {
                    let least = low.get(node).copied().min(low.get(*child).copied()).unwrap_or(0);
                    set(&mut low, node, least);
                }
                match self.after.get(node).and_then(|after| after.get(edge)) {
                    Some(child) => {
                        work.push((node, edge + 1));
                        if number.get(*child) == Some(&usize::MAX) {
                            work.push((*child, 0));
                        }
                    }
                    None if low.get(node) == number.get(node) => {
                        let mut circle = Vec::new();
                        while let Some(member) = stack.pop() {
                            set(&mut on_stack, member, false);
                            circle.push(member);
                            if member == node {
                                break;
                            }
                        }
                        out.push(circle);
                    }
                    None => {}
                }
            }
        }
        out
    }
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(slot) = list.get_mut(at) {
        *slot = value;
    }
}
