//! The lines that were typed, to be sent again or changed. In memory only: what people type to a peer is often secret.

use std::collections::VecDeque;

/// The lines, and which of them is looked at.
#[derive(Debug, Default)]
pub(super) struct History {
    lines: VecDeque<String>,
    /// Counted from the oldest; past the last one is the line being typed.
    at: usize,
    /// The line that was being typed when the looking began.
    typed: String,
}

impl History {
    /// Adds a line, unless it is empty or the same as the last.
    pub(super) fn add(&mut self, line: &str) {
        if !line.is_empty() && self.lines.back().is_none_or(|last| last != line) {
            if self.lines.len() == MOST {
                self.lines.pop_front();
            }
            self.lines.push_back(line.to_owned());
        }
        self.at = self.lines.len();
    }

    /// The line before, given the one that is shown.
    pub(super) fn earlier(&mut self, shown: &str) -> Option<String> {
        let at = self.at.checked_sub(1)?;
        if self.at == self.lines.len() {
            shown.clone_into(&mut self.typed);
        }
        self.at = at;
        self.lines.get(at).cloned()
    }

    /// The line after; after the last, the one that was being typed.
    pub(super) fn later(&mut self) -> Option<String> {
        if self.at == self.lines.len() {
            return None;
        }
        self.at += 1;
        Some(self.lines.get(self.at).unwrap_or(&self.typed).clone())
    }
}

/// How many lines are kept.
const MOST: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_in_order_and_the_one_being_typed_is_not_lost() {
        let mut history = History::default();
        assert_eq!((history.earlier("x"), history.later()), (None, None));
        for line in ["one", "two", "two", ""] {
            history.add(line);
        }
        assert_eq!(history.earlier("half").as_deref(), Some("two"));
        assert_eq!(history.earlier("two").as_deref(), Some("one"));
        assert_eq!(history.earlier("one"), None);
        assert_eq!(history.later().as_deref(), Some("two"));
        assert_eq!(history.later().as_deref(), Some("half"));
        assert_eq!(history.later(), None);
        for number in 0..2 * MOST {
            history.add(&number.to_string());
        }
        assert_eq!(history.lines.len(), MOST);
    }
}
