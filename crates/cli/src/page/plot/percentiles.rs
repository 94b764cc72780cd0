//! How long the slowest took: percentiles on the axis of `HdrHistogram`, on which each further nine is as wide as the one before.

use super::canvas::{Anchor, Canvas, Point};
use super::key::{self, Entry, Sample};
use super::scale::{PERCENTILES, Scale};
use super::{is_narrow, label};
use crate::page::unit::Unit;

/// How long the slowest took.
#[derive(Debug, Clone)]
pub(crate) struct Percentiles {
    pub(crate) unit: Unit,
    /// The first is the one to look at.
    pub(crate) series: Vec<Series>,
}

/// How long they took in one case.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// Percentiles, from 0 up, and what so many of a hundred did not exceed.
    pub(crate) points: Vec<(f64, f64)>,
}

/// The percentiles to draw of so many values: no further than there are values for.
pub(crate) fn percents(count: u64) -> Vec<f64> {
    // Of the last value all is known that can be: one in `count`.
    let last = (count.max(1) as f64).log10().min(MOST_NINES);
    let steps = (last * STEPS).floor() as u32;
    let tail = (0..=steps).map(|step| 100.0 * (1.0 - 10f64.powf(-f64::from(step) / STEPS)));
    let named = PERCENTILES.into_iter().filter(|percent| -(1.0 - percent / 100.0).log10() <= last + 1e-9);
    let mut all: Vec<f64> = tail.chain(named).collect();
    all.sort_by(f64::total_cmp);
    all.dedup_by(|one, other| (*one - *other).abs() < 1e-9);
    all
}

impl Percentiles {
    pub(super) fn content(&self) -> Option<String> {
        let drawn = self.drawn();
        let said: Vec<String> =
            drawn.iter().map(|(_, series)| format!("{}: {}", series.name, series.say(self.unit))).collect();
        (!drawn.is_empty()).then(|| format!("Latency by percentile. {}.", said.join("; ")))
    }

    pub(super) fn draw(&self, width: f64) -> Canvas {
        let drawn = self.drawn();
        let narrow = is_narrow(width);
        let named = drawn.iter().map(|(_, series)| label::width(&series.name)).fold(0.0, f64::max);
        let right = if narrow { width - 30.0 } else { width - named.min(width * 0.25) - LEAD };
        let entries: Vec<Entry<'_>> = drawn
            .iter()
            .map(|(index, series)| {
                let sample = Sample::Line { marked: true };
                Entry { class: key::class(*index), series: *index, sample, name: &series.name }
            })
            .collect();
        let key = if narrow { key::rows(&entries, width) as f64 * key::ROW + 8.0 } else { 0.0 };
        let (top, tall) = (key + 12.0, (drawn.len() as f64 * LABEL).max(if narrow { 250.0 } else { 330.0 }));
        let bottom = top + tall;
        let points = || drawn.iter().flat_map(|(_, series)| series.points.iter().copied());
        let x = Scale::tail(points().map(|(percent, _)| percent), (LEFT, right));
        let y = Scale::log(points().map(|(_, value)| value), (bottom, top));
        let mut canvas = Canvas::new(width, bottom + 46.0);
        self.draw_axes(&mut canvas, &x, &y, (LEFT, top, right, bottom));
        // The first above all others.
        for (index, series) in drawn.iter().rev() {
            series.draw(&mut canvas, *index, &x, &y, self.unit);
        }
        if narrow {
            key::draw(&mut canvas, &entries, (0.0, 10.0), width);
        } else {
            draw_names(&mut canvas, &drawn, &x, &y, (right, width), (top, bottom));
        }
        canvas
    }

    /// Those there is something to draw of, with their numbers.
    fn drawn(&self) -> Vec<(usize, &Series)> {
        self.series.iter().enumerate().filter(|(_, series)| !series.points.is_empty()).collect()
    }

    fn draw_axes(&self, canvas: &mut Canvas, x: &Scale, y: &Scale, frame: (f64, f64, f64, f64)) {
        let (left, top, right, bottom) = frame;
        let (columns, rows) = (x.ticks(9), y.ticks(((bottom - top) / 36.0) as usize));
        canvas.layer("grid", "", |pen| {
            for tick in &columns {
                pen.line((x.place(*tick), top), (x.place(*tick), bottom), 1.0);
            }
            for tick in &rows {
                pen.line((left, y.place(*tick)), (right, y.place(*tick)), 1.0);
            }
        });
        canvas.layer("axis", "", |pen| {
            let mut free = f64::NEG_INFINITY;
            for tick in &columns {
                let (place, text) = (x.place(*tick), percent(*tick));
                let half = label::width(&text) / 2.0 + 3.0;
                if place - half > free {
                    pen.text((place, bottom + 14.0), Anchor::Middle, &text);
                    free = place + half;
                }
            }
            for tick in &rows {
                pen.text((left - 8.0, y.place(*tick)), Anchor::End, &self.unit.short(*tick));
            }
            pen.text((left, bottom + 36.0), Anchor::Start, "percentile of the exchanges");
        });
    }
}

impl Series {
    fn draw(&self, canvas: &mut Canvas, index: usize, x: &Scale, y: &Scale, unit: Unit) {
        let place = |(percent, value): (f64, f64)| (x.place(percent), y.place(value));
        let points: Vec<Point> = self.points.iter().copied().map(place).collect();
        let hint = format!("{}: {}", self.name, self.say(unit));
        canvas.layer(&key::class(index), &hint, |pen| {
            pen.path(&points, if index == 0 { 2.5 } else { 1.8 });
            for point in self.named() {
                key::mark(pen, index, place(point));
            }
        });
    }

    /// Those of its points whose percentile has a name.
    fn named(&self) -> impl Iterator<Item = (f64, f64)> {
        let is_named = |percent: f64| PERCENTILES.iter().any(|named| (named - percent).abs() < 1e-9);
        self.points.iter().copied().filter(move |(percent, _)| is_named(*percent))
    }

    fn say(&self, unit: Unit) -> String {
        let said: Vec<String> =
            self.named().map(|(at, value)| format!("{} {}", percent(at), unit.say(value))).collect();
        said.join(", ")
    }
}

/// The name of each at its end, with a thread to it where there was no room beside it.
fn draw_names(
    canvas: &mut Canvas,
    drawn: &[(usize, &Series)],
    x: &Scale,
    y: &Scale,
    (right, width): (f64, f64),
    limits: (f64, f64),
) {
    let ends: Vec<Point> = drawn
        .iter()
        .filter_map(|(_, series)| series.points.last())
        .map(|(percent, value)| (x.place(*percent), y.place(*value)))
        .collect();
    let wanted: Vec<f64> = ends.iter().map(|(_, y)| *y).collect();
    let places = label::apart(&wanted, LABEL, limits);
    for (((index, series), end), place) in drawn.iter().zip(&ends).zip(places) {
        canvas.layer("thread", "", |pen| {
            pen.path(&[(end.0 + 6.0, end.1), (right + 8.0, place), (right + 14.0, place)], 1.0);
        });
        canvas.layer(&format!("{} name", key::class(*index)), &series.name, |pen| {
            key::mark(pen, *index, (right + 22.0, place));
        });
        canvas.layer(if *index == 0 { "text strong" } else { "text" }, &series.name, |pen| {
            let name = label::fitting(&series.name, width - right - LEAD + 6.0);
            pen.text((right + 32.0, place), Anchor::Start, &name);
        });
    }
}

fn percent(percent: f64) -> String {
    match percent {
        50.0 => "median".to_owned(),
        0.0 => "min".to_owned(),
        _ => format!("{percent}\u{a0}%"),
    }
}

/// Nobody sees more than that.
const MOST_NINES: f64 = 6.0;

/// Points for each further nine.
const STEPS: f64 = 10.0;

/// Where the axis of times is.
const LEFT: f64 = 62.0;

/// From the end of the axis to the end of a name, without the name.
const LEAD: f64 = 42.0;

/// How far names are apart.
const LABEL: f64 = 17.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_percentile_is_drawn_that_there_are_no_values_for() {
        assert_eq!(percents(0), [0.0]);
        assert_eq!(percents(1), [0.0]);
        let last = |count| percents(count).last().copied().unwrap();
        assert!((last(1_000) - 99.9).abs() < 1e-9);
        assert!((last(u64::MAX) - 99.9999).abs() < 1e-9);
        let all = percents(10_000);
        assert!(all.is_sorted() && all.contains(&50.0) && all.contains(&99.0), "{all:?}");
    }
}
