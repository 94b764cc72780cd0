//! What is sent, and what is to come back.
//!
//! Messages that are made up differ from each other: the n-th is cut out of one long random text, a byte further on than the one before.
//! So an answer that is lost, doubled or out of order is no more taken for the right one than one with a wrong byte.

use std::str::FromStr;

/// What is sent, and what is to come back.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// All messages, one beginning after another begins.
    text: Vec<u8>,
    /// The same as it is to come back.
    answer: Vec<u8>,
    /// Of one message, without its end.
    length: usize,
    end: &'static [u8],
    /// How many there are before the first comes again.
    variety: u64,
    pub(crate) expect: Expect,
    /// Whether what comes back is compared, byte by byte.
    pub(crate) verify: bool,
}

/// What is to come back for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The same.
    Echo,
    /// The same, in capitals.
    Upper,
    /// A line that ends with the message. Those that come before the first of these are a welcome.
    Line,
    /// Nothing.
    Nothing,
}

impl Message {
    /// Messages of so many bytes, made up.
    pub(crate) fn of_size(size: usize, expect: Expect, verify: bool) -> Self {
        let end: &[u8] = if expect == Expect::Line { b"\r\n" } else { b"" };
        let length = size.saturating_sub(end.len());
        let mut random = fastrand::Rng::with_seed(SEED);
        let text = (0..length + VARIETY as usize - 1).map(|_| random.alphanumeric() as u8).collect();
        Self::new(text, length, end, VARIETY, expect, verify)
    }

    /// Always the same.
    pub(crate) fn fixed(text: Vec<u8>, expect: Expect, verify: bool) -> Self {
        let lacks_end = expect == Expect::Line && !text.ends_with(b"\n");
        let (end, length): (&[u8], _) = (if lacks_end { b"\r\n" } else { b"" }, text.len());
        Self::new(text, length, end, 1, expect, verify)
    }

    fn new(
        text: Vec<u8>,
        length: usize,
        end: &'static [u8],
        variety: u64,
        expect: Expect,
        verify: bool,
    ) -> Self {
        let answer = match expect {
            Expect::Upper => text.to_ascii_uppercase(),
            _ => text.clone(),
        };
        Self { text, answer, length, end, variety, expect, verify }
    }

    /// How long each of them is, bytes.
    pub(crate) fn size(&self) -> usize {
        self.length + self.end.len()
    }

    /// The parts of one of them.
    pub(super) fn parts(&self, number: u64) -> [&[u8]; 2] {
        [self.cut(&self.text, number), self.end]
    }

    /// What is to come back for it: all of it, or what a line has to end with.
    pub(super) fn answer(&self, number: u64) -> &[u8] {
        let answer = self.cut(&self.answer, number);
        if self.expect == Expect::Line { answer.trim_ascii_end() } else { answer }
    }

    fn cut<'a>(&self, all: &'a [u8], number: u64) -> &'a [u8] {
        let from = (number % self.variety) as usize;
        &all[from..from + self.length]
    }
}

impl FromStr for Expect {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|expect| expect.name() == name)
            .ok_or("no such answer; give echo, upper, line or none")
    }
}

impl Expect {
    pub(crate) const ALL: [Self; 4] = [Self::Echo, Self::Upper, Self::Line, Self::Nothing];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Upper => "upper",
            Self::Line => "line",
            Self::Nothing => "none",
        }
    }
}

/// How many messages differ: a prime, so that connections that began elsewhere do not fall into step.
const VARIETY: u64 = 4093;

/// Everyone sends the same, so that runs can be compared.
const SEED: u64 = 0x5eed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_follow_each_other_differ() {
        let message = Message::of_size(64, Expect::Echo, true);
        let of = |number| message.parts(number).concat();
        assert_eq!(of(7).len(), 64);
        assert!((0..VARIETY - 1).all(|number| of(number) != of(number + 1)));
        assert_eq!(of(3), of(3 + VARIETY));
        assert_eq!(message.answer(3), of(3));
    }

    #[test]
    fn an_answer_is_what_was_expected() {
        let upper = Message::fixed(b"shout".to_vec(), Expect::Upper, true);
        assert_eq!(upper.answer(0), b"SHOUT");
        let line = Message::fixed(b"hello".to_vec(), Expect::Line, true);
        assert_eq!((line.parts(0).concat(), line.answer(0)), (b"hello\r\n".to_vec(), &b"hello"[..]));
        let line = Message::fixed(b"hello\n".to_vec(), Expect::Line, true);
        assert_eq!((line.size(), line.answer(9)), (6, &b"hello"[..]));
        assert_eq!(Message::of_size(64, Expect::Line, true).parts(1).concat().len(), 64);
    }
}
