//! What is drawn on: layers of SVG, made by `plotters`, each in a group with a class, which gives it its colour.
//!
//! `plotters` knows whole pixels only; so it gets tenths of them, and so does whoever looks at `viewBox`. What it draws is black: the
//! style sheet says what colour the class has, and lines and areas take it.

use std::fmt::Write;

use plotters::prelude::{BLACK, DrawingBackend, IntoFont, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{ShapeStyle, TextStyle};

use crate::page::markup::{Escaped, printable};

/// A place, in pixels from the upper left.
pub(super) type Point = (f64, f64);

/// What is drawn on.
#[derive(Debug)]
pub(super) struct Canvas {
    width: f64,
    height: f64,
    layers: String,
}

/// What draws on a layer.
pub(super) struct Pen<'a> {
    backend: SVGBackend<'a>,
}

/// Which point of a text its place is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width, height, layers: String::new() }
    }

    /// Draws a layer upon what is there, in the colour of a class of the style sheet. Whoever points at it is told the `hint`, if
    /// there is one.
    pub(super) fn layer(&mut self, class: &str, hint: &str, draw: impl FnOnce(&mut Pen<'_>)) {
        let mut svg = String::new();
        let mut pen = Pen { backend: SVGBackend::with_string(&mut svg, (1, 1)) };
        draw(&mut pen);
        drop(pen);
        let begin = svg.find('>').map_or(0, |end| end + 1);
        let end = svg.rfind("</svg>").unwrap_or(svg.len());
        let hint = if hint.is_empty() { String::new() } else { format!("<title>{}</title>", Escaped(hint)) };
        self.layers.push_str(&format!("<g class=\"{class}\">{hint}{}</g>\n", &svg[begin..end]));
    }

    /// The whole, with a name and a description for those who do not see it.
    pub(super) fn into_svg(self, class: &str, id: &str, title: &str, description: &str) -> String {
        let (width, height) = (tenths(self.width), tenths(self.height));
        let mut svg = String::with_capacity(self.layers.len() + 512);
        let (title, description) = (Escaped(title), Escaped(description));
        write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{class}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" aria-labelledby=\"{id}t {id}d\">\n\
             <title id=\"{id}t\">{title}</title>\n<desc id=\"{id}d\">{description}</desc>\n{}</svg>\n",
            self.layers
        )
        .expect("a string takes all there is");
        svg
    }
}

impl Pen<'_> {
    pub(super) fn line(&mut self, from: Point, to: Point, width: f64) {
        let drawn = self.backend.draw_line(pixels(from), pixels(to), &shape(width));
        drawn.expect(TAKES_ALL);
    }

    pub(super) fn path(&mut self, points: &[Point], width: f64) {
        let drawn = self.backend.draw_path(points.iter().copied().map(pixels), &shape(width));
        drawn.expect(TAKES_ALL);
    }

    pub(super) fn rectangle(&mut self, from: Point, to: Point) {
        let drawn = self.backend.draw_rect(pixels(from), pixels(to), &shape(0.0), true);
        drawn.expect(TAKES_ALL);
    }

    /// A disc, or a ring of this width.
    pub(super) fn circle(&mut self, center: Point, radius: f64, ring: Option<f64>) {
        let style = shape(ring.unwrap_or(0.0));
        let radius = tenths(radius).unsigned_abs();
        let drawn = self.backend.draw_circle(pixels(center), radius, &style, ring.is_none());
        drawn.expect(TAKES_ALL);
    }

    pub(super) fn polygon(&mut self, points: &[Point]) {
        let drawn = self.backend.fill_polygon(points.iter().copied().map(pixels), &shape(0.0));
        drawn.expect(TAKES_ALL);
    }

    /// A line of text, in the middle of which `at` is vertically.
    pub(super) fn text(&mut self, at: Point, anchor: Anchor, text: &str) {
        let horizontal = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        // The backend divides by this, to have the height of the letters.
        let font = ("sans-serif", FONT * SCALE * 1.24).into_font();
        let style = TextStyle::from(font).pos(Pos::new(horizontal, VPos::Center));
        let text: String = printable(text).collect();
        self.backend.draw_text(&text, &style, pixels(at)).expect(TAKES_ALL);
    }
}

fn shape(width: f64) -> ShapeStyle {
    ShapeStyle { color: BLACK.into(), filled: false, stroke_width: tenths(width).unsigned_abs() }
}

fn pixels((x, y): Point) -> (i32, i32) {
    (tenths(x), tenths(y))
}

fn tenths(length: f64) -> i32 {
    (length * SCALE).round() as i32
}

/// Of all text, in pixels.
pub(super) const FONT: f64 = 13.0;

/// What is drawn for a pixel.
const SCALE: f64 = 10.0;

const TAKES_ALL: &str = "a string takes all that is drawn";
