//! Tables, for those who want the numbers, and for programs: each number is there unrounded, too, in a `data` element.

use std::fmt;

use super::markup::Escaped;
use super::unit::Unit;

/// A table. The first cell of each row names the row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) caption: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// The row to look at first.
    pub(crate) marked: Option<usize>,
}

/// What stands in a place of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    Number(Unit, f64),
    /// With the ends of the interval it is believed to lie in.
    Between(Unit, f64, (f64, f64)),
    /// It was not measured.
    Missing,
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn time(time: std::time::Duration) -> Self {
        Self::Number(Unit::Time, time.as_secs_f64())
    }

    pub(crate) fn count(count: u64) -> Self {
        Self::Number(Unit::Count, count as f64)
    }

    fn is_number(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Text(ref text) => write!(f, "{}", Escaped(text)),
            Self::Number(_, value) | Self::Between(_, value, _) if !value.is_finite() => Self::Missing.fmt(f),
            Self::Number(unit, value) => write!(f, "<data value=\"{value}\">{}</data>", unit.say(value)),
            Self::Between(unit, value, (low, high)) => {
                write!(f, "<data value=\"{value}\">{}</data> ", unit.say(value))?;
                write!(f, "<span class=\"interval\">{} to {}</span>", unit.say(low), unit.say(high))
            }
            Self::Missing => f.write_str("<span title=\"not measured\">–</span>"),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caption = Escaped(&self.caption);
        let shown = || (0..self.columns.len()).filter(|index| !self.is_missing(*index));
        let class = if shown().count() > MANY { "table dense" } else { "table" };
        // Wide ones scroll on their own, by keys as well.
        writeln!(
            f,
            "<div class=\"{class}\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\">\n<table>"
        )?;
        writeln!(f, "<caption>{caption}</caption>\n<thead>\n<tr>")?;
        for (index, column) in shown().map(|index| (index, &self.columns[index])) {
            let class = if self.is_numeric(index) { " class=\"number\"" } else { "" };
            writeln!(f, "<th scope=\"col\"{class}>{}</th>", Escaped(column))?;
        }
        writeln!(f, "</tr>\n</thead>\n<tbody>")?;
        for (number, row) in self.rows.iter().enumerate() {
            let class = if self.marked == Some(number) { " class=\"marked\"" } else { "" };
            write!(f, "<tr{class}>")?;
            for (index, cell) in shown().filter_map(|index| Some((index, row.get(index)?))) {
                match (index, self.is_numeric(index)) {
                    (0, _) => write!(f, "<th scope=\"row\">{cell}</th>")?,
                    (_, true) => write!(f, "<td class=\"number\">{cell}</td>")?,
                    (_, false) => write!(f, "<td>{cell}</td>")?,
                }
            }
            writeln!(f, "</tr>")?;
        }
        writeln!(f, "</tbody>\n</table>\n</div>")
    }
}

impl Table {
    /// Whether nothing of a column was measured: then it is left out.
    fn is_missing(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column)).peekable();
        column > 0 && cells.peek().is_some() && cells.all(|cell| *cell == Cell::Missing)
    }

    /// Whether a column holds numbers, or nothing.
    fn is_numeric(&self, column: usize) -> bool {
        column > 0 && self.rows.iter().filter_map(|row| row.get(column)).all(Cell::is_number)
    }
}

/// Columns that have room enough.
const MANY: usize = 9;
