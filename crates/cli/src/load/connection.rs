//! One connection of the load: what is on the way on it, and whether what comes back is what was to come.
//!
//! It does no I/O. Exchanges are answered in the order in which they were begun; what comes is held against the first of them.

use std::collections::VecDeque;
use std::time::Instant;

use switchboard::engine::{Socket, Ticket};

use super::failure::Failure;
use super::message::{Expect, Message};

/// One connection, or the place for one.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) state: State,
    /// Changes whenever a connection has gone, so that what was meant for it is not meant for the next.
    pub(super) epoch: u32,
    /// Whether it was ever tried to connect it.
    pub(super) was_tried: bool,
    pub(super) receiving: Option<Ticket>,
    pub(super) sending: Option<Ticket>,
    /// On the way, the oldest first.
    pub(super) exchanges: VecDeque<Exchange>,
    /// How many of these, the newest, have not gone out as a whole, and how much of the first of them has.
    pub(super) unsent: usize,
    pub(super) gone: usize,
    /// Of the answer that is coming, bytes.
    heard: usize,
    /// Whether one of them is wrong.
    is_wrong: bool,
    /// Whether the answer before it was.
    was_wrong: bool,
    /// A line that is coming.
    line: Vec<u8>,
    /// Since it was connected.
    pub(super) has_answered: bool,
    /// Of the next message.
    pub(super) number: u64,
    /// Those that were given up, the newest last: their answers may still come, as datagrams.
    given_up: VecDeque<u64>,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    Closed,
    /// Since when, and for which exchange, if it is for one only: when that was due.
    Connecting {
        socket: Socket,
        ticket: Ticket,
        since: Instant,
        intended: Option<Instant>,
    },
    Open {
        socket: Socket,
    },
}

/// A message, and its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    /// When it was to begin.
    pub(super) intended: Instant,
    /// When it began.
    pub(super) sent: Instant,
    pub(super) number: u64,
}

/// What became known by what came.
#[derive(Debug, Clone, Copy)]
pub(super) enum Heard {
    /// The first byte of the answer to this one.
    FirstByte(Exchange),
    /// The last one.
    Answer(Exchange),
    /// The last one of an answer that is wrong. The next may be right.
    WrongAnswer(Exchange),
    /// Nobody knows any more where the next answer begins.
    OutOfStep,
}

impl Connection {
    /// A place for one, whose messages begin with this.
    pub(super) fn new(number: u64) -> Self {
        Self {
            state: State::Closed,
            epoch: 0,
            was_tried: false,
            receiving: None,
            sending: None,
            exchanges: VecDeque::new(),
            unsent: 0,
            gone: 0,
            heard: 0,
            is_wrong: false,
            was_wrong: false,
            line: Vec::new(),
            has_answered: false,
            number,
            given_up: VecDeque::new(),
        }
    }

    pub(super) fn socket(&self) -> Option<Socket> {
        match self.state {
            State::Open { socket } | State::Connecting { socket, .. } => Some(socket),
            State::Closed => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Whether nothing is waited for on it.
    pub(super) fn is_idle(&self) -> bool {
        self.exchanges.is_empty() && !matches!(self.state, State::Connecting { .. })
    }

    /// The next exchange.
    pub(super) fn begin(&mut self, intended: Instant, sent: Instant) {
        self.exchanges.push_back(Exchange { intended, sent, number: self.number });
        self.number += 1;
        self.unsent += 1;
    }

    /// The number of the message that is to go out first.
    pub(super) fn first_unsent(&self) -> Option<u64> {
        let index = self.exchanges.len().checked_sub(self.unsent)?;
        self.exchanges.get(index).map(|exchange| exchange.number)
    }

    /// So much of it has: whether it has as a whole.
    pub(super) fn has_sent(&mut self, bytes: usize, message: &Message) -> bool {
        self.gone += bytes;
        let is_whole = self.gone >= message.size();
        if is_whole {
            self.gone = 0;
            self.unsent -= 1;
        }
        is_whole
    }

    /// Some bytes of the stream have come.
    pub(super) fn hear(&mut self, bytes: &[u8], message: &Message, mut tell: impl FnMut(Heard)) {
        match message.expect {
            Expect::Nothing => {}
            Expect::Line => self.hear_lines(bytes, message, tell),
            Expect::Echo | Expect::Upper => {
                if self.hear_answers(bytes, message, &mut tell).is_none() {
                    tell(Heard::OutOfStep);
                }
            }
        }
    }

    /// `None` if they are nobody's, or the second wrong answer in a row: where one byte is wrong, the next answer is right; where
    /// one is missing or too many, it is not.
    fn hear_answers(
        &mut self,
        mut bytes: &[u8],
        message: &Message,
        tell: &mut impl FnMut(Heard),
    ) -> Option<()> {
        while !bytes.is_empty() {
            let exchange = *self.exchanges.front()?;
            if self.heard == 0 {
                tell(Heard::FirstByte(exchange));
            }
            let left = &message.answer(exchange.number)[self.heard..];
            let (now, rest) = bytes.split_at(left.len().min(bytes.len()));
            if message.verify && now != &left[..now.len()] {
                if self.was_wrong {
                    return None;
                }
                self.is_wrong = true;
            }
            self.heard += now.len();
            bytes = rest;
            if now.len() == left.len() {
                tell(self.answered(exchange));
            }
        }
        Some(())
    }

    fn hear_lines(&mut self, bytes: &[u8], message: &Message, mut tell: impl FnMut(Heard)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let front = self.exchanges.front().copied();
            if let Some(exchange) = front
                && self.line.is_empty()
                && self.has_answered
            {
                tell(Heard::FirstByte(exchange));
            }
            self.line.extend_from_slice(piece);
            if !piece.ends_with(b"\n") {
                if self.line.len() > LONGEST_LINE {
                    tell(Heard::OutOfStep);
                }
                return;
            }
            let is_answer = front.is_some_and(|exchange| {
                !message.verify || self.line.trim_ascii_end().ends_with(message.answer(exchange.number))
            });
            self.line.clear();
            match front {
                Some(exchange) if is_answer => {
                    // Until then, it might have been a welcome.
                    if !self.has_answered {
                        tell(Heard::FirstByte(exchange));
                    }
                    tell(self.answered(exchange));
                }
                // A welcome.
                _ if !self.has_answered => {}
                Some(exchange) if !self.was_wrong => {
                    self.is_wrong = true;
                    tell(self.answered(exchange));
                }
                _ => return tell(Heard::OutOfStep),
            }
        }
    }

    /// A datagram has come: the exchange it answers; `None` for one that had been given up.
    pub(super) fn hear_datagram(
        &mut self,
        bytes: &[u8],
        message: &Message,
    ) -> Result<Option<Exchange>, Failure> {
        let fits = |number: u64| {
            let answer = message.answer(number);
            match message.expect {
                _ if !message.verify => true,
                Expect::Line => bytes.trim_ascii_end().ends_with(answer),
                _ => bytes == answer,
            }
        };
        if let Some(at) = self.exchanges.iter().position(|exchange| fits(exchange.number)) {
            self.has_answered = true;
            return Ok(self.exchanges.remove(at));
        }
        if self.given_up.iter().any(|number| fits(*number)) {
            return Ok(None);
        }
        Err(Failure::Mismatch)
    }

    /// The oldest is not waited for any more.
    pub(super) fn give_up(&mut self) -> Option<Exchange> {
        let exchange = self.exchanges.pop_front()?;
        self.given_up.push_back(exchange.number);
        if self.given_up.len() > MOST_GIVEN_UP {
            self.given_up.pop_front();
        }
        Some(exchange)
    }

    /// It has gone, and with it what was on the way.
    pub(super) fn close(&mut self) {
        let (epoch, was_tried) = (self.epoch.wrapping_add(1), self.was_tried);
        *self = Self { epoch, was_tried, ..Self::new(self.number) };
    }

    /// The oldest is, rightly or not.
    fn answered(&mut self, exchange: Exchange) -> Heard {
        self.exchanges.pop_front();
        self.heard = 0;
        self.has_answered = true;
        self.was_wrong = std::mem::take(&mut self.is_wrong);
        if self.was_wrong { Heard::WrongAnswer(exchange) } else { Heard::Answer(exchange) }
    }
}

/// Whoever sends more without a line end does not speak in lines.
const LONGEST_LINE: usize = 1 << 20;

/// So late may a datagram be, counted in others that were given up.
const MOST_GIVEN_UP: usize = 64;
