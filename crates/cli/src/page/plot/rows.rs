//! Plots with a row for each of several: bars from zero with the intervals they are believed to end in, and marks on a logarithmic
//! axis.
//!
//! On narrow screens the names stand above, so that what is drawn has all the width.

use super::canvas::{Anchor, Canvas, Point};
use super::key::{self, Entry, Sample};
use super::scale::Scale;
use super::{is_narrow, label};
use crate::page::unit::Unit;

/// How much of something each of several has.
#[derive(Debug, Clone)]
pub(crate) struct Bars {
    /// What the axis counts, and in which direction it is better.
    pub(crate) axis: String,
    pub(crate) unit: Unit,
    /// What a bar consists of, from zero on; one name or none if it is of one piece.
    pub(crate) parts: Vec<String>,
    pub(crate) bars: Vec<Bar>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) name: String,
    /// As many as there are names of parts; none if it was not measured.
    pub(crate) parts: Vec<f64>,
    /// Where the end of the bar lies, with 95 % confidence.
    pub(crate) interval: Option<(f64, f64)>,
    /// What is said beside the number; empty if nothing is.
    pub(crate) note: String,
    /// Whether to look at it first.
    pub(crate) is_marked: bool,
}

/// From where to where something reaches, of each of several.
#[derive(Debug, Clone)]
pub(crate) struct Spreads {
    pub(crate) axis: String,
    pub(crate) unit: Unit,
    /// What the marks in a row are, from the left.
    pub(crate) marks: Vec<String>,
    pub(crate) spreads: Vec<Spread>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    pub(crate) name: String,
    /// As many as there are names of marks; none if nothing was measured.
    pub(crate) values: Vec<f64>,
    pub(crate) is_marked: bool,
}

impl Bars {
    pub(super) fn content(&self) -> Option<String> {
        let said: Vec<String> = self.bars.iter().map(|bar| bar.say(self.unit)).collect();
        let any = self.bars.iter().any(|bar| bar.length().is_some());
        any.then(|| format!("{}. {}.", self.axis, said.join("; ")))
    }

    pub(super) fn draw(&self, width: f64) -> Canvas {
        let names: Vec<&str> = self.bars.iter().map(|bar| bar.name.as_str()).collect();
        let said: Vec<String> = self.bars.iter().map(|bar| bar.value(self.unit)).collect();
        let entries = self.entries();
        let frame = Frame::new(width, &names, &said, key::rows(&entries, width));
        let most = self.most();
        let highs = self.bars.iter().filter_map(|bar| bar.interval.map(|(_, high)| high));
        let ends = highs.chain(self.bars.iter().filter_map(Bar::length)).map(|end| end.min(most));
        let scale = Scale::linear(ends, (frame.left, frame.right)).counted_in(|most| self.unit.base(most));
        let is_cut = |bar: &Bar| bar.length().is_some_and(|length| length > most);
        let cut = if self.bars.iter().any(is_cut) { "; bars with a gap are longer than shown" } else { "" };
        let mut canvas = frame.canvas(&entries, &scale, self.unit, &format!("{}{cut}", self.axis));
        for (index, bar) in self.bars.iter().enumerate() {
            let end = self.draw_bar(&mut canvas, bar, &scale, frame.middle(index));
            if is_cut(bar) {
                draw_gap(&mut canvas, (frame.right - 28.0, frame.middle(index)));
            }
            frame.write(&mut canvas, index, (names[index], &said[index]), end, bar.is_marked);
        }
        canvas
    }

    /// How far the axis goes: one that is many times as long as most others would leave nothing to see of them.
    fn most(&self) -> f64 {
        let mut lengths: Vec<f64> = self.bars.iter().filter_map(Bar::length).collect();
        lengths.sort_by(f64::total_cmp);
        let Some(&usual) = lengths.get(lengths.len() * 3 / 4) else { return f64::INFINITY };
        let usual = lengths.iter().rev().copied().find(|length| *length <= usual * FAR);
        match (usual, lengths.last()) {
            (Some(usual), Some(&longest)) if longest > usual * FAR && usual > 0.0 => usual * 1.4,
            _ => f64::INFINITY,
        }
    }

    /// Says where it ends.
    fn draw_bar(&self, canvas: &mut Canvas, bar: &Bar, scale: &Scale, y: f64) -> f64 {
        let mark = if bar.is_marked { " marked" } else { "" };
        let (mut sum, mut end) = (0.0, scale.place(0.0));
        for (part, &value) in bar.parts.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let name = self.parts.get(part).map_or(String::new(), |name| format!(", {name}"));
            let hint = format!("{}{name}: {}", bar.name, self.unit.say(value));
            let begin = scale.place(sum);
            sum += value.max(0.0);
            end = scale.place(sum);
            canvas.layer(&format!("part{}{mark}", part % PARTS), &hint, |pen| {
                pen.rectangle((begin, y - BAR / 2.0), (end, y + BAR / 2.0));
            });
        }
        let Some((low, high)) = bar.interval.filter(|(low, high)| low.is_finite() && high.is_finite()) else {
            return end;
        };
        let (from, to) = (scale.place(low), scale.place(high));
        let hint = format!("{}: 95 % between {} and {}", bar.name, self.unit.say(low), self.unit.say(high));
        for (class, width) in [("halo", 4.5), ("whisker", 1.6)] {
            canvas.layer(class, &hint, |pen| {
                pen.line((from, y), (to, y), width);
                for x in [from, to] {
                    pen.line((x, y - CAP), (x, y + CAP), width);
                }
            });
        }
        end.max(to)
    }

    fn entries(&self) -> Vec<Entry<'_>> {
        let parts: &[String] = if self.parts.len() > 1 { &self.parts } else { &[] };
        let class = |series: usize| format!("part{} marked", series % PARTS);
        parts
            .iter()
            .enumerate()
            .map(|(series, name)| Entry { class: class(series), series, sample: Sample::Area, name })
            .collect()
    }
}

impl Bar {
    /// All parts together; `None` if it was not measured.
    fn length(&self) -> Option<f64> {
        let finite = !self.parts.is_empty() && self.parts.iter().all(|part| part.is_finite());
        finite.then(|| self.parts.iter().sum())
    }

    fn value(&self, unit: Unit) -> String {
        let said = self.length().map_or_else(|| "not measured".to_owned(), |length| unit.say(length));
        if self.note.is_empty() { said } else { format!("{said} · {}", self.note) }
    }

    fn say(&self, unit: Unit) -> String {
        let interval = self.interval.map_or(String::new(), |(low, high)| {
            format!(" (95 % interval {} to {})", unit.say(low), unit.say(high))
        });
        format!("{}: {}{interval}", self.name, self.value(unit))
    }
}

impl Spreads {
    pub(super) fn content(&self) -> Option<String> {
        let said: Vec<String> =
            self.spreads.iter().map(|spread| format!("{}: {}", spread.name, self.say(spread))).collect();
        let any = self.spreads.iter().any(|spread| !spread.values.is_empty());
        any.then(|| format!("{}. {}.", self.axis, said.join("; ")))
    }

    pub(super) fn draw(&self, width: f64) -> Canvas {
        let names: Vec<&str> = self.spreads.iter().map(|spread| spread.name.as_str()).collect();
        let said = vec![String::new(); names.len()];
        let entries: Vec<Entry<'_>> = self
            .marks
            .iter()
            .enumerate()
            .map(|(series, name)| {
                let sample = Sample::Line { marked: true };
                Entry { class: "spread marked".to_owned(), series, sample, name }
            })
            .collect();
        let frame = Frame::new(width, &names, &said, key::rows(&entries, width));
        let values = self.spreads.iter().flat_map(|spread| spread.values.iter().copied());
        let scale = Scale::log(values, (frame.left, frame.right));
        let mut canvas = frame.canvas(&entries, &scale, self.unit, &self.axis);
        for (index, spread) in self.spreads.iter().enumerate() {
            let y = frame.middle(index);
            let places: Vec<f64> = spread.values.iter().map(|value| scale.place(*value)).collect();
            let class = if spread.is_marked { "spread marked" } else { "spread" };
            canvas.layer(class, &format!("{}: {}", spread.name, self.say(spread)), |pen| {
                if let (Some(&first), Some(&last)) = (places.first(), places.last()) {
                    pen.line((first, y), (last, y), 2.0);
                }
                for (series, &x) in places.iter().enumerate() {
                    key::mark(pen, series, (x, y));
                }
            });
            frame.write(&mut canvas, index, (names[index], ""), 0.0, spread.is_marked);
        }
        canvas
    }

    fn say(&self, spread: &Spread) -> String {
        if spread.values.is_empty() {
            return "not measured".to_owned();
        }
        let all = self.marks.iter().zip(&spread.values);
        let said: Vec<String> =
            all.map(|(mark, value)| format!("{mark} {}", self.unit.say(*value))).collect();
        said.join(", ")
    }
}

/// Shows that a bar is longer than there is room for.
fn draw_gap(canvas: &mut Canvas, (x, y): Point) {
    canvas.layer("halo", "", |pen| {
        let (above, below) = (y - BAR / 2.0 - 1.0, y + BAR / 2.0 + 1.0);
        pen.polygon(&[(x + 4.0, above), (x + 10.0, above), (x + 4.0, below), (x - 2.0, below)]);
    });
}

/// Where the rows are.
struct Frame {
    width: f64,
    is_narrow: bool,
    /// Where the axis begins and ends.
    left: f64,
    right: f64,
    top: f64,
    rows: usize,
}

impl Frame {
    /// For these names, and what is said of each.
    fn new(width: f64, names: &[&str], said: &[String], key_rows: usize) -> Self {
        let is_narrow = is_narrow(width);
        let widest = |texts: &mut dyn Iterator<Item = &str>| texts.map(label::width).fold(0.0, f64::max);
        let (left, right) = if is_narrow {
            (MARGIN, width - 2.0 * MARGIN)
        } else {
            let name = widest(&mut names.iter().copied()).clamp(40.0, width * 0.3);
            let value = widest(&mut said.iter().map(String::as_str));
            (name + GAP, width - value.max(24.0) * BOLD - GAP)
        };
        let key = key_rows as f64 * key::ROW;
        Self {
            width,
            is_narrow,
            left,
            right,
            top: if key > 0.0 { key + 8.0 } else { 0.0 },
            rows: names.len(),
        }
    }

    fn row(&self) -> f64 {
        if self.is_narrow { 46.0 } else { 30.0 }
    }

    /// Of what is drawn in a row.
    fn middle(&self, row: usize) -> f64 {
        self.top + row as f64 * self.row() + if self.is_narrow { 32.0 } else { 15.0 }
    }

    fn bottom(&self) -> f64 {
        self.top + self.rows as f64 * self.row() + 4.0
    }

    /// With the axis and the key drawn.
    fn canvas(&self, entries: &[Entry<'_>], scale: &Scale, unit: Unit, axis: &str) -> Canvas {
        let mut canvas = Canvas::new(self.width, self.bottom() + 46.0);
        key::draw(&mut canvas, entries, (0.0, 10.0), self.width);
        let ticks =
            scale.ticks(((self.right - self.left) / if self.is_narrow { 60.0 } else { 80.0 }) as usize);
        canvas.layer("grid", "", |pen| {
            for tick in &ticks {
                let x = scale.place(*tick);
                pen.line((x, self.top), (x, self.bottom()), 1.0);
            }
        });
        canvas.layer("axis", "", |pen| {
            let mut free = 0.0;
            for tick in &ticks {
                let text = unit.short(*tick);
                let half = label::width(&text) / 2.0;
                let x = scale.place(*tick).min(self.width - half).max(half);
                if x - half >= free {
                    pen.text((x, self.bottom() + 13.0), Anchor::Middle, &text);
                    free = x + half + 3.0;
                }
            }
            let title = label::fitting(axis, self.width);
            let (x, anchor) = if self.is_narrow { (0.0, Anchor::Start) } else { (self.left, Anchor::Start) };
            pen.text((x, self.bottom() + 36.0), anchor, &title);
        });
        canvas
    }

    /// The name of a row, and what is said of it, behind the end of what is drawn.
    fn write(&self, canvas: &mut Canvas, row: usize, (name, said): (&str, &str), end: f64, is_marked: bool) {
        let class = if is_marked { "text strong" } else { "text" };
        let y = self.middle(row);
        let (name_at, name_end, said_at): (Point, _, Point) = if self.is_narrow {
            ((0.0, y - 19.0), Anchor::Start, (self.width, y - 19.0))
        } else {
            ((self.left - GAP, y), Anchor::End, (end + GAP, y))
        };
        let space = if self.is_narrow { self.width - label::width(said) - GAP } else { self.left - GAP };
        canvas.layer(class, name, |pen| {
            pen.text(name_at, name_end, &label::fitting(name, space));
        });
        if !said.is_empty() {
            let anchor = if self.is_narrow { Anchor::End } else { Anchor::Start };
            canvas.layer(class, "", |pen| pen.text(said_at, anchor, said));
        }
    }
}

/// How much wider a text is that is marked.
const BOLD: f64 = 1.15;

/// How thick a bar is, and half of the cap of a whisker.
const BAR: f64 = 16.0;
const CAP: f64 = 5.0;

const GAP: f64 = 10.0;
/// Half of the number at the beginning of an axis has to fit.
const MARGIN: f64 = 16.0;

/// How many times as long as others a bar is that does not set the scale.
const FAR: f64 = 3.0;

/// How many parts of a bar look different.
const PARTS: usize = 3;
