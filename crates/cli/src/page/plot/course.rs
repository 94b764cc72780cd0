//! How it went, second by second: panels above each other, over one axis of time.

use super::canvas::{Anchor, Canvas, Point};
use super::key::{self, Entry, Sample};
use super::scale::Scale;
use super::{is_narrow, label};
use crate::page::unit::Unit;

/// How it went.
#[derive(Debug, Clone, Default)]
pub(crate) struct Course {
    /// When each of the values was taken, seconds from the beginning, ascending.
    pub(crate) times: Vec<f64>,
    /// Until when they do not count, seconds: the warm-up.
    pub(crate) begin: f64,
    pub(crate) panels: Vec<Panel>,
}

/// One quantity, or several that are counted in the same unit.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) shape: Shape,
    pub(crate) lines: Vec<Line>,
}

/// How a panel is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As lines, from zero.
    Lines,
    /// As lines, on a logarithmic axis.
    LogLines,
    /// As columns, from zero.
    Columns,
}

/// One of the quantities.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// As many as there are times; `None` where there was nothing to measure.
    pub(crate) values: Vec<Option<f64>>,
}

impl Course {
    pub(super) fn content(&self) -> Option<String> {
        let said: Vec<String> = self
            .panels
            .iter()
            .flat_map(|panel| panel.lines.iter().map(|line| line.say(panel.unit)))
            .collect();
        let any = self.panels.iter().any(|panel| panel.values().next().is_some());
        any.then(|| format!("{} moments over {} s. {}.", self.times.len(), self.end(), said.join("; ")))
    }

    pub(super) fn draw(&self, width: f64) -> Canvas {
        let narrow = is_narrow(width);
        let tall = if narrow { 110.0 } else { 130.0 };
        let right = width - 16.0;
        let count = self.panels.len() as f64;
        let mut canvas = Canvas::new(width, count * (HEAD + tall) + (count - 1.0).max(0.0) * BETWEEN + 46.0);
        let x = Scale::linear([self.end()], (LEFT, right));
        let mut top = HEAD;
        for panel in &self.panels {
            self.draw_panel(&mut canvas, panel, &x, (top, top + tall), right);
            top += tall + BETWEEN + HEAD;
        }
        let bottom = top - BETWEEN - HEAD;
        canvas.layer("axis", "", |pen| {
            for tick in x.ticks(((right - LEFT) / 50.0) as usize) {
                pen.text((x.place(tick), bottom + 14.0), Anchor::Middle, &Unit::Average.short(tick));
            }
            pen.text((LEFT, bottom + 36.0), Anchor::Start, "seconds since the beginning");
        });
        canvas
    }

    fn end(&self) -> f64 {
        self.times.iter().copied().filter(|time| time.is_finite()).fold(0.0, f64::max)
    }

    fn draw_panel(
        &self,
        canvas: &mut Canvas,
        panel: &Panel,
        x: &Scale,
        (top, bottom): (f64, f64),
        right: f64,
    ) {
        let y = match panel.shape {
            Shape::LogLines => Scale::log(panel.values(), (bottom, top)),
            Shape::Lines | Shape::Columns => Scale::linear(panel.values(), (bottom, top)),
        };
        if self.begin > 0.0 {
            canvas.layer("warmup", "warm-up: not counted", |pen| {
                pen.rectangle((LEFT, top), (x.place(self.begin), bottom));
            });
        }
        let ticks = y.ticks(5);
        canvas.layer("grid", "", |pen| {
            ticks.iter().for_each(|tick| pen.line((LEFT, y.place(*tick)), (right, y.place(*tick)), 1.0));
        });
        canvas.layer("axis", "", |pen| {
            for tick in &ticks {
                pen.text((LEFT - 8.0, y.place(*tick)), Anchor::End, &panel.unit.short(*tick));
            }
        });
        self.draw_head(canvas, panel, (top - HEAD + 12.0, right));
        for (series, line) in panel.lines.iter().enumerate() {
            canvas.layer(&panel.class(series), &line.say(panel.unit), |pen| match panel.shape {
                Shape::Columns => {
                    for (&at, value) in self.times.iter().zip(&line.values) {
                        let Some(value) = value.filter(|value| *value > 0.0) else { continue };
                        let (from, to) = (x.place(at - COLUMN), x.place(at));
                        pen.rectangle((from, y.place(value).min(bottom - 1.0)), (to.max(from + 1.0), bottom));
                    }
                }
                Shape::Lines | Shape::LogLines => {
                    for run in self.runs(line, x, &y) {
                        match run[..] {
                            // A path of one point would not show.
                            [point] => pen.circle(point, 2.5, None),
                            _ => pen.path(&run, if series == 0 { 2.2 } else { 1.8 }),
                        }
                    }
                }
            });
        }
    }

    /// The name of a panel, and which line is which.
    fn draw_head(&self, canvas: &mut Canvas, panel: &Panel, (y, right): (f64, f64)) {
        canvas.layer("text strong", "", |pen| pen.text((0.0, y), Anchor::Start, &panel.name));
        if panel.lines.len() < 2 {
            return;
        }
        let entries: Vec<Entry<'_>> = panel
            .lines
            .iter()
            .enumerate()
            .map(|(series, line)| Entry {
                class: panel.class(series),
                series,
                sample: Sample::Line { marked: false },
                name: &line.name,
            })
            .collect();
        let from = label::width(&panel.name) + 24.0;
        key::draw(canvas, &entries, (from, y), right - from);
    }

    /// The pieces of a line, without the moments of which nothing is known.
    fn runs(&self, line: &Line, x: &Scale, y: &Scale) -> Vec<Vec<Point>> {
        let mut runs = vec![Vec::new()];
        for (&at, value) in self.times.iter().zip(&line.values) {
            match value.filter(|value| value.is_finite()) {
                Some(value) => runs.last_mut().expect("there is one").push((x.place(at), y.place(value))),
                None => runs.push(Vec::new()),
            }
        }
        runs.retain(|run| !run.is_empty());
        runs
    }
}

impl Panel {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.lines.iter().flat_map(|line| line.values.iter().copied().flatten())
    }

    fn class(&self, series: usize) -> String {
        match self.shape {
            Shape::Columns => "failures".to_owned(),
            Shape::Lines | Shape::LogLines => key::class(series),
        }
    }
}

impl Line {
    fn say(&self, unit: Unit) -> String {
        let values = || self.values.iter().copied().flatten().filter(|value| value.is_finite());
        let (low, high) = values()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (value.min(low), value.max(high)));
        if low.is_finite() {
            format!("{}: {} to {}", self.name, unit.say(low), unit.say(high))
        } else {
            format!("{}: not measured", self.name)
        }
    }
}

/// How wide a column is, seconds.
const COLUMN: f64 = 0.8;

/// Where the axis of values is.
const LEFT: f64 = 62.0;

/// Of the name of a panel.
const HEAD: f64 = 38.0;

/// Between panels.
const BETWEEN: f64 = 18.0;
