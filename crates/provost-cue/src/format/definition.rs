//! The definition form of files, as `cue def` prints it: declarations merged by field, their expressions as written.

use std::collections::BTreeSet;

use super::pieces::{self, Lead, Piece, Role};
use super::printer::{self, Printer};
use crate::error::{Code, CueErrors, Reason};
use crate::export::{CueStyle, to_source};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::parser;
use crate::policy::PolicyFile;
use crate::source::Sources;

/// Files of one package as one file: fields that several of them declare are written once.
///
/// # Errors
/// What is not CUE in them, or names that mean different things in different files.
pub fn definition(files: &[PolicyFile<'_>], limits: &Limits) -> Result<String, CueErrors> {
    let mut out = Whole::default();
    for file in files {
        let mut sources = Sources::default();
        let index = sources.add(file.name, file.source);
        parser::parse(file.name, file.source, index, &sources, limits)?;
        let (pieces, _) = pieces::read(file.source, index, &sources, limits)?;
        let reader = Reader { printer: printer::over(&pieces), pieces: &pieces };
        reader.file(&mut out)?;
    }
    let mut text = String::new();
    for (index, (blank, comment)) in out.comments.iter().enumerate() {
        text.push_str(if *blank && index > 0 { "\n" } else { "" });
        text.push_str(&format!("{comment}\n"));
    }
    if let Some(package) = &out.package {
        text.push_str(&format!("package {package}\n\n"));
    }
    match out.imports.as_slice() {
        [] => {}
        [one] => text.push_str(&format!("import {one}\n\n")),
        several => {
            text.push_str("import (\n");
            several.iter().for_each(|import| text.push_str(&format!("\t{import}\n")));
            text.push_str(")\n\n");
        }
    }
    write(&merge(out.decls), limits, &mut text);
    let written = super::format("definition", &text, limits)?;
    // CUE sets let clauses apart from a package clause, whether or not there is one.
    let apart = out.package.is_none() && out.imports.is_empty() && written.starts_with("let ");
    Ok(if apart { format!("\n{written}") } else { written })
}

/// What all files have together.
#[derive(Default)]
struct Whole {
    package: Option<String>,
    /// Comments above the package clause, each with whether an empty line stands above it.
    comments: Vec<(bool, String)>,
    imports: Vec<String>,
    lets: BTreeSet<String>,
    decls: Vec<Decl>,
}

enum Decl {
    Field(Field),
    /// A let clause, comprehension, embedding, attribute or ellipsis, as text.
    Other {
        docs: Vec<String>,
        text: String,
        order: u8,
    },
    /// A struct literal that is embedded: its declarations are those of the struct around it.
    Inline(Vec<Self>),
}

struct Field {
    docs: Vec<String>,
    /// The label without its mark.
    label: String,
    /// What makes two declarations one: the name, if it is known; nothing for patterns and computed names.
    key: Option<String>,
    /// `""`, `"!"` or `"?"`.
    mark: &'static str,
    /// What the value is made of, besides declarations of a struct.
    expressions: Vec<Operand>,
    values: Vec<String>,
    /// Declarations, if a struct literal is among the operands.
    decls: Option<Vec<Decl>>,
    attributes: Vec<String>,
}

/// An operand of `&`, and whether it binds less tightly.
struct Operand {
    text: String,
    loose: bool,
}

struct Reader<'p> {
    printer: Printer<'p>,
    pieces: &'p [Piece],
}

fn refuse<T>(what: String) -> Result<T, CueErrors> {
    Err(CueErrors::one(String::new(), Code::Eval, Reason::Unsupported { construct: what }, Vec::new()))
}

/// Predeclared names that are values by themselves.
const KINDS: [&str; 25] = [
    "_", "null", "true", "false", "bool", "string", "bytes", "int", "float", "number", "rune", "uint",
    "uint8", "uint16", "uint32", "uint64", "uint128", "int8", "int16", "int32", "int64", "int128", "float32",
    "float64", "_|_",
];

impl Reader<'_> {
    fn word(&self, at: usize) -> &str {
        self.pieces.get(at).map_or("", |piece| piece.text.as_str())
    }

    fn is_keyword(&self, at: usize, word: &str) -> bool {
        self.pieces.get(at).is_some_and(|piece| piece.role == Role::Keyword && piece.text == word)
    }

    fn file(&self, out: &mut Whole) -> Result<(), CueErrors> {
        let mut at = 0;
        if self.pieces.get(at).is_some_and(|piece| piece.role == Role::Attribute) {
            return refuse(format!("attribute {} of a file in def", self.word(at)));
        }
        if self.is_keyword(at, "package") {
            out.package.get_or_insert_with(|| self.word(at + 1).to_owned());
            out.comments
                .extend(self.pieces.get(at).map(|piece| piece.lead.comments.clone()).unwrap_or_default());
            at += 2;
        }
        while self.is_keyword(at, "import") && self.printer.colon(at).is_none() {
            let end = self.printer.end(at);
            let (mut from, to) = match self.pieces.get(at + 1).and_then(|piece| piece.close) {
                Some(close) => (at + 2, close),
                None => (at + 1, end),
            };
            while from < to {
                let next = self.printer.end(from).max(from + 1).min(to);
                let words: Vec<_> = (from..next).map(|index| self.word(index)).collect();
                let import = words.join(" ");
                let short = |text: &str| match text.split_once(' ') {
                    Some((name, _)) => name.to_owned(),
                    None => text.trim_matches('"').rsplit(['/', ':']).next().unwrap_or_default().to_owned(),
                };
                if out.imports.iter().any(|known| *known != import && short(known) == short(&import)) {
                    return refuse(format!(
                        "def of files that import {} as different packages",
                        short(&import)
                    ));
                }
                if !out.imports.contains(&import) {
                    out.imports.push(import);
                }
                from = next;
            }
            at = end.max(at + 1);
        }
        let decls = self.decls(at, self.pieces.len());
        for decl in &decls {
            let name = match decl {
                Decl::Other { text, .. } => {
                    text.strip_prefix("let ").and_then(|rest| rest.split(' ').next().map(str::to_owned))
                }
                Decl::Field(field) => field.label.split_once('=').map(|(alias, _)| alias.trim().to_owned()),
                Decl::Inline(_) => None,
            };
            if let Some(name) = name
                && !out.lets.insert(name.clone())
            {
                return refuse(format!("def of files that each name something {name}"));
            }
        }
        out.decls.extend(decls);
        Ok(())
    }

    /// The declarations between two places.
    fn decls(&self, from: usize, to: usize) -> Vec<Decl> {
        let mut out = Vec::new();
        let mut at = from;
        while at < to {
            let end = self.printer.end(at).max(at + 1).min(to);
            let docs = self.pieces.get(at).map(|piece| docs(&piece.lead)).unwrap_or_default();
            let whole =
                self.pieces.get(at).and_then(|piece| piece.close).is_some_and(|close| close + 1 == end);
            match self.printer.colon(at) {
                Some(colon) => out.push(Decl::Field(self.field(at, colon, end, docs))),
                None if whole && self.word(at) == "{" => out.push(Decl::Inline(self.decls(at + 1, end - 1))),
                None => {
                    let order = match self.word(at) {
                        "let" if self.is_keyword(at, "let") => 0,
                        "..." => 3,
                        "for" | "if" | "try" => 2,
                        _ => 1,
                    };
                    out.push(Decl::Other { docs, text: self.text(at, end), order });
                }
            }
            at = end;
        }
        out
    }

    fn field(&self, at: usize, colon: usize, end: usize, docs: Vec<String>) -> Field {
        let (last, mark) = match colon.checked_sub(1).map(|last| (last, self.word(last))) {
            Some((last, "?")) => (last, "?"),
            Some((last, "!")) => (last, "!"),
            _ => (colon, ""),
        };
        let name = if self.word(at + 1) == "=" { at + 2 } else { at };
        let known = last == name + 1 && self.word(name + 1) != "~";
        let written = self.word(name);
        let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let text = inner.filter(|inner| !inner.contains(['"', '\\'])).map(str::to_owned);
        let plain = |text: &str| {
            text.starts_with(|c: char| c.is_alphabetic())
                && crate::scanner::identifier(text) == Some(text.len())
                && !KINDS.contains(&text)
        };
        let label = match &text {
            Some(text) if plain(text) && name == at => text.clone(),
            _ => self.text(at, last),
        };
        let literal = !written.starts_with('"') || text.is_some();
        let key = (known && literal && !written.starts_with('#')
            || known && written.starts_with('#') && !written.ends_with('#'))
        .then(|| text.unwrap_or_else(|| written.to_owned()));
        let mut field = Field {
            docs,
            label,
            key,
            mark,
            expressions: Vec::new(),
            values: Vec::new(),
            decls: None,
            attributes: Vec::new(),
        };
        let mut stop = end;
        while stop > colon + 1 && self.pieces.get(stop - 1).is_some_and(|piece| piece.role == Role::Attribute)
        {
            stop -= 1;
            field.attributes.insert(0, self.word(stop).to_owned());
        }
        match self.printer.colon(colon + 1) {
            Some(inner) => {
                field.decls = Some(vec![Decl::Field(self.field(colon + 1, inner, stop, Vec::new()))])
            }
            None => self.operands(colon + 1, stop, &mut field),
        }
        field
    }

    fn operands(&self, from: usize, to: usize, field: &mut Field) {
        let mut cuts = vec![from];
        let (mut at, mut loose) = (from, false);
        while at < to {
            let Some(piece) = self.pieces.get(at) else { break };
            if piece.is("&") {
                cuts.push(at + 1);
            }
            loose |= piece.is("|") || piece.is("=") || piece.is("~");
            at = piece.close.unwrap_or(at) + 1;
        }
        if loose {
            field.expressions.push(Operand { text: self.text(from, to), loose: true });
            return;
        }
        for (index, from) in cuts.iter().copied().enumerate() {
            let to = cuts.get(index + 1).map_or(to, |next| next - 1);
            let close = self.pieces.get(from).and_then(|piece| piece.close);
            if self.word(from) == "{" && close == Some(to - 1) {
                field.decls.get_or_insert_default().extend(self.decls(from + 1, to - 1));
                continue;
            }
            let text = self.text(from, to);
            match self.is_value(from, to) {
                true => field.values.push(text),
                false => field.expressions.push(Operand { text, loose: false }),
            }
        }
    }

    /// Whether an operand is a literal, a type or a bound of one.
    fn is_value(&self, from: usize, to: usize) -> bool {
        (from..to).all(|at| {
            self.pieces.get(at).is_some_and(|piece| match piece.role {
                Role::Literal => !piece.text.contains("\\(") && !piece.text.contains("\\#"),
                Role::Name | Role::Keyword => KINDS.contains(&piece.text.as_str()),
                Role::Operator => at == from || piece.is("-"),
                Role::Attribute => false,
            } && !matches!(piece.text.as_str(), "[" | "(" | "{"))
        })
    }

    /// Tokens as text, structs with each declaration on a line of its own. The formatter sets the space between.
    fn text(&self, from: usize, to: usize) -> String {
        let mut out = String::new();
        let mut at = from;
        while at < to {
            let Some(piece) = self.pieces.get(at) else { break };
            if piece.lead.comma && at > from {
                out.push(',');
            }
            if at > from && !matches!(piece.text.as_str(), "." | "(" | "[" | "," | "?") {
                out.push(' ');
            }
            match piece.close {
                Some(close) if piece.text == "{" => {
                    let mut inner = String::new();
                    write(&merge(self.decls(at + 1, close)), &Limits::default(), &mut inner);
                    match inner.is_empty() {
                        true => out.push_str("{}"),
                        false => out.push_str(&format!("{{\n{inner}}}")),
                    }
                    at = close + 1;
                    continue;
                }
                _ => out.push_str(&piece.text),
            }
            at += 1;
        }
        out
    }
}

/// The comments above a declaration, without the empty lines between them.
fn docs(lead: &Lead) -> Vec<String> {
    match lead.section {
        true => Vec::new(),
        false => lead.comments.iter().map(|(_, text)| text.clone()).collect(),
    }
}

/// Declarations of one struct with each field once, in the order in which they came; let clauses come first.
fn merge(decls: Vec<Decl>) -> Vec<Decl> {
    let mut out: Vec<Decl> = Vec::new();
    // What is embedded comes after what is declared.
    let (inline, mut waiting): (Vec<Decl>, Vec<Decl>) =
        decls.into_iter().partition(|decl| matches!(decl, Decl::Inline(_)));
    waiting.extend(inline);
    waiting.reverse();
    while let Some(decl) = waiting.pop() {
        match decl {
            Decl::Inline(decls) => waiting.extend(decls.into_iter().rev()),
            Decl::Field(field) => {
                let known = out.iter_mut().find_map(|decl| match decl {
                    Decl::Field(known) if known.key.is_some() && known.key == field.key => Some(known),
                    _ => None,
                });
                match known {
                    Some(known) => known.join(field),
                    None => out.push(Decl::Field(field)),
                }
            }
            // Written twice, an embedding or ellipsis says nothing more.
            Decl::Other { text, docs, order } => {
                let again = out
                    .iter()
                    .any(|known| matches!(known, Decl::Other { text: known, .. } if *known == text));
                if !again || order == 2 {
                    out.push(Decl::Other { text, docs, order });
                }
            }
        }
    }
    for decl in &mut out {
        if let Decl::Field(Field { decls: Some(decls), .. }) = decl {
            *decls = merge(std::mem::take(decls));
        }
    }
    out.sort_by_key(|decl| match decl {
        Decl::Other { order: 0, .. } => 0,
        Decl::Other { order: 1, .. } => 1,
        Decl::Other { order: 3, .. } => 4,
        _ => 3,
    });
    out
}

impl Field {
    fn join(&mut self, other: Self) {
        self.docs.extend(other.docs);
        self.attributes.extend(other.attributes);
        self.mark = match (self.mark, other.mark) {
            ("", _) | (_, "") => "",
            ("!", _) | (_, "!") => "!",
            _ => "?",
        };
        if other.label.contains('=') && !self.label.contains('=') {
            self.label = other.label;
        }
        self.expressions.extend(other.expressions);
        self.values.extend(other.values);
        if let Some(decls) = other.decls {
            self.decls.get_or_insert_default().extend(decls);
        }
    }

    fn value(&self, decls: Option<&[Decl]>, limits: &Limits, out: &mut String) {
        let mut parts: Vec<String> = self
            .expressions
            .iter()
            .map(|part| match part.loose && self.count() > 1 {
                true => format!("({})", part.text),
                false => part.text.clone(),
            })
            .collect();
        let values = unify(&self.values, limits);
        if let Some(decls) = decls {
            let mut inner = String::new();
            write(decls, limits, &mut inner);
            let values = values.map(|value| format!("{value}\n")).unwrap_or_default();
            match inner.is_empty() && values.is_empty() {
                true => parts.push("{}".to_owned()),
                false => parts.push(format!("{{\n{values}{inner}}}")),
            }
        } else if let Some(value) = values {
            match parts.is_empty() {
                true => parts.push(value),
                false => parts.push(format!("{{\n{value}\n}}")),
            }
        }
        out.push_str(&parts.join(" & "));
    }

    fn count(&self) -> usize {
        self.expressions.len() + usize::from(!self.values.is_empty()) + usize::from(self.decls.is_some())
    }
}

/// Literals, types and bounds as one, simplified as the evaluator has them.
fn unify(values: &[String], limits: &Limits) -> Option<String> {
    match values {
        [] => None,
        [one] => Some(one.clone()),
        several => {
            let joined = several.join(" & ");
            let source = format!("value: {joined}\n");
            let files = [PolicyFile { name: "definition", source: &source }];
            let printed = Instance::compile(&files, limits)
                .and_then(|instance| {
                    instance.evaluate(None, |evaluation| to_source(evaluation.root(), CueStyle::default()))
                })
                .and_then(|printed| printed);
            let printed =
                printed.ok().and_then(|text| Some(text.trim().strip_prefix("value:")?.trim().to_owned()));
            Some(unsigned(&printed.unwrap_or(joined)))
        }
    }
}

/// CUE writes an integer that is not negative by its name.
fn unsigned(text: &str) -> String {
    let parts: Vec<&str> = text.split(" & ").collect();
    match parts.as_slice() {
        ["int", ">=0", rest @ ..] => [&["uint"][..], rest].concat().join(" & "),
        _ => text.to_owned(),
    }
}

fn write(decls: &[Decl], limits: &Limits, out: &mut String) {
    for decl in decls {
        match decl {
            Decl::Other { docs, text, .. } => {
                docs.iter().for_each(|doc| out.push_str(&format!("{doc}\n")));
                out.push_str(&format!("{text}\n"));
            }
            Decl::Field(field) => {
                field.docs.iter().for_each(|doc| out.push_str(&format!("{doc}\n")));
                one(field, limits, out);
                out.push('\n');
            }
            Decl::Inline(decls) => write(decls, limits, out),
        }
    }
}

fn one(field: &Field, limits: &Limits, out: &mut String) {
    out.push_str(&format!("{}{}: ", field.label, field.mark));
    match (&field.decls, field.count()) {
        (Some(decls), 1) if field.attributes.is_empty() => {
            let fields = only_fields(decls);
            let chain = !field.label.starts_with(['#', '_'])
                && (field.label.starts_with('[') || !field.label.contains('='));
            match fields.as_slice() {
                [only] if chain && only.docs.is_empty() && only.attributes.is_empty() => {
                    one(only, limits, out)
                }
                _ => field.value(Some(decls), limits, out),
            }
        }
        (decls, _) => field.value(decls.as_deref(), limits, out),
    }
    field.attributes.iter().for_each(|attribute| out.push_str(&format!(" {attribute}")));
}

/// The fields of declarations that are nothing but fields with names.
fn only_fields(decls: &[Decl]) -> Vec<&Field> {
    let fields: Vec<_> = decls
        .iter()
        .filter_map(|decl| if let Decl::Field(field) = decl { Some(field) } else { None })
        .collect();
    if fields.len() == decls.len() { fields } else { Vec::new() }
}
