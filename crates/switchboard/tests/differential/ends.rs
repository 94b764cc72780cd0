//! What a play knows of its sockets: ends of connections, doors, mailboxes, and what is in flight for each.
//!
//! Receives are counted as demand, not one by one: how bytes are cut into receives is no promise, so whoever got less
//! than it asked for asks for the rest. Then what was received is the smaller of what was demanded and what has arrived,
//! on every engine, however it was cut. The same holds for accepts and datagrams, which are not cut, when one of them is
//! given up and another submitted in its place.

use std::collections::VecDeque;
use std::sync::LazyLock;

use switchboard::engine::{Address, Done, Failed, Socket, Ticket};

use crate::reserved::ReservedPort;

/// One end of a connection, open or not.
pub(crate) struct End {
    pub(crate) socket: Socket,
    pub(crate) is_open: bool,
    /// Which connection of the case it is an end of, and whether it is who connected.
    pub(crate) connection: usize,
    pub(crate) is_client: bool,
    pub(crate) peer: Option<usize>,
    pub(crate) reading: Reading,
    /// How many bytes were submitted to be sent.
    pub(crate) sent: usize,
    /// Sends and whatever else is told one by one.
    pub(crate) rows: Vec<Row>,
    /// It was closed gently: what its peer sends is read away.
    pub(crate) lingers: bool,
    /// Something ended or was closed, here or at the other end.
    pub(crate) is_marred: bool,
    /// It was cut off when nobody knew how much of what it had sent was on its way; and so is what became of its sends.
    pub(crate) is_cut: bool,
    pub(crate) is_vague: bool,
    /// A send was given up, and may be under way.
    pub(crate) gave_up: bool,
    /// It had another name before.
    pub(crate) was_moved: bool,
}

/// The receiving half.
#[derive(Default)]
pub(crate) struct Reading {
    pub(crate) flights: VecDeque<Flight>,
    pub(crate) demand: usize,
    pub(crate) received: usize,
    /// Bytes, ends and errors in the order they came.
    pub(crate) story: Vec<Event>,
    /// What was parked when the descriptor was released.
    pub(crate) stash: VecDeque<Event>,
    /// How much comes is nobody's promise.
    pub(crate) is_loose: bool,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Count(usize),
    Bytes(Vec<u8>),
    Told(String),
}

/// A receive or accept.
pub(crate) struct Flight {
    pub(crate) max: usize,
    pub(crate) state: State,
}

/// Whether an operation is finished, as far as the play was told.
pub(crate) enum State {
    Waits(Ticket),
    Done(Result<Done, Failed>),
}

/// An operation that is told by itself.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) outcome: Option<String>,
    /// Where in what was sent it comes; it needs room if it is not done.
    pub(crate) offset: usize,
    pub(crate) is_read: bool,
}

/// A listener.
pub(crate) struct Door {
    pub(crate) socket: Socket,
    pub(crate) address: Address,
    /// Keeps others from its port when it is closed.
    pub(crate) _reserved: Option<ReservedPort>,
    pub(crate) is_open: bool,
    pub(crate) flights: VecDeque<Flight>,
    /// Connections that nobody has accepted yet: their numbers, and their clients' addresses.
    pub(crate) queue: VecDeque<(usize, Address)>,
    /// Accepted and not reported yet.
    pub(crate) came: Vec<(usize, Socket)>,
    pub(crate) story: Vec<Event>,
}

/// A datagram socket.
pub(crate) struct Mailbox {
    pub(crate) socket: Socket,
    pub(crate) address: Address,
    pub(crate) is_open: bool,
    pub(crate) flights: VecDeque<Flight>,
    pub(crate) story: Vec<Event>,
    pub(crate) rows: Vec<Row>,
    /// How many were sent to it, and how many had come from it when it was last looked at.
    pub(crate) sent_to: usize,
    pub(crate) reported: usize,
}

impl End {
    pub(crate) fn new(socket: Socket, connection: usize, is_client: bool) -> Self {
        Self {
            socket,
            is_open: true,
            connection,
            is_client,
            peer: None,
            reading: Reading::default(),
            sent: 0,
            rows: Vec::new(),
            lingers: false,
            is_marred: false,
            is_cut: false,
            is_vague: false,
            gave_up: false,
            was_moved: false,
        }
    }

    /// Which pattern it sends: no two ends of a case have the same.
    pub(crate) fn voice(&self) -> usize {
        2 * self.connection + usize::from(!self.is_client)
    }

    /// Whether a receive would be the next on its lane.
    pub(crate) fn reads_freely(&self) -> bool {
        self.reading.flights.is_empty() && self.rows.iter().all(|row| !row.is_read || row.outcome.is_some())
    }
}

impl Reading {
    /// Writes down what came. Bytes must be those that the other end sends at this place.
    pub(crate) fn hear(&mut self, event: Event, voice: usize) {
        let Event::Bytes(bytes) = event else {
            if self.story.last() != Some(&event) {
                self.story.push(event);
            }
            return;
        };
        if bytes != pattern(voice, self.received, bytes.len()) {
            self.story.push(Event::Told(format!("what was never sent, at {}", self.received)));
        }
        self.received += bytes.len();
        match self.story.last_mut() {
            Some(Event::Count(count)) => *count += bytes.len(),
            _ => self.story.push(Event::Count(bytes.len())),
        }
    }

    /// How much of the demand is in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.flights.iter().map(|flight| flight.max).sum()
    }

    /// Takes from the stash what may be taken of it.
    pub(crate) fn unpack(&mut self, most: usize) -> Option<Event> {
        match self.stash.front_mut()? {
            Event::Bytes(bytes) if bytes.len() > most => {
                let rest = bytes.split_off(most);
                Some(Event::Bytes(std::mem::replace(bytes, rest)))
            }
            _ => self.stash.pop_front(),
        }
    }
}

impl Event {
    /// What a receive came to.
    pub(crate) fn of(outcome: Result<Done, Failed>) -> Self {
        match outcome {
            Ok(Done::Received { lease }) if !lease.is_empty() => Self::Bytes(lease.to_vec()),
            other => Self::Told(told(other).replace("ConnectionRefused", "NotConnected")),
        }
    }
}

/// An outcome in words, without what differs from run to run: addresses, and how much of a send was left when it was submitted.
pub(crate) fn told(outcome: Result<Done, Failed>) -> String {
    match outcome {
        Ok(Done::Received { lease }) => format!("{} bytes", lease.len()).replace("0 bytes", "end"),
        Ok(Done::Sent { .. }) => "sent".to_owned(),
        Ok(Done::Accepted { .. }) => "accepted".to_owned(),
        Ok(other) => format!("{other:?}").to_lowercase(),
        Err(failed) => format!("{:?}", failed.error.kind()),
    }
}

/// The same of what is not a receive. Why a connection broke is told once, to whoever comes first; whoever sends after
/// that is told that it is broken.
pub(crate) fn told_of_writing(outcome: Result<Done, Failed>) -> String {
    broken(told(outcome))
}

/// Both words for a connection that is broken, as one.
pub(crate) fn broken(text: String) -> String {
    match text.as_str() {
        "ConnectionReset" | "BrokenPipe" => "broken".to_owned(),
        _ => text,
    }
}

/// The bytes that a voice says at this place.
pub(crate) fn pattern(voice: usize, from: usize, count: usize) -> Vec<u8> {
    let begin = (voice * 7_919 + from) % PERIOD;
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let at = (begin + all.len()) % PERIOD;
        all.extend_from_slice(&TABLE[at..PERIOD.min(at + count - all.len())]);
    }
    all
}

static TABLE: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..PERIOD).map(|at| (at * at % 257 + at / 257) as u8).collect());

/// A prime, so that it fits no buffer.
const PERIOD: usize = 65_521;
