//! A conversation as it should go, for smoke tests of servers: what to send, what must come, and by when.
//!
//! ```text
//! # What the service `line` does.
//! expect-line Welcome! Every line you send comes back.
//! send-line hello
//! within 500ms
//! expect "Echo: hello\r\n"
//! end
//! expect-end
//! ```
//!
//! The steps are described in [`script`]. How the bytes are cut never matters, and nothing is expected for ever:
//! what came too late did not come. Memory is bounded: more than [`LIMIT`] bytes that no step took is a mismatch.

mod script;
mod text;

use std::time::{Duration, Instant};

pub(crate) use script::Script;
use script::{Action, Step};
use text::excerpt;

/// A script under way.
#[derive(Debug)]
pub(super) struct Run {
    steps: std::vec::IntoIter<Step>,
    /// How long an expectation may take.
    patience: Duration,
    /// Whether the first of the steps left has begun: what is sent may take its time before it does.
    has_begun: bool,
    /// When the time of that step is over; never, if there is none.
    deadline: Option<Instant>,
    /// What came and was taken by no step, from `taken` on.
    input: Vec<u8>,
    taken: usize,
    /// How much of it, after `taken`, is known not to begin what the step expects.
    searched: usize,
    has_lost_input: bool,
    has_ended: bool,
    mismatch: Option<String>,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send these bytes, then ask again.
    Send(Vec<u8>),
    /// Close the side that sends, then ask again.
    CloseWrite,
    /// Ask again when something was received, the peer has ended, or this time has come.
    WaitUntil(Option<Instant>),
    /// Everything went as it should.
    Done,
    /// It did not: the line of the script, what was expected, why that is out of reach, and what came instead.
    Mismatch(String),
}

impl Run {
    /// A run whose first step begins now.
    pub(super) fn new(script: Script, now: Instant) -> Self {
        let mut run = Self {
            steps: script.steps.into_iter(),
            patience: PATIENCE,
            has_begun: false,
            deadline: None,
            input: Vec::new(),
            taken: 0,
            searched: 0,
            has_lost_input: false,
            has_ended: false,
            mismatch: None,
        };
        run.begin_step(now);
        run
    }

    /// The peer has sent something.
    pub(super) fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.look_at_the_time(now);
        self.input.drain(..self.taken);
        self.taken = 0;
        if self.input.len() > LIMIT {
            self.has_lost_input |= !bytes.is_empty();
        } else {
            self.input.extend_from_slice(bytes);
        }
    }

    /// The peer will send nothing more.
    pub(super) fn ended(&mut self, now: Instant) {
        self.look_at_the_time(now);
        self.has_ended = true;
    }

    /// What is to be done now. To be asked again after each answer but the last two, which stay as they are.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        loop {
            if let Some(mismatch) = &self.mismatch {
                return Next::Mismatch(mismatch.clone());
            }
            self.begin_step(now);
            let Some(step) = self.steps.as_slice().first() else { return Next::Done };
            match &step.action {
                Action::Send(bytes) => {
                    let bytes = bytes.clone();
                    self.end_step();
                    return Next::Send(bytes);
                }
                Action::End => {
                    self.end_step();
                    return Next::CloseWrite;
                }
                Action::Within(patience) => {
                    self.patience = *patience;
                    self.end_step();
                }
                _ if self.has_lost_input => self.fail(Why::TooMuch),
                Action::Wait(_) if self.is_over(now) => self.end_step(),
                Action::Wait(_) if self.has_too_much() => self.fail(Why::TooMuch),
                Action::Wait(_) => return Next::WaitUntil(self.deadline),
                _ => match self.found() {
                    Found::Yes(length) => {
                        self.taken += length;
                        self.end_step();
                    }
                    Found::Never(why) => self.fail(why),
                    Found::NotYet if self.has_too_much() => self.fail(Why::TooMuch),
                    Found::NotYet if self.has_ended => self.fail(Why::Ended),
                    Found::NotYet if self.is_over(now) => self.fail(Why::Late),
                    Found::NotYet => return Next::WaitUntil(self.deadline),
                },
            }
        }
    }

    /// Looks for what the step expects.
    fn found(&mut self) -> Found {
        let Some(step) = self.steps.as_slice().first() else { return Found::NotYet };
        let input = &self.input[self.taken..];
        let input = &input[..input.len().min(LIMIT)];
        match &step.action {
            Action::Expect(text) => match position(&input[self.searched..], text) {
                Some(at) => Found::Yes(self.searched + at + text.len()),
                None => {
                    self.searched = self.searched.max((input.len() + 1).saturating_sub(text.len()));
                    Found::NotYet
                }
            },
            Action::ExpectExactly(text) if input.starts_with(text) => Found::Yes(text.len()),
            Action::ExpectExactly(text) if text.starts_with(input) => Found::NotYet,
            Action::ExpectExactly(_) => Found::Never(Why::Other),
            Action::ExpectLine(text) => {
                let Some(at) = position(&input[self.searched..], b"\n") else {
                    self.searched = input.len();
                    return Found::NotYet;
                };
                let end = self.searched + at;
                let line = &input[..end];
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if line == text { Found::Yes(end + 1) } else { Found::Never(Why::Other) }
            }
            Action::ExpectEnd if !input.is_empty() => Found::Never(Why::Other),
            Action::ExpectEnd if self.has_ended => Found::Yes(0),
            _ => Found::NotYet,
        }
    }

    /// What comes when a step's time is over comes too late for it, even if nobody has asked since.
    fn look_at_the_time(&mut self, now: Instant) {
        let expects = self.steps.as_slice().first().is_some_and(|step| step.expected().is_some());
        if expects && self.is_over(now) && self.mismatch.is_none() && matches!(self.found(), Found::NotYet) {
            self.fail(Why::Late);
        }
    }

    fn begin_step(&mut self, now: Instant) {
        if !self.has_begun {
            self.has_begun = true;
            let time = match self.steps.as_slice().first() {
                Some(Step { action: Action::Wait(pause), .. }) => *pause,
                _ => self.patience,
            };
            self.deadline = now.checked_add(time);
        }
    }

    fn end_step(&mut self) {
        self.steps.next();
        self.searched = 0;
        self.has_begun = false;
    }

    fn is_over(&self, now: Instant) -> bool {
        self.has_begun && self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn has_too_much(&self) -> bool {
        self.has_lost_input || self.input.len() - self.taken > LIMIT
    }

    fn fail(&mut self, why: Why) {
        let Some(step) = self.steps.as_slice().first() else { return };
        let reason = match why {
            Why::Late => format!("its time, {:?}, is over", self.patience),
            Why::Ended => "the peer has ended".to_owned(),
            Why::Other => "something else came".to_owned(),
            Why::TooMuch => format!("more than {LIMIT} bytes came that no step took"),
        };
        let came = match &self.input[self.taken..] {
            [] => "nothing came".to_owned(),
            input => format!("what came is {}", excerpt(input)),
        };
        let expected = step.expected().unwrap_or_else(|| "nothing yet".to_owned());
        self.mismatch = Some(format!("line {}: expected {expected}, but {reason}; {came}", step.line));
    }
}

/// Whether what a step expects is there.
#[derive(Debug)]
enum Found {
    /// It is, and ends after so many bytes.
    Yes(usize),
    /// It may still come.
    NotYet,
    /// It cannot come any more.
    Never(Why),
}

/// Why a step failed.
#[derive(Debug)]
enum Why {
    Late,
    Ended,
    Other,
    TooMuch,
}

impl Step {
    /// What the step expects of the peer, in words.
    fn expected(&self) -> Option<String> {
        match &self.action {
            Action::Expect(text) => Some(excerpt(text)),
            Action::ExpectExactly(text) => Some(format!("exactly {}", excerpt(text))),
            Action::ExpectLine(text) => Some(format!("the line {}", excerpt(text))),
            Action::ExpectEnd => Some("the end".to_owned()),
            Action::Send(_) | Action::Within(_) | Action::Wait(_) | Action::End => None,
        }
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// How long an expectation may take, unless `within` says something else.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many bytes may have come that no step took.
const LIMIT: usize = 1 << 20;

#[cfg(test)]
mod tests;
