//! Plots: figures of a page, each drawn twice, for wide and for narrow screens, of which the style sheet shows one.
//!
//! The drawing itself is SVG, by `plotters`; its colours come from the page. Every plot says in its caption how it is to be read, and for
//! those who cannot see it in its description what is in it.

mod canvas;
mod course;
mod key;
mod label;
mod percentiles;
mod rows;
mod scale;

use std::fmt;

pub(crate) use course::{Course, Line, Panel, Shape};
pub(crate) use percentiles::{Percentiles, Series, percents};
pub(crate) use rows::{Bar, Bars, Spread, Spreads};

use super::markup::Escaped;
use canvas::Canvas;

/// A figure of a page.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    pub(crate) title: String,
    /// How it is to be read, in a sentence.
    pub(crate) caption: String,
    drawing: Drawing,
}

#[derive(Debug, Clone)]
enum Drawing {
    Bars(Bars),
    Spreads(Spreads),
    Percentiles(Percentiles),
    Course(Course),
}

impl Plot {
    /// How much there is of something, of each of several.
    pub(crate) fn bars(title: impl Into<String>, caption: impl Into<String>, bars: Bars) -> Self {
        Self { title: title.into(), caption: caption.into(), drawing: Drawing::Bars(bars) }
    }

    /// From where to where something reaches, of each of several.
    pub(crate) fn spreads(title: impl Into<String>, caption: impl Into<String>, spreads: Spreads) -> Self {
        Self { title: title.into(), caption: caption.into(), drawing: Drawing::Spreads(spreads) }
    }

    /// How long the slowest took.
    pub(crate) fn percentiles(
        title: impl Into<String>,
        caption: impl Into<String>,
        percentiles: Percentiles,
    ) -> Self {
        Self { title: title.into(), caption: caption.into(), drawing: Drawing::Percentiles(percentiles) }
    }

    /// How it went, second by second.
    pub(crate) fn course(title: impl Into<String>, caption: impl Into<String>, course: Course) -> Self {
        Self { title: title.into(), caption: caption.into(), drawing: Drawing::Course(course) }
    }

    /// With ids that begin so.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, id: &str) -> fmt::Result {
        let (title, caption) = (Escaped(&self.title), Escaped(&self.caption));
        writeln!(f, "<figure>\n<h3>{title}</h3>")?;
        let Some(content) = self.content() else {
            writeln!(f, "<p class=\"nothing\">Nothing was measured that could be drawn here.</p>")?;
            return writeln!(f, "<figcaption>{caption}</figcaption>\n</figure>");
        };
        for (width, class) in [(WIDE, "wide"), (NARROW, "narrow")] {
            let id = format!("{id}{class}");
            f.write_str(&self.draw(width).into_svg(class, &id, &self.title, &content))?;
        }
        writeln!(f, "<figcaption>{caption}</figcaption>\n</figure>")
    }

    /// What is in it, in words; `None` if nothing is.
    fn content(&self) -> Option<String> {
        match &self.drawing {
            Drawing::Bars(bars) => bars.content(),
            Drawing::Spreads(spreads) => spreads.content(),
            Drawing::Percentiles(percentiles) => percentiles.content(),
            Drawing::Course(course) => course.content(),
        }
    }

    fn draw(&self, width: f64) -> Canvas {
        match &self.drawing {
            Drawing::Bars(bars) => bars.draw(width),
            Drawing::Spreads(spreads) => spreads.draw(width),
            Drawing::Percentiles(percentiles) => percentiles.draw(width),
            Drawing::Course(course) => course.draw(width),
        }
    }
}

/// Pixels, as are all lengths here.
const WIDE: f64 = 800.0;
const NARROW: f64 = 350.0;

fn is_narrow(width: f64) -> bool {
    width < 600.0
}
