//! How series are told apart: by tone, by dashes and by the shape of their markers. And the key that says which is which.

use super::canvas::{Anchor, Canvas, Pen, Point};
use super::label;

/// The class of the style sheet that a series has its colour and dashes from. The first is the one to look at.
pub(super) fn class(series: usize) -> String {
    match series {
        0 => "series main".to_owned(),
        _ => format!("series tone{} dash{}", (series - 1) % TONES, (series - 1) % DASHES),
    }
}

/// The marker of a series.
pub(super) fn mark(pen: &mut Pen<'_>, series: usize, (x, y): Point) {
    const R: f64 = 4.0;
    match series % MARKERS {
        0 => pen.circle((x, y), R, None),
        1 => pen.polygon(&[(x - R, y - R), (x + R, y - R), (x + R, y + R), (x - R, y + R)]),
        2 => pen.polygon(&[(x, y - R - 1.0), (x + R + 1.0, y + R), (x - R - 1.0, y + R)]),
        3 => pen.polygon(&[(x, y - R - 1.5), (x + R + 1.5, y), (x, y + R + 1.5), (x - R - 1.5, y)]),
        4 => pen.circle((x, y), R - 0.5, Some(1.5)),
        5 => pen.polygon(&[(x - R - 1.0, y - R), (x + R + 1.0, y - R), (x, y + R + 1.0)]),
        _ => {
            pen.line((x - R, y - R), (x + R, y + R), 2.0);
            pen.line((x - R, y + R), (x + R, y - R), 2.0);
        }
    }
}

/// What an entry of a key shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sample {
    /// A line with the marker of a series, or without.
    Line {
        marked: bool,
    },
    Area,
}

impl Sample {
    fn width(self) -> f64 {
        match self {
            Self::Line { .. } => SAMPLE,
            Self::Area => 14.0,
        }
    }
}

/// An entry of a key.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub(super) class: String,
    pub(super) series: usize,
    pub(super) sample: Sample,
    pub(super) name: &'a str,
}

/// How many rows a key takes in this width.
pub(super) fn rows(entries: &[Entry<'_>], width: f64) -> usize {
    places(entries, width).last().map_or(0, |(_, row)| row + 1)
}

/// Draws a key, the first row of which has its middle at `y`.
pub(super) fn draw(canvas: &mut Canvas, entries: &[Entry<'_>], (left, y): Point, width: f64) {
    for (entry, (x, row)) in entries.iter().zip(places(entries, width)) {
        let (x, y) = (left + x, y + row as f64 * ROW);
        canvas.layer(&entry.class, "", |pen| match entry.sample {
            Sample::Line { marked } => {
                pen.path(&[(x, y), (x + SAMPLE, y)], 2.0);
                if marked {
                    mark(pen, entry.series, (x + SAMPLE / 2.0, y));
                }
            }
            Sample::Area => pen.rectangle((x, y - 6.0), (x + entry.sample.width(), y + 6.0)),
        });
        let from = entry.sample.width() + GAP;
        canvas.layer("text", "", |pen| {
            pen.text((x + from, y), Anchor::Start, &label::fitting(entry.name, width - from));
        });
    }
}

/// Where each entry begins, and in which row.
fn places(entries: &[Entry<'_>], width: f64) -> Vec<(f64, usize)> {
    let (mut x, mut row) = (0.0, 0);
    let place = |entry: &Entry<'_>| {
        let wide = (entry.sample.width() + GAP + label::width(entry.name)).min(width);
        if x > 0.0 && x + wide > width {
            (x, row) = (0.0, row + 1);
        }
        let place = (x, row);
        x += wide + 2.0 * GAP;
        place
    };
    entries.iter().map(place).collect()
}

/// How far the rows of a key are apart.
pub(super) const ROW: f64 = 20.0;

/// How long the sample of a line is.
const SAMPLE: f64 = 30.0;
const GAP: f64 = 8.0;

/// How many of each there are: no two of the first twenty series look the same.
const TONES: usize = 4;
const DASHES: usize = 5;
const MARKERS: usize = 7;
