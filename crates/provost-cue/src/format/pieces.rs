//! Tokens with what stands between them: line ends, comments, commas.

use crate::error::CueErrors;
use crate::limits::Limits;
use crate::scanner::Scanner;
use crate::source::Sources;
use crate::token::Tok;

/// What stood before a token.
#[derive(Debug, Default)]
pub(super) struct Lead {
    /// A comment on the line of the token before.
    pub(super) trailing: Option<String>,
    /// Comments on lines of their own, each with whether an empty line stood above it.
    pub(super) comments: Vec<(bool, String)>,
    /// Whether a line ended.
    pub(super) newline: bool,
    /// Whether an empty line stood right above.
    pub(super) section: bool,
    /// Whether a comma, written or implied, stood there.
    pub(super) comma: bool,
}

/// What a token is to the printer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Name,
    Keyword,
    Literal,
    Attribute,
    Operator,
}

/// One token.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) role: Role,
    pub(super) text: String,
    pub(super) lead: Lead,
    /// The index of the bracket that closes this one.
    pub(super) close: Option<usize>,
}

impl Piece {
    /// Whether it can end an operand, so that an operator after it has two sides.
    pub(super) fn ends_operand(&self) -> bool {
        match self.role {
            Role::Name | Role::Literal | Role::Attribute => true,
            Role::Keyword => false,
            Role::Operator => matches!(self.text.as_str(), ")" | "]" | "}" | "?" | "..."),
        }
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.role == Role::Operator && self.text == text
    }
}

/// The tokens of a file and what stands after the last one.
pub(super) fn read(
    source: &str,
    file: u32,
    sources: &Sources,
    limits: &Limits,
) -> Result<(Vec<Piece>, Lead), CueErrors> {
    let tokens = Scanner::new(source, file, sources, limits.policy_depth).file()?;
    let mut pieces: Vec<Piece> = Vec::with_capacity(tokens.len());
    let mut open = Vec::new();
    let mut end = 0;
    let mut gap = String::new();
    let mut comma = false;
    // Whether a comprehension at this depth still waits for its body.
    let mut waiting = vec![false];
    for token in tokens {
        let start = token.span.start as usize;
        gap.push_str(source.get(end..start).unwrap_or_default());
        end = end.max(start);
        let (role, text) = match token.tok {
            Tok::Eof => break,
            Tok::Comma(made) => {
                // The comma of `for k, v in` stands inside a clause; it is written with the name before it.
                let clause = pieces.len().checked_sub(2).and_then(|at| pieces.get(at));
                if clause.is_some_and(|piece| piece.role == Role::Keyword && piece.text == "for") {
                    if let Some(key) = pieces.last_mut() {
                        key.text.push(',');
                    }
                } else if !made || waiting.last() != Some(&true) {
                    comma = true;
                }
                end += usize::from(!made);
                continue;
            }
            Tok::Ident(name) => match name.as_str() {
                "in" if !in_clause(&pieces) => (Role::Name, name),
                "else" | "otherwise" | "fallback"
                    if !pieces.last().is_some_and(|piece| piece.is("}")) || comma =>
                {
                    (Role::Name, name)
                }
                "for" | "in" | "if" | "let" | "else" | "otherwise" | "fallback" | "try" | "div" | "mod"
                | "quo" | "rem" | "import" | "package" => (Role::Keyword, name),
                _ => (Role::Name, name),
            },
            Tok::Number(text, float) => {
                end += text.len();
                let written = number(&text, float);
                push(&mut pieces, &mut gap, &mut comma, Role::Literal, written);
                continue;
            }
            Tok::Str { source, .. } => (Role::Literal, source),
            Tok::Bottom => (Role::Literal, "_|_".to_owned()),
            Tok::Attribute(text) => (Role::Attribute, text),
            Tok::Op(op) => (Role::Operator, op.to_owned()),
        };
        end += text.len();
        let text = if role == Role::Keyword && text == "fallback" { "otherwise".to_owned() } else { text };
        let index = pieces.len();
        if role == Role::Keyword && matches!(text.as_str(), "for" | "if") {
            waiting.last_mut().into_iter().for_each(|waits| *waits = true);
        }
        match (role, text.as_str()) {
            (Role::Operator, "{" | "[" | "(") => {
                let body = text == "{" && pieces.last().is_some_and(Piece::ends_operand);
                waiting.last_mut().into_iter().for_each(|waits| *waits &= !body);
                waiting.push(false);
                open.push(index);
            }
            (Role::Operator, ":") => waiting.last_mut().into_iter().for_each(|waits| *waits = false),
            (Role::Operator, "}" | "]" | ")") => {
                waiting.pop();
                if let Some(opening) = open.pop().and_then(|opening: usize| pieces.get_mut(opening)) {
                    opening.close = Some(index);
                }
            }
            _ => {}
        }
        push(&mut pieces, &mut gap, &mut comma, role, text);
    }
    gap.push_str(source.get(end..).unwrap_or_default());
    let lead = lead(&gap, comma, pieces.is_empty());
    Ok((pieces, lead))
}

/// Whether the name at hand stands where a `for` clause has its `in`.
fn in_clause(pieces: &[Piece]) -> bool {
    let word = |back: usize| {
        let piece = pieces.len().checked_sub(back).and_then(|at| pieces.get(at));
        piece.is_some_and(|piece| piece.role == Role::Keyword && piece.text == "for")
    };
    word(2) || word(3)
}

fn push(pieces: &mut Vec<Piece>, gap: &mut String, comma: &mut bool, role: Role, text: String) {
    let lead = lead(gap, *comma, pieces.is_empty());
    gap.clear();
    *comma = false;
    pieces.push(Piece { role, text, lead, close: None });
}

/// Numbers have a digit on both sides of their point, and a small `e`.
fn number(text: &str, float: bool) -> String {
    let mut out = text.to_owned();
    if out.starts_with('.') {
        out.insert(0, '0');
    }
    if let Some(at) = out.find('.')
        && out.get(at + 1..).is_none_or(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    {
        out.insert(at + 1, '0');
    }
    if float { out.replace('E', "e") } else { out }
}

fn lead(gap: &str, comma: bool, first: bool) -> Lead {
    let mut out = Lead { comma, ..Lead::default() };
    let mut blank = false;
    for (row, line) in gap.split('\n').enumerate() {
        let line = line.trim();
        out.newline = row > 0;
        if line.starts_with("//") {
            match row {
                0 if !first => out.trailing = Some(line.to_owned()),
                _ => out.comments.push((blank, line.to_owned())),
            }
            blank = false;
        } else if row > 0 && row < gap.matches('\n').count() {
            blank = true;
        }
    }
    // A comment ends with its line, whatever the scanner made of the line end.
    out.newline |= out.trailing.is_some();
    out.section = blank;
    out
}
