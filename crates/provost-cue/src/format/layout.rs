//! Lines of cells: text is collected cell by cell, and cells below each other are aligned when it is put together.

/// One line.
#[derive(Debug, Default)]
struct Line {
    indent: usize,
    /// All but the last are padded to the width of their column.
    cells: Vec<String>,
    /// Ends the table: lines after it are aligned anew.
    flush: bool,
}

/// Collects lines.
#[derive(Debug)]
pub(crate) struct Layout {
    lines: Vec<Line>,
    line: Line,
    indent: usize,
    /// One level of indentation.
    unit: &'static str,
}

/// Columns beyond this are not aligned: a field, its attribute and its comment are three.
const COLUMNS: usize = 8;

impl Layout {
    /// An empty layout that indents by `unit`.
    pub(crate) fn new(unit: &'static str) -> Self {
        Self { lines: Vec::new(), line: Line::default(), indent: 0, unit }
    }

    /// Adds text to the cell at hand.
    pub(crate) fn text(&mut self, text: &str) {
        if self.line.cells.is_empty() {
            self.line.cells.push(String::new());
            self.line.indent = self.indent;
        }
        if let Some(cell) = self.line.cells.last_mut() {
            cell.push_str(text);
        }
    }

    /// Begins the next cell, one blank or more after the last.
    pub(crate) fn tab(&mut self) {
        self.text("");
        self.line.cells.push(String::new());
    }

    /// Whether nothing stands on the line yet.
    pub(crate) fn at_start(&self) -> bool {
        self.line.cells.is_empty()
    }

    /// Ends the line; `flush` ends the table as well.
    pub(crate) fn newline(&mut self, flush: bool) {
        let mut line = std::mem::take(&mut self.line);
        line.flush = flush;
        self.lines.push(line);
    }

    /// Makes the last line that was ended the last one of its table.
    pub(crate) fn flush(&mut self) {
        if let Some(line) = self.lines.last_mut() {
            line.flush = true;
        }
    }

    /// An empty line, unless there is one already or nothing stands above.
    pub(crate) fn blank_line(&mut self) {
        if self.lines.last().is_some_and(|line| !line.cells.is_empty()) {
            self.newline(true);
        }
    }

    /// Indents the lines that begin from here on.
    pub(crate) fn indent(&mut self) {
        self.indent += 1;
    }

    /// Takes one level back.
    pub(crate) fn outdent(&mut self) {
        self.indent = self.indent.saturating_sub(1);
    }

    /// The text, aligned; a line at hand is ended first.
    pub(crate) fn finish(mut self) -> String {
        if !self.at_start() {
            self.newline(true);
        }
        let mut out = String::new();
        let mut from = 0;
        while from < self.lines.len() {
            let ends = |line: &Line| line.flush || line.cells.is_empty();
            let length = self.lines.get(from..).and_then(|rest| rest.iter().position(ends));
            let to = length.map_or(self.lines.len(), |length| from + length + 1);
            if let Some(table) = self.lines.get_mut(from..to) {
                pad(table, 0);
                for line in table {
                    write(&mut out, line, self.unit);
                }
            }
            from = to;
        }
        out
    }
}

fn write(out: &mut String, line: &Line, unit: &str) {
    let text = line.cells.concat();
    let text = text.trim_end_matches(' ');
    if !text.is_empty() {
        (0..line.indent).for_each(|_| out.push_str(unit));
        out.push_str(text);
    }
    out.push('\n');
}

/// Pads a column of every run of lines that have it and stand equally deep, then the next column within each run.
fn pad(lines: &mut [Line], column: usize) {
    if column >= COLUMNS {
        return;
    }
    let mut from = 0;
    while from < lines.len() {
        let has = |line: &Line| line.cells.len() > column + 1;
        let Some(first) = lines.get(from).filter(|line| has(line)) else {
            from += 1;
            continue;
        };
        let indent = first.indent;
        let run = lines.iter().skip(from).take_while(|line| has(line) && line.indent == indent).count();
        let Some(table) = lines.get_mut(from..from + run) else { return };
        let cells = table.iter().filter_map(|line| line.cells.get(column));
        let width = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        for line in table.iter_mut() {
            // A column that is empty in all its lines takes no room.
            if let Some(cell) = line.cells.get_mut(column).filter(|_| width > 0) {
                let missing = width + 1 - cell.chars().count();
                cell.push_str(&" ".repeat(missing));
            }
        }
        pad(table, column + 1);
        from += run;
    }
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn cells_below_each_other_are_aligned_until_a_flush() {
        let mut layout = Layout::new("\t");
        for (name, value, flush) in [("a:", "1", false), ("long:", "2", true), ("b:", "3", false)] {
            layout.text(name);
            layout.tab();
            layout.text(value);
            layout.newline(flush);
        }
        layout.blank_line();
        layout.blank_line();
        layout.indent();
        layout.text("x");
        assert_eq!(layout.finish(), "a:    1\nlong: 2\nb: 3\n\n\tx\n");
    }
}
