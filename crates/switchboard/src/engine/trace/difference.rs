//! How two traces differ, in lines one can read: those of the first with a minus, those of the other with a plus.

use std::{error, fmt};

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

/// What differs between two traces, and what is around it.
///
/// It prints a headline, and below it the lines that only the first trace has, with `-`, those that only the second has,
/// with `+`, and a few that both have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    headline: String,
    lines: Vec<String>,
}

impl Difference {
    /// One that needs no lines to be understood.
    pub(super) fn plain(headline: impl Into<String>) -> Self {
        Self { headline: headline.into(), lines: Vec::new() }
    }

    /// One between two lists, with what both have left out but for a few lines around what differs.
    pub(super) fn between(headline: String, names: [&str; 2], one: &[String], other: &[String]) -> Self {
        let mut lines = titles(names);
        let mut shown = 0;
        for group in group_diff_ops(capture_diff_slices(Algorithm::Myers, one, other), CONTEXT) {
            for op in group {
                if op.old_range().start > shown {
                    lines.push(LEFT_OUT.to_owned());
                }
                shown = op.old_range().end;
                lines.extend(of(&op, one, other));
            }
        }
        if shown < one.len() {
            lines.push(LEFT_OUT.to_owned());
        }
        Self { headline, lines }
    }

    /// One of two lists that go different ways from here on, with what came before in both.
    pub(super) fn at_the_fork(
        headline: String,
        names: [&str; 2],
        before: &[String],
        one: &str,
        other: &str,
    ) -> Self {
        let mut lines = titles(names);
        lines.extend(before.iter().map(|line| format!("  {line}")));
        lines.extend([format!("- {one}"), format!("+ {other}")]);
        Self { headline, lines }
    }

    /// Adds a line at the end, about what else there is.
    pub(super) fn and(mut self, line: String) -> Self {
        self.lines.push(line);
        self
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)?;
        self.lines.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl error::Error for Difference {}

fn titles([one, other]: [&str; 2]) -> Vec<String> {
    let [one, other] = if one == other { ["the first", "the second"] } else { [one, other] };
    vec![format!("--- {one}"), format!("+++ {other}")]
}

fn of(op: &DiffOp, one: &[String], other: &[String]) -> Vec<String> {
    let marked = |mark: &str, lines: &[String]| -> Vec<_> {
        lines.iter().map(|line| format!("{mark} {line}")).collect()
    };
    if let DiffOp::Equal { .. } = op {
        return marked(" ", &one[op.old_range()]);
    }
    let mut lines = marked("-", &one[op.old_range()]);
    lines.extend(marked("+", &other[op.new_range()]));
    lines
}

/// How many lines are shown on either side of what differs.
const CONTEXT: usize = 3;

const LEFT_OUT: &str = "  …";

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(one: &str, other: &str) -> String {
        let lines = |text: &str| -> Vec<_> { text.split(' ').map(str::to_owned).collect() };
        Difference::between("it differs".into(), ["a", "b"], &lines(one), &lines(other)).to_string()
    }

    #[test]
    fn lines_far_from_what_differs_are_left_out() {
        assert_eq!(
            listing("1 2 3 4 5 6 7 8 9", "1 2 3 4 x 6 7 8 9"),
            "it differs\n--- a\n+++ b\n  …\n  2\n  3\n  4\n- 5\n+ x\n  6\n  7\n  8\n  …"
        );
        assert_eq!(
            listing("a 2 3 4 5 6 7 8 9 b", "2 3 4 5 6 7 8 9"),
            "it differs\n--- a\n+++ b\n- a\n  2\n  3\n  4\n  …\n  7\n  8\n  9\n- b"
        );
    }

    #[test]
    fn traces_of_one_mechanism_are_told_apart_by_their_order() {
        let difference = Difference::between("it differs".into(), ["sim", "sim"], &[], &["x".into()]);
        assert_eq!(difference.to_string(), "it differs\n--- the first\n+++ the second\n+ x");
    }
}
