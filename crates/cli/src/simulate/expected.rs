//! What a client is still to be told, held against what it is told: the first byte that is wrong is one too many.

use super::dialogue::{Course, Dialogue};
use super::invariants::{Broken, Invariant};
use crate::service::Service;

/// The rest of one conversation, as it has to go.
pub(super) struct Expected<'a> {
    dialogue: &'a Dialogue,
    client: usize,
    from: usize,
    /// Whose answer comes next, after what is pending.
    next: usize,
    until: usize,
    /// What is to come next, and how much of it has.
    pending: Vec<u8>,
    at: usize,
    /// What comes behind all answers.
    tail: &'static [u8],
    is_to_fail: bool,
    /// How much came in all.
    heard: u64,
    /// How many of the last bytes were wrong.
    wrong: usize,
}

impl<'a> Expected<'a> {
    /// Of a conversation that begins with message `from` and ends before `until`.
    pub(super) fn new(dialogue: &'a Dialogue, client: usize, from: usize, until: usize) -> Self {
        let mut pending = Vec::new();
        dialogue.opening(&mut pending);
        Self {
            dialogue,
            client,
            from,
            next: from,
            until,
            pending,
            at: 0,
            tail: b"",
            is_to_fail: false,
            heard: 0,
            wrong: 0,
        }
    }

    /// The same, with this behind all answers.
    pub(super) fn and(self, tail: &'static [u8]) -> Self {
        Self { tail, is_to_fail: !tail.is_empty(), ..self }
    }

    /// Whether the service is to fail at what comes behind all answers.
    pub(super) fn is_to_fail(&self) -> bool {
        self.is_to_fail
    }

    /// More has come.
    pub(super) fn hear(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        loop {
            let left = &self.pending[self.at..];
            let count = left.len().min(bytes.len());
            if left[..count] != bytes[..count] {
                let right = bytes.iter().zip(left).take_while(|(is, was)| is == was).count();
                self.wrong = bytes.len() - right;
                return Err(self.explain(bytes));
            }
            self.at += count;
            self.heard += count as u64;
            bytes = &bytes[count..];
            if bytes.is_empty() {
                return Ok(());
            }
            if !self.refill() {
                return Err(self.explain(bytes));
            }
        }
    }

    /// Whether these bytes, which were wrong, are the end of an answer to a part of a line.
    pub(super) fn ends_with_short_line(&self, bytes: &[u8]) -> bool {
        let is_line = self.dialogue.service == Service::Line && self.next > self.from;
        is_line && matches!(&bytes[bytes.len() - self.wrong..], b"\r\n" | b"\r" | b"\n")
    }

    /// The first message whose answer has not come to its end.
    pub(super) fn answered(&self) -> usize {
        let last = if self.at == self.pending.len() { self.next } else { self.next.saturating_sub(1) };
        last.max(self.from)
    }

    /// Whether nothing more is to come. What never ends is complete when enough of it came.
    pub(super) fn is_complete(&self) -> bool {
        let has_more = self.dialogue.course() != Course::Silent && self.dialogue.course() != Course::Visit;
        self.at == self.pending.len() && (!has_more || self.next >= self.until && self.tail.is_empty())
    }

    /// How many bytes came, all of them right.
    pub(super) fn heard(&self) -> u64 {
        self.heard
    }

    /// Goes on to the next answer, if there is to be one.
    fn refill(&mut self) -> bool {
        let is_endless = self.dialogue.course() == Course::Endless;
        if self.next >= self.until && !is_endless && self.tail.is_empty() {
            return false;
        }
        self.pending.clear();
        self.at = 0;
        if self.next >= self.until && !is_endless {
            self.pending.extend_from_slice(std::mem::take(&mut self.tail));
            return true;
        }
        self.dialogue.answer(self.client, self.next, &mut self.pending);
        self.next += 1;
        !self.pending.is_empty()
    }

    /// What is wrong with these bytes, which are not what was to come.
    fn explain(&self, bytes: &[u8]) -> Broken {
        let all = self.whole();
        let heard = usize::try_from(self.heard).unwrap_or(usize::MAX).min(all.len());
        let right = bytes.iter().zip(&all[heard..]).take_while(|(is, was)| is == was).count();
        let (at, wrong) = (heard + right, &bytes[right..]);
        let sample = &wrong[..wrong.len().min(SAMPLE)];
        let find = |place: &[u8]| {
            let mut windows = place.windows(sample.len());
            if sample.len() < LEAST { None } else { windows.position(|window| window == sample) }
        };
        let shown = sample.escape_ascii();
        let (invariant, what) = if let Some(ahead) = find(&all[at..]) {
            (
                Invariant::Lost,
                format!("\"{shown}\" comes {ahead} bytes too early: they are lost or come later"),
            )
        } else if let Some(place) = find(&all[..at]) {
            let back = at - place;
            (Invariant::Duplicated, format!("\"{shown}\" comes again, from {back} bytes before"))
        } else if at == all.len() {
            (Invariant::Duplicated, format!("\"{shown}\" follows, and nothing was to"))
        } else {
            let was = &all[at..all.len().min(at + SAMPLE)];
            (Invariant::Content, format!("\"{shown}\" comes instead of \"{}\"", was.escape_ascii()))
        };
        Broken::new(invariant, format!("client {}, at byte {at} of its answers: {what}", self.client))
    }

    /// All that was to come from the beginning, as far as it can matter.
    fn whole(&self) -> Vec<u8> {
        let mut all = Vec::new();
        self.dialogue.opening(&mut all);
        let far = self.next + FAR;
        let until = if self.dialogue.course() == Course::Endless { far } else { self.until.min(far) };
        for number in self.from..until {
            self.dialogue.answer(self.client, number, &mut all);
        }
        all
    }
}

/// How many bytes are shown of what is wrong, and looked for elsewhere.
const SAMPLE: usize = 24;

/// What is shorter than this is found anywhere.
const LEAST: usize = 6;

/// How many answers ahead what came too early is looked for.
const FAR: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogue() -> Dialogue {
        Dialogue { service: Service::Line, greeting: b"Hi! ".to_vec(), size: 40 }
    }

    fn all(dialogue: &Dialogue) -> Vec<u8> {
        Expected::new(dialogue, 1, 2, 10).whole()
    }

    #[test]
    fn what_is_right_is_complete_however_it_is_cut() {
        let dialogue = dialogue();
        let all = all(&dialogue);
        for piece in [1, 2, 7, 100, 10_000] {
            let mut expected = Expected::new(&dialogue, 1, 2, 10);
            let mut answered = 2;
            for bytes in all.chunks(piece) {
                assert!(!expected.is_complete());
                expected.hear(bytes).unwrap();
                assert!(expected.answered() >= answered);
                answered = expected.answered();
            }
            assert!(expected.is_complete() && answered == 10);
            assert_eq!(expected.heard(), all.len() as u64);
        }
    }

    #[test]
    fn an_answer_to_a_part_of_a_line_is_known_by_its_end() {
        let dialogue = dialogue();
        let right = all(&dialogue);
        let before = right.len() - 50;
        for (end, is_short) in [(&b"\r\n"[..], true), (b"\r", true), (b"\r\nE", false), (b"xy", false)] {
            let mut expected = Expected::new(&dialogue, 1, 2, 10);
            expected.hear(&right[..before]).unwrap();
            let bytes = [&right[before..before + 20], end].concat();
            assert!(expected.hear(&bytes).is_err());
            assert_eq!(expected.ends_with_short_line(&bytes), is_short, "{end:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_what_it_is() {
        let dialogue = dialogue();
        let right = all(&dialogue);
        let cut = |from: usize, to: usize| [&right[..from], &right[to..]].concat();
        for (wrong, invariant) in [
            (cut(100, 113), Invariant::Lost),
            (cut(100, 101), Invariant::Lost),
            ([&right[..200], &right[150..]].concat(), Invariant::Duplicated),
            ([&right[..], b"?"].concat(), Invariant::Duplicated),
            ([&right[..60], b"something", &right[69..]].concat(), Invariant::Content),
            ([&right[..60], b"\xff", &right[61..]].concat(), Invariant::Content),
        ] {
            for piece in [1, 50, 10_000] {
                let mut expected = Expected::new(&dialogue, 1, 2, 10);
                let broken = wrong.chunks(piece).find_map(|bytes| expected.hear(bytes).err());
                let broken = broken.expect("it is wrong");
                // A byte alone may be anything.
                assert!(piece == 1 || broken.invariant == invariant, "{broken:?}");
            }
        }
    }
}
