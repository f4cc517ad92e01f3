//! Package encoding/csv: records of RFC 4180 as lists of lists.

use super::Builtin;
use super::call::Call;
use super::json;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("encoding/csv.Encode", &[Kinds::TOP], encode),
    Builtin::function("encoding/csv.Decode", &[Kinds::STRING_OR_BYTES], |c| {
        let text = c.lossy(0);
        c.context.text_budget(text.len())?;
        match decode(&text) {
            Ok(records) => {
                c.context.spend(records.iter().map(Vec::len).sum())?;
                let list = |record: Vec<String>| {
                    Value::List(record.iter().map(|field| Value::text(field)).collect())
                };
                c.list(records.into_iter().map(list).collect())
            }
            Err(problem) => c.complain(problem),
        }
    }),
];

fn encode(c: &mut Call<'_, '_>) -> Eval {
    let mut out = String::new();
    for row in c.list_of(&c.value(0))? {
        for (index, item) in c.list_of(&row)?.into_iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            let field = match c.settled(&item)? {
                Value::Text(text) => text.to_string(),
                other => json::marshal(c, &other)?,
            };
            // What a reader could misread is quoted, as Go does it.
            let odd =
                field.contains(['"', ',', '\n', '\r']) || field.starts_with(|c: char| c.is_whitespace());
            if field == "\\." || odd {
                out.push('"');
                out.push_str(&field.replace('"', "\"\""));
                out.push('"');
            } else {
                out.push_str(&field);
            }
            c.context.text_budget(out.len())?;
        }
        out.push('\n');
    }
    c.answer(&out)
}

/// All records; `Err` holds Go's words. Empty lines do not count.
fn decode(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut records: Vec<Vec<String>> = Vec::new();
    let mut lines = text.split_inclusive('\n').zip(1usize..);
    while let Some((line, number)) = lines.next() {
        let start = number;
        if matches!(line, "\n" | "\r\n") {
            continue;
        }
        let record = record(line, number, &mut lines)?;
        if records.first().is_some_and(|first| first.len() != record.len()) {
            return Err(format!("record on line {start}: wrong number of fields"));
        }
        records.push(record);
    }
    Ok(records)
}

/// The fields of a record that begins with a line; quoted fields may go on over the next ones.
fn record<'a>(
    line: &'a str,
    start: usize,
    lines: &mut impl Iterator<Item = (&'a str, usize)>,
) -> Result<Vec<String>, String> {
    let (mut line, mut number) = (without_return(line), start);
    let mut fields = Vec::new();
    let mut at = 0;
    let fault = |number: usize, at: usize, problem: &str| {
        let record = if number == start { String::new() } else { format!("record on line {start}; ") };
        format!("{record}parse error on line {number}, column {}: {problem}", at + 1)
    };
    loop {
        let rest = line.get(at..).unwrap_or_default();
        if !rest.starts_with('"') {
            let end = rest.find(',').unwrap_or(rest.trim_end_matches('\n').len());
            let field = rest.get(..end).unwrap_or_default();
            if let Some(quote) = field.find('"') {
                return Err(fault(number, at + quote, "bare \" in non-quoted-field"));
            }
            fields.push(field.to_owned());
            if !rest.get(end..).is_some_and(|rest| rest.starts_with(',')) {
                return Ok(fields);
            }
            at += end + 1;
            continue;
        }
        at += 1;
        let mut field = String::new();
        loop {
            let rest = line.get(at..).unwrap_or_default();
            let Some(quote) = rest.find('"') else {
                field.push_str(rest);
                match lines.next() {
                    Some((next, n)) => (line, number, at) = (without_return(next), n, 0),
                    None => {
                        // Go points behind the last byte of the file.
                        let (number, at) =
                            if line.ends_with('\n') { (number + 1, 0) } else { (number, line.len()) };
                        return Err(fault(number, at, "extraneous or missing \" in quoted-field"));
                    }
                }
                continue;
            };
            field.push_str(rest.get(..quote).unwrap_or_default());
            at += quote + 1;
            match line.as_bytes().get(at) {
                Some(b'"') => {
                    field.push('"');
                    at += 1;
                }
                Some(b',') => {
                    at += 1;
                    break;
                }
                Some(b'\n') | None => {
                    fields.push(field);
                    return Ok(fields);
                }
                Some(_) => return Err(fault(number, at - 1, "extraneous or missing \" in quoted-field")),
            }
        }
        fields.push(field);
    }
}

/// A line whose end is a plain newline.
fn without_return(line: &str) -> &str {
    // A carriage return before the newline ends the line as well; at the end of the file it is dropped.
    line.strip_suffix("\r\n").or_else(|| line.strip_suffix('\r')).unwrap_or(line)
}
