//! A case at work on one engine.
//!
//! The first engine, the leader, writes down what it sees; the others are to see the same. Between engines nothing is
//! promised of *when*, so each look of a follower waits, by events and up to a deadline, until it sees what the leader
//! saw. What comes too late is a difference, and so is what comes and should not: it is seen then or at the next look.
//!
//! Not compared, because kernels differ in it and promise nothing:
//! * how bytes are cut into receives, and in which moment they arrive (see `ends.rs`);
//! * how much fits buffers: a send is expected to be done when at most [`FITS`] bytes are unread there, to wait when
//!   [`WAITS`] or more are, and between these nothing is said; nor how much of it arrives if the connection is cut then;
//! * names: ports, abstract names, and the numbers of sockets and tickets;
//!
//! * whether closing a Unix socket resets the connection when its input is unread: what is parked in the engine is read,
//!   says the kernel, and no call makes it reset a Unix connection; and the same over IP where what was parked had been
//!   handed out by a release, and is nobody's any more;
//! * which sender is told why a connection broke (`ConnectionReset`), and which only that it did (`BrokenPipe`): the
//!   kernel tells why to one of those who wait or come next, and on a ring that may be a receive that nobody took;
//! * who is told that a connect was refused: the connect is, and a receive with it or after it, `NotConnected` if not;
//! * whether a receiver who ended the read side of a connection that was broken before is told of that: the error has
//!   arrived on a ring, and is still the kernel's elsewhere;
//! * what a broken connection tells after its descriptor was released: whoever released it may have been given the error
//!   with what was parked, and the kernel tells it once.
//!
//! Left out, as the amounts decide it: sending to who has left more than fits.
//!
//! Left out, because it takes long or ends in what only bounds decide: full accept queues (a SYN is repeated after a
//! second), Unix datagrams for a full queue (`net.unix.max_dgram_qlen`), and the limits of a gentle close.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use switchboard::engine::{
    Address, Engine, Fact, Listen, Op, Plan, Question, Setting, Socket, Submitted, Ticket,
};

use crate::case::{Case, Family};
use crate::ends::{Door, End, Event, Flight, Mailbox, Row, State, told, told_of_writing};
use crate::reserved::ReservedPort;

/// An engine, and what is played on it.
pub(crate) struct Play<'a> {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) family: Family,
    /// What the leader saw, look by look. `None`: this is the leader.
    expected: Option<&'a [Look]>,
    patience: Duration,
    pub(crate) seen: Vec<Look>,
    /// How a look is headed: the step it belongs to.
    pub(crate) heading: String,
    told: HashSet<Ticket>,
    cancelled: HashSet<Ticket>,
    /// Counts whatever happens, so that the leader knows when nothing does.
    pub(crate) moves: usize,
    pub(crate) doors: Vec<Door>,
    pub(crate) ends: Vec<End>,
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) connections: usize,
}

/// What was seen at one moment, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) heading: String,
    pub(crate) lines: Vec<String>,
}

/// What one engine saw and the leader did not.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) heading: String,
    pub(crate) seen: Vec<String>,
    pub(crate) expected: Vec<String>,
}

/// What comes of a step: nothing, or a difference.
pub(crate) type Outcome = Result<(), Difference>;

/// Plays a case to its end, and hands over what was seen.
pub(crate) fn play(
    engine: Box<dyn Engine>,
    case: &Case,
    expected: Option<&[Look]>,
    patience: Duration,
) -> Result<Vec<Look>, Difference> {
    let mut play = Play {
        engine,
        family: case.family,
        expected,
        patience,
        seen: Vec::new(),
        heading: "at the beginning".to_owned(),
        told: HashSet::new(),
        cancelled: HashSet::new(),
        moves: 0,
        doors: Vec::new(),
        ends: Vec::new(),
        mailboxes: Vec::new(),
        connections: 0,
    };
    play.begin()?;
    for (number, &step) in case.steps.iter().enumerate() {
        play.heading = format!("step {number}, {step:?}");
        play.step(step)?;
    }
    play.end()?;
    Ok(play.seen)
}

impl Play<'_> {
    /// One turn of the engine, of at most a millisecond.
    pub(crate) fn turn(&mut self) {
        let mut finished = Vec::new();
        let until = self.engine.clock() + Duration::from_millis(1);
        self.engine.wait(Some(until), &mut finished).expect("the engine must be able to wait");
        for ticket in finished {
            assert!(self.told.insert(ticket), "{ticket:?} was told twice");
            assert!(!self.cancelled.contains(&ticket), "{ticket:?} was told after it was cancelled");
            self.moves += 1;
        }
    }

    /// Looks until nothing changes any more, or until it is as it should be.
    pub(crate) fn observe(&mut self, mut look: impl FnMut(&mut Self) -> Vec<String>) -> Outcome {
        let deadline = self.engine.clock() + self.patience;
        let mut still = 0;
        let mut before = Vec::new();
        loop {
            let moves = self.moves;
            let lines = look(self);
            let is_over = match self.expected {
                Some(expected) => {
                    let expected = &expected[self.seen.len()];
                    if expected.heading != self.heading {
                        let (seen, expected) =
                            (vec!["a look here".to_owned()], vec![expected.heading.clone()]);
                        return Err(Difference { heading: self.heading.clone(), seen, expected });
                    }
                    let is_over = lines == expected.lines;
                    if !is_over && self.engine.clock() >= deadline {
                        let (heading, expected) = (self.heading.clone(), expected.lines.clone());
                        return Err(Difference { heading, seen: lines, expected });
                    }
                    is_over
                }
                None => {
                    still = if lines == before && self.moves == moves { still + 1 } else { 0 };
                    still == STILL
                }
            };
            if is_over {
                self.seen.push(Look { heading: self.heading.clone(), lines });
                return Ok(());
            }
            before = lines;
            self.turn();
        }
    }

    /// Waits until nothing more happens, and takes what is finished.
    pub(crate) fn settle(&mut self) -> Outcome {
        self.observe(|play| {
            play.harvest();
            play.view()
        })?;
        self.report();
        Ok(())
    }

    /// Takes what an operation came to, if it was told to be finished.
    pub(crate) fn outcome(&mut self, ticket: Ticket) -> Option<State> {
        if !self.told.contains(&ticket) {
            return None;
        }
        self.moves += 1;
        let outcome = self.engine.take(ticket);
        self.must_be_stale(ticket);
        Some(State::Done(outcome))
    }

    /// Gives an operation up.
    pub(crate) fn give_up(&mut self, ticket: Ticket) {
        self.engine.cancel(ticket);
        if !self.told.contains(&ticket) {
            self.cancelled.insert(ticket);
        }
        self.must_be_stale(ticket);
    }

    fn must_be_stale(&mut self, ticket: Ticket) {
        let again = told(self.engine.take(ticket));
        assert_eq!(again, "NotFound", "{ticket:?} was taken or given up before");
    }

    pub(crate) fn begin_flight(&mut self, op: Op, max: usize) -> Flight {
        let state = match self.engine.submit(op) {
            Submitted::Done(outcome) => State::Done(outcome),
            Submitted::Pending(ticket) => State::Waits(ticket),
        };
        Flight { max, state }
    }

    pub(crate) fn begin_row(&mut self, op: Op, what: &'static str, offset: usize, is_read: bool) -> Row {
        match self.engine.submit(op) {
            Submitted::Done(outcome) => {
                Row { what, ticket: None, outcome: Some(told_of_writing(outcome)), offset, is_read }
            }
            Submitted::Pending(ticket) => Row { what, ticket: Some(ticket), outcome: None, offset, is_read },
        }
    }

    /// An address where nobody is.
    pub(crate) fn address(&self) -> Address {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        match self.family {
            Family::V4 => "127.0.0.1:0".parse().unwrap(),
            Family::V6 => "[::1]:0".parse().unwrap(),
            Family::Abstract => {
                let unique = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
                format!("unix:@differential-{}-{}", unique.0, unique.1).parse().unwrap()
            }
        }
    }

    pub(crate) fn local(&mut self, socket: Socket) -> Address {
        match self.engine.ask(socket, Question::Local) {
            Ok(Fact::Address(address)) => address,
            other => panic!("not an address: {other:?}"),
        }
    }

    pub(crate) fn listen(&mut self) {
        let mut address = self.address();
        let mut reserved = None;
        if let Address::Ip(ip) = &mut address {
            *ip = reserved.insert(ReservedPort::at(ip.ip())).address();
        }
        let socket = self.engine.open(Plan::Listen(Listen::at(address.clone()))).unwrap();
        self.doors.push(Door {
            socket,
            address,
            _reserved: reserved,
            is_open: true,
            flights: Default::default(),
            queue: Default::default(),
            came: Vec::new(),
            story: Vec::new(),
        });
    }

    /// Over IP the kernel lets buffers grow; one that was set is left as it is.
    pub(crate) fn bound(&mut self, socket: Socket) {
        if self.family != Family::Abstract {
            self.engine.set(socket, Setting::SendBuffer(32_768)).unwrap();
        }
    }

    fn begin(&mut self) -> Outcome {
        self.listen();
        self.connect(0);
        self.accept(0);
        self.settle()
    }

    /// Whatever was sent and can be received is received; then all is closed, and nothing is left.
    fn end(&mut self) -> Outcome {
        self.heading = "at the end".to_owned();
        self.settle()?;
        for end in 0..self.ends.len() {
            if self.ends[end].is_open {
                self.receive(end, 1 << 30);
            }
        }
        self.settle()?;
        // Two that close gently and have much to say to each other wait for each other, up to their bounds.
        let is_quiet =
            self.ends.iter().all(|end| end.rows.is_empty() && !end.gave_up && !end.reading.is_loose);
        for end in &mut self.ends {
            if end.is_open {
                end.is_open = false;
                self.engine.close(end.socket, crate::steps::GENTLY);
            }
        }
        for door in &mut self.doors {
            self.engine.close(door.socket, switchboard::engine::Close::Now);
        }
        if !is_quiet {
            return Ok(());
        }
        // Reading away takes its turns, and nothing tells of it.
        for _ in 0..MANY {
            if self.engine.closing() > 0 {
                self.turn();
            }
        }
        self.observe(|play| vec![format!("{} close", play.engine.closing())])?;
        self.observe(|play| {
            play.harvest();
            vec![format!("{} buffers are lent", play.engine.pool().lent())]
        })
    }

    /// Whether it is known what becomes of a row.
    pub(crate) fn is_certain(&self, end: usize, row: &Row) -> bool {
        let End { is_vague, peer, .. } = self.ends[end];
        let peer = peer.map(|peer| &self.ends[peer]);
        let read = peer.map_or(0, |peer| peer.reading.received);
        let unread = row.offset.saturating_sub(read);
        let nobody_reads = peer.is_some_and(|peer| !peer.is_open && !peer.lingers);
        // Who closes gently reads away when all it has to say is sent.
        let is_read_away = peer.is_some_and(|peer| peer.lingers);
        let is_counted = peer.is_none_or(|peer| !peer.is_open || !peer.reading.is_loose);
        !is_vague
            && is_counted
            && (row.is_read || nobody_reads || unread <= FITS || unread >= WAITS && !is_read_away)
    }
}

/// What a story tells, in one line.
pub(crate) fn tell(story: &[Event]) -> String {
    let tell = |event: &Event| match event {
        Event::Count(count) => format!("{count} bytes"),
        Event::Bytes(bytes) => format!("{bytes:?}"),
        Event::Told(text) => text.clone(),
    };
    story.iter().map(tell).collect::<Vec<_>>().join(", ")
}

/// After how many turns without anything new the leader counts as still. It is in memory: what is to happen has happened.
const STILL: usize = 3;

/// More turns than gentle closes take.
const MANY: usize = 200;

/// What surely fits the buffers of a connection.
pub(crate) const FITS: usize = 8_192;

/// What surely does not.
pub(crate) const WAITS: usize = 300_000;
