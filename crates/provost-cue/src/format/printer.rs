//! The printer: pieces to lines. Line breaks are kept, everything between them is made uniform.

use super::layout::Layout;
use super::pieces::{Lead, Piece, Role};

/// What brackets, values and the file itself are to what stands in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The file or a struct: declarations.
    Decls,
    /// A list or the arguments of a call: a comma after each, also the last on its line.
    Items,
    /// Parentheses, an index, a label: an expression.
    Group,
    /// The value of a field, which continues indented.
    Value,
}

struct Frame {
    kind: Kind,
    indented: bool,
    /// Whether the bracket stands on the line at hand.
    same_line: bool,
    /// Whether nothing stands after the bracket yet.
    fresh: bool,
    /// How deep expressions are nested: beyond 1 arithmetic is written close.
    depth: usize,
    /// The least tight binary operator of the expression at hand.
    loosest: u8,
}

/// The formatted text of a file.
pub(super) fn print(pieces: &[Piece], rest: &Lead) -> String {
    let mut printer = over(pieces);
    printer.frames.push(Frame {
        kind: Kind::Decls,
        indented: true,
        same_line: false,
        fresh: false,
        depth: 1,
        loosest: 9,
    });
    for at in 0..pieces.len() {
        printer.piece(at);
    }
    printer.comments(rest, true);
    printer.layout.finish()
}

/// A printer of nothing yet: for questions about where tokens belong.
pub(super) fn over(pieces: &[Piece]) -> Printer<'_> {
    Printer { pieces, layout: Layout::new("\t"), frames: Vec::new(), decl_flush: false }
}

pub(super) struct Printer<'p> {
    pieces: &'p [Piece],
    layout: Layout,
    frames: Vec<Frame>,
    /// Whether the declaration at hand ends the table of those above it.
    decl_flush: bool,
}

/// How tightly a binary operator binds.
fn tightness(text: &str) -> Option<u8> {
    Some(match text {
        "|" => 1,
        "&" => 2,
        "||" => 3,
        "&&" => 4,
        "==" | "!=" | "<" | "<=" | ">" | ">=" | "=~" | "!~" => 5,
        "+" | "-" => 6,
        "*" | "/" | "div" | "mod" | "quo" | "rem" => 7,
        _ => return None,
    })
}

impl Printer<'_> {
    fn get(&self, at: usize) -> Option<&Piece> {
        self.pieces.get(at)
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.get(at).is_some_and(|piece| piece.is(text))
    }

    fn ends_operand(&self, at: usize) -> bool {
        self.get(at).is_some_and(Piece::ends_operand)
    }

    fn is_binary(&self, at: usize) -> bool {
        let Some(piece) = self.get(at) else { return false };
        let word = matches!(piece.role, Role::Operator | Role::Keyword);
        let apart = piece.lead.comma || at == 0;
        word && tightness(&piece.text).is_some() && !apart && self.ends_operand(at - 1)
    }

    /// Where a label that begins here has its colon.
    pub(super) fn colon(&self, at: usize) -> Option<usize> {
        let piece = self.get(at)?;
        let mut next = match (piece.role, piece.text.as_str()) {
            (Role::Name | Role::Keyword | Role::Literal, _) => at + 1,
            (Role::Operator, "(" | "[") => piece.close? + 1,
            _ => return None,
        };
        if self.is(next, "=") && piece.role == Role::Name {
            return self.colon(next + 1);
        }
        if self.is(next, "~") {
            next = match self.get(next + 1)?.close {
                Some(close) => close + 1,
                None => next + 2,
            };
        }
        if self.is(next, "?") || self.is(next, "!") {
            next += 1;
        }
        (self.is(next, ":") && !self.get(next)?.lead.comma).then_some(next)
    }

    /// Where the declaration, item or group part that begins here ends: the index after its last token.
    pub(super) fn end(&self, from: usize) -> usize {
        let mut at = from;
        while let Some(piece) = self.get(at) {
            let closes = piece.role == Role::Operator && matches!(piece.text.as_str(), "}" | "]" | ")");
            if closes || (at > from && piece.lead.comma) {
                break;
            }
            at = piece.close.map_or(at, |close| close) + 1;
        }
        at
    }

    /// Whether a value ends the table around it: it holds a struct, a list or a text of several lines.
    fn is_broad(&self, from: usize) -> bool {
        let end = self.end(from);
        (from..end).any(|at| {
            self.get(at).is_some_and(|piece| match piece.role {
                Role::Literal => piece.text.contains('\n'),
                Role::Operator => {
                    let index = at > from && !piece.lead.comma && self.ends_operand(at - 1);
                    piece.text == "{" || (piece.text == "[" && !index)
                }
                _ => false,
            })
        })
    }

    /// Whether a value is one struct or list and nothing else.
    fn is_literal(&self, value: usize) -> bool {
        let Some(piece) = self.get(value) else { return false };
        (piece.is("{") || piece.is("[")) && piece.close.map(|close| close + 1) == Some(self.end(value))
    }

    /// How many labels lead to a value; 0 where it is a struct of several.
    fn nesting(&self, at: usize) -> usize {
        let Some(colon) = self.colon(at) else { return 0 };
        let value = colon + 1;
        if self.colon(value).is_some() {
            return 1 + self.nesting(value);
        }
        match self.get(value) {
            Some(piece) if piece.is("{") && piece.close.map(|close| close + 1) == Some(self.end(value)) => {
                let Some(close) = piece.close else { return 1 };
                let inner = value + 1;
                match (inner == close, self.end(inner) == close) {
                    (false, true) => 1 + self.nesting(inner),
                    _ => 0,
                }
            }
            _ => 1,
        }
    }

    fn frame(&self) -> Option<&Frame> {
        self.frames.last()
    }

    /// Begins a new line; the first one in a frame indents it.
    fn line(&mut self, lead: &Lead, flush: bool) {
        self.trailing(lead);
        self.layout.newline(flush);
        self.frames.iter_mut().for_each(|frame| frame.same_line = false);
        if let Some(frame) = self.frames.last_mut().filter(|frame| !frame.indented) {
            frame.indented = true;
            self.layout.indent();
        }
    }

    fn trailing(&mut self, lead: &Lead) {
        if let Some(comment) = &lead.trailing {
            let opened = self.frame().is_some_and(|frame| frame.same_line && frame.fresh);
            if !self.layout.at_start() && !opened {
                self.layout.tab();
            }
            self.layout.text(comment);
        }
    }

    /// Comments on lines of their own; the line before them has ended, unless `end` says that the file ends.
    fn comments(&mut self, lead: &Lead, end: bool) {
        if end {
            self.trailing(lead);
            if !self.layout.at_start() {
                self.layout.newline(true);
            }
        }
        for (blank, comment) in &lead.comments {
            if *blank {
                self.layout.blank_line();
            }
            self.layout.text(comment);
            self.layout.newline(false);
        }
        if lead.section && !end {
            self.layout.blank_line();
        }
    }

    fn pop(&mut self) {
        if self.frames.pop().is_some_and(|frame| frame.indented) {
            self.layout.outdent();
        }
    }

    fn piece(&mut self, at: usize) {
        let Some(piece) = self.pieces.get(at) else { return };
        let closes = piece.role == Role::Operator && matches!(piece.text.as_str(), "}" | "]" | ")");
        let first = at == 0 || self.opens(at - 1);
        if closes || piece.lead.comma {
            while self.frame().is_some_and(|frame| frame.kind == Kind::Value) {
                self.pop();
            }
        }
        if closes {
            self.close(at, first);
            return;
        }
        let starts = first || piece.lead.comma;
        let kind = self.frame().map_or(Kind::Decls, |frame| frame.kind);
        if starts {
            self.start(at, first, kind);
        } else if piece.lead.newline && piece.role == Role::Keyword && kind != Kind::Value {
            // The clauses of one comprehension stand below each other.
            self.trailing(&piece.lead);
            self.layout.newline(true);
            self.comments(&Lead { section: false, ..clone(&piece.lead) }, false);
        } else if piece.lead.newline && self.may_break(at) {
            self.line(&piece.lead, true);
            self.comments(&Lead { section: false, ..clone(&piece.lead) }, false);
        } else {
            let space = self.space(at);
            self.layout.text(space);
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.fresh = false;
        }
        self.layout.text(&piece.text);
        if self.opens(at) {
            self.open(at);
        } else if piece.is(":") && self.frame().is_some_and(|frame| frame.kind == Kind::Decls) {
            self.value(at);
        }
    }

    /// Text after a field's colon is a column of its own, unless it is broad or another label.
    fn value(&mut self, colon: usize) {
        let value = colon + 1;
        let braced = self.is(value, "{") || self.is(value, "[");
        let nested = self.colon(value).is_some();
        let same_line = self.frame().is_some_and(|frame| frame.same_line);
        match nested || same_line || self.is_broad(value) {
            true => self.layout.text(" "),
            false => self.layout.tab(),
        }
        if !nested && !braced {
            let depth = 1;
            self.push(Kind::Value, depth, value);
        }
    }

    fn push(&mut self, kind: Kind, depth: usize, from: usize) {
        self.frames.push(Frame { kind, indented: false, same_line: false, fresh: false, depth, loosest: 9 });
        self.segment(from);
    }

    /// Finds the least tight operator of the expression that begins here.
    fn segment(&mut self, from: usize) {
        let end = self.end(from);
        let mut loosest = 9;
        let mut at = from;
        while at < end {
            if self.is_binary(at)
                && let Some(binds) = self.get(at).and_then(|piece| tightness(&piece.text))
            {
                loosest = binds.min(loosest);
            }
            at = self.get(at).and_then(|piece| piece.close).map_or(at, |close| close) + 1;
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.loosest = loosest;
        }
    }

    fn opens(&self, at: usize) -> bool {
        self.get(at).is_some_and(|piece| {
            piece.role == Role::Operator && matches!(piece.text.as_str(), "{" | "[" | "(")
        })
    }

    fn open(&mut self, at: usize) {
        let outer = self.frame().map_or((1, 9), |frame| (frame.depth, frame.loosest));
        let inside = outer.0 + usize::from(outer.1 < 9);
        let Some(piece) = self.pieces.get(at) else { return };
        let operand = at > 0 && self.ends_operand(at - 1) && !piece.lead.comma;
        let import = at > 0 && self.get(at - 1).is_some_and(|before| before.text == "import");
        let several = self.end(at + 1) != piece.close.unwrap_or(at + 1);
        let (kind, depth) = match piece.text.as_str() {
            "{" => (Kind::Decls, 1),
            "(" if import => (Kind::Decls, 1),
            "(" if operand => (Kind::Items, inside + usize::from(several)),
            "(" => (Kind::Group, inside.saturating_sub(1).max(1)),
            _ if operand => (Kind::Group, inside + 1),
            _ => (Kind::Items, 1),
        };
        self.push(kind, depth, at + 1);
        if let Some(frame) = self.frames.last_mut() {
            frame.same_line = true;
            frame.fresh = true;
        }
    }

    fn close(&mut self, at: usize, first: bool) {
        let Some(piece) = self.pieces.get(at) else { return };
        let kind = self.frame().map_or(Kind::Group, |frame| frame.kind);
        let has_comments = !piece.lead.comments.is_empty() || piece.lead.trailing.is_some();
        if (piece.lead.newline && !first && kind != Kind::Group) || has_comments {
            if kind == Kind::Items && !first {
                self.layout.text(",");
            }
            self.line(&piece.lead, true);
            self.comments(&Lead { section: false, ..clone(&piece.lead) }, false);
        }
        self.pop();
        self.layout.text(&piece.text);
    }

    /// The first token of a declaration or item.
    fn start(&mut self, at: usize, first: bool, kind: Kind) {
        let Some(piece) = self.pieces.get(at) else { return };
        let field = self.colon(at).is_some();
        let braced = self.colon(at).is_some_and(|colon| self.is_literal(self.last_colon(colon) + 1));
        if at == 0 {
            self.comments(&piece.lead, false);
        } else if first {
            if piece.lead.newline && kind != Kind::Group {
                self.line(&piece.lead, true);
                self.comments(&Lead { section: false, ..clone(&piece.lead) }, false);
            }
        } else if piece.lead.newline {
            if kind == Kind::Items {
                self.layout.text(",");
            }
            let previous = self.previous(at);
            // A comment on the line keeps its table together.
            let flush = (self.decl_flush && piece.lead.trailing.is_none())
                || !field
                || braced
                || self.nesting(previous) != self.nesting(at);
            self.line(&piece.lead, flush && kind == Kind::Decls);
            if self.wants_section(at) || (kind == Kind::Decls && self.stands_apart(at, previous)) {
                self.layout.blank_line();
            }
            self.comments(&piece.lead, false);
        } else {
            self.layout.text(", ");
        }
        self.decl_flush = kind == Kind::Decls
            && self.colon(at).is_none_or(|colon| self.is_broad(self.last_colon(colon) + 1));
        self.segment(at);
    }

    /// The colon before the value itself, behind all labels.
    fn last_colon(&self, colon: usize) -> usize {
        let mut colon = colon;
        while let Some(next) = self.colon(colon + 1) {
            colon = next;
        }
        colon
    }

    /// Where the declaration before this one begins.
    fn previous(&self, at: usize) -> usize {
        let mut from = at;
        let mut depth = 0usize;
        while from > 0 {
            from -= 1;
            let Some(piece) = self.get(from) else { break };
            match piece.text.as_str() {
                "}" | "]" | ")" if piece.role == Role::Operator => depth += 1,
                "{" | "[" | "(" if piece.role == Role::Operator => match depth {
                    0 => return from + 1,
                    _ => depth -= 1,
                },
                _ => {}
            }
            if depth == 0 && piece.lead.comma {
                return from;
            }
        }
        from
    }

    /// A declaration with comments stands apart from a definition, or from what is no field, before it.
    fn stands_apart(&self, at: usize, previous: usize) -> bool {
        let lead = |at: usize| self.get(at).map(|piece| &piece.lead);
        let above = lead(at).is_some_and(|lead| !lead.comments.is_empty() && !lead.section);
        let beside = lead(self.end(at)).is_some_and(|lead| lead.trailing.is_some());
        let definition =
            self.get(previous).is_some_and(|piece| piece.text.trim_start_matches('_').starts_with('#'));
        (above || beside) && (definition || self.colon(previous).is_none())
    }

    /// The package clause and the imports stand apart from what follows.
    fn wants_section(&self, at: usize) -> bool {
        let before =
            (0..at).rev().find(|back| *back == 0 || self.get(*back).is_some_and(|piece| piece.lead.comma));
        let word = |at: Option<usize>| at.and_then(|at| self.get(at)).map(|piece| piece.text.as_str());
        let top = self.frames.len() == 1;
        let this = word(Some(at));
        top && match word(before) {
            Some("package") => true,
            Some("import") => this != Some("import") || self.get(at).is_some_and(|piece| piece.lead.section),
            _ => self.is(at - 1, ")") && this != Some("import") && self.closes_import(at - 1),
        }
    }

    fn closes_import(&self, at: usize) -> bool {
        let opening = self.pieces.iter().position(|piece| piece.close == Some(at));
        opening.is_some_and(|opening| {
            opening > 0 && self.get(opening - 1).is_some_and(|piece| piece.text == "import")
        })
    }

    /// Whether the source's line break before a token is kept inside an expression.
    fn may_break(&self, at: usize) -> bool {
        at > 0 && (self.is_binary(at - 1) || self.is(at - 1, "."))
            || !self
                .pieces
                .get(at)
                .is_none_or(|piece| piece.lead.comments.is_empty() && piece.lead.trailing.is_none())
    }

    /// What stands between two tokens of one expression or label.
    fn space(&self, at: usize) -> &'static str {
        let (Some(before), Some(piece)) = (at.checked_sub(1).and_then(|at| self.get(at)), self.get(at))
        else {
            return "";
        };
        let blank = |wanted: bool| if wanted { " " } else { "" };
        let frame = self.frame();
        let close_by = |at: usize| {
            let binds = self.get(at).and_then(|piece| tightness(&piece.text)).unwrap_or(0);
            let word = self.get(at).is_some_and(|piece| piece.role == Role::Keyword);
            let (depth, loosest) = frame.map_or((1, 9), |frame| (frame.depth, frame.loosest));
            !word && binds >= 6 && (binds > loosest || depth > 1)
        };
        if self.is_binary(at) {
            return blank(!close_by(at));
        }
        if self.is_binary(at - 1) {
            let sign = matches!(piece.text.as_str(), "-" | "+" | "*") && piece.role == Role::Operator;
            return blank(!close_by(at - 1) || (sign && piece.text == before.text));
        }
        if piece.role == Role::Attribute {
            return " ";
        }
        match (before.role, piece.role) {
            // After a field's colon the space has been written with it.
            _ if before.is(":") => "",
            (Role::Name, _) if before.text.ends_with(',') => " ",
            (Role::Keyword, _) if piece.is("(") && tightness(&before.text).is_some() => "",
            (Role::Keyword, _) => {
                let mark = (piece.is("?") || piece.is("!")) && self.is(at + 1, ":");
                blank(!piece.is(":") && !mark)
            }
            (_, Role::Keyword) => blank(before.role != Role::Operator || self.ends_operand(at - 1)),
            _ if piece.is("=") || before.is("=") => blank(self.in_let(at)),
            _ if before.is("...") => "",
            _ if piece.is("{") => blank(self.ends_operand(at - 1)),
            (Role::Name, Role::Literal) => " ",
            _ => "",
        }
    }

    /// Whether an `=` near here belongs to a let clause or a try assignment.
    fn in_let(&self, at: usize) -> bool {
        let word = |back: usize| {
            at.checked_sub(back).and_then(|at| self.get(at)).is_some_and(|piece| {
                piece.role == Role::Keyword && matches!(piece.text.as_str(), "let" | "try")
            })
        };
        word(2) || word(3)
    }
}

fn clone(lead: &Lead) -> Lead {
    Lead {
        trailing: lead.trailing.clone(),
        comments: lead.comments.clone(),
        newline: lead.newline,
        section: lead.section,
        comma: lead.comma,
    }
}
