//! Reports as HTML pages: one file each, to be sent to somebody.
//!
//! A page is words, key figures, plots and tables; it knows nothing of what was measured. It fetches nothing and runs nothing, and
//! says so to the browser (`Content-Security-Policy`), so that no name in a report could change that either. What is drawn
//! takes its colours from `page/page.css`, for light, dark and paper; what colours tell, dashes, markers and labels tell too.

mod file;
mod markup;
mod plot;
mod table;
#[cfg(test)]
mod tests;
mod unit;

use std::fmt;

pub(crate) use file::File;
pub(crate) use plot::{
    Bar, Bars, Course, Line, Panel, Percentiles, Plot, Series, Shape, Spread, Spreads, percents,
};
pub(crate) use table::{Cell, Table};
pub(crate) use unit::Unit;

use time::OffsetDateTime;

use crate::service::TimeOfDay;
use markup::Escaped;

/// A report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    pub(crate) title: String,
    /// What was found, in a sentence or two: there are readers who go no further.
    pub(crate) lead: String,
    /// Why it should not be believed, each a sentence or a part of one.
    pub(crate) doubts: Vec<String>,
    pub(crate) sections: Vec<Section>,
    /// By what, and when, it was made.
    pub(crate) origin: String,
}

/// What is told under one heading.
#[derive(Debug, Clone, Default)]
pub(crate) struct Section {
    pub(crate) heading: String,
    pub(crate) parts: Vec<Part>,
}

/// What a section consists of.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// A paragraph.
    Text(String),
    /// What was typed, as it was.
    Command(String),
    Figures(Vec<Figure>),
    Table(Table),
    Plot(Plot),
}

/// A number to be seen first.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: Cell,
    /// What it is to be read with; empty if nothing.
    pub(crate) note: String,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, lead) = (Escaped(&self.title), Escaped(&self.lead));
        writeln!(f, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
        writeln!(f, "<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">")?;
        writeln!(f, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
        writeln!(f, "<meta name=\"color-scheme\" content=\"light dark\">")?;
        writeln!(f, "<link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>")?;
        writeln!(f, "<style>\n{STYLE}</style>\n</head>\n<body>\n<main>")?;
        writeln!(f, "<header>\n<h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n</header>")?;
        self.write_doubts(f)?;
        if self.sections.len() >= CONTENTS_FROM {
            self.write_contents(f)?;
        }
        for (index, section) in self.sections.iter().enumerate() {
            section.write(f, index + 1)?;
        }
        writeln!(f, "</main>\n<footer>{}</footer>\n</body>\n</html>", Escaped(&self.origin))
    }
}

impl Page {
    fn write_doubts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.doubts.is_empty() {
            return Ok(());
        }
        writeln!(f, "<aside class=\"doubts\" role=\"note\">\n<h2>Not trustworthy</h2>\n<ul>")?;
        for doubt in &self.doubts {
            writeln!(f, "<li>{}</li>", Escaped(doubt))?;
        }
        writeln!(f, "</ul>\n</aside>")
    }

    fn write_contents(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "<nav aria-label=\"Contents\">\n<ul>")?;
        for (index, section) in self.sections.iter().enumerate() {
            writeln!(f, "<li><a href=\"#s{}\">{}</a></li>", index + 1, Escaped(&section.heading))?;
        }
        writeln!(f, "</ul>\n</nav>")
    }
}

impl Section {
    /// As the section of this number.
    fn write(&self, f: &mut fmt::Formatter<'_>, number: usize) -> fmt::Result {
        writeln!(f, "<section aria-labelledby=\"s{number}\">")?;
        writeln!(f, "<h2 id=\"s{number}\">{}</h2>", Escaped(&self.heading))?;
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(text) => writeln!(f, "<p>{}</p>", Escaped(text))?,
                Part::Command(text) => writeln!(f, "<pre><code>{}</code></pre>", Escaped(text))?,
                Part::Figures(figures) => write_figures(f, figures)?,
                Part::Table(table) => write!(f, "{table}")?,
                Part::Plot(plot) => plot.write(f, &format!("s{number}p{index}"))?,
            }
        }
        writeln!(f, "</section>")
    }
}

/// What a page says by default of who made it, and when.
pub(crate) fn origin() -> String {
    let now = OffsetDateTime::from(TimeOfDay::Now.read());
    let (date, hour, minute) = (now.date(), now.hour(), now.minute());
    format!("switchboard {}, {date} {hour:02}:{minute:02} UTC", env!("CARGO_PKG_VERSION"))
}

fn write_figures(f: &mut fmt::Formatter<'_>, figures: &[Figure]) -> fmt::Result {
    writeln!(f, "<dl class=\"figures\">")?;
    for Figure { name, value, note } in figures {
        write!(f, "<div><dt>{}</dt><dd>{value}", Escaped(name))?;
        if !note.is_empty() {
            write!(f, "<small>{}</small>", Escaped(note))?;
        }
        writeln!(f, "</dd></div>")?;
    }
    writeln!(f, "</dl>")
}

/// Nothing but what is in the file, and nothing in it runs.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("page/page.css");

/// Shorter pages need no table of contents.
const CONTENTS_FROM: usize = 5;
