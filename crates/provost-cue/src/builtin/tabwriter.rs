//! Package text/tabwriter: cells that end with tabs, lined up in columns.

use super::Builtin;
use super::call::Call;
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

pub(super) static BUILTINS: &[Builtin] = &[Builtin::function("text/tabwriter.Write", &[Kinds::TOP], write)];

fn write(c: &mut Call<'_, '_>) -> Eval {
    let value = c.value(0);
    let text = match &value {
        Value::Text(_) | Value::Bytes(_) => c.lossy(0),
        Value::Vertex(_) if c.context.kinds_of(&value) == Kinds::LIST => {
            let mut text = String::new();
            for item in c.items(0)? {
                match c.settled(&item)? {
                    Value::Text(line) => text.push_str(&line),
                    Value::Bytes(line) => text.push_str(&String::from_utf8_lossy(&line)),
                    other => {
                        let shown = crate::print::value(c.context, &other);
                        let kinds = c.context.kinds_of(&other);
                        return c
                            .complain(format!("cannot use value {shown} (type {kinds}) as (string|bytes)"));
                    }
                }
                text.push('\n');
                c.context.text_budget(text.len())?;
            }
            text
        }
        other => {
            let kinds = c.context.kinds_of(other);
            return c.complain(format!("tabwriter.Write: unsupported type {kinds}"));
        }
    };
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let widths = widths(&lines);
    let columns: usize = widths.iter().flatten().sum();
    c.context.text_budget(text.len().saturating_add(columns))?;
    let mut out = String::new();
    for (index, (cells, widths)) in lines.iter().zip(&widths).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for (column, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            let room = widths.get(column).copied().unwrap_or(0);
            // The last cell of a line ends with it, not with a tab.
            if column + 1 < cells.len() {
                out.extend(std::iter::repeat_n(' ', room.saturating_sub(cell.chars().count())));
            }
        }
    }
    c.answer(&out)
}

/// How wide every cell that ends with a tab is: as the widest of the lines around it that have such a cell there, and a
/// space; columns of empty cells have no width.
fn widths(lines: &[Vec<&str>]) -> Vec<Vec<usize>> {
    let mut widths: Vec<Vec<usize>> =
        lines.iter().map(|cells| vec![0; cells.len().saturating_sub(1)]).collect();
    let most = lines.iter().map(|cells| cells.len().saturating_sub(1)).max().unwrap_or(0);
    for column in 0..most {
        let mut from = 0;
        while from < lines.len() {
            let has = |line: &usize| lines.get(*line).is_some_and(|cells| cells.len() > column + 1);
            if !has(&from) {
                from += 1;
                continue;
            }
            let to = (from..lines.len()).find(|line| !has(line)).unwrap_or(lines.len());
            let cells = lines.iter().take(to).skip(from).filter_map(|cells| cells.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            for line in widths.iter_mut().take(to).skip(from) {
                if let Some(width) = line.get_mut(column) {
                    *width = if widest == 0 { 0 } else { widest + 1 };
                }
            }
            from = to;
        }
    }
    widths
}
