//! A client that checks: it says its messages, holds every byte of the answers against what it has to be, and sees to it that
//! the connection is closed in the end.
//!
//! It bears what a real client has to: it waits for a server that does not listen yet, tries again when descriptors run out, and
//! begins anew, with what was not answered, when its connection was reset. All that it draws by lot follows from the seed.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use switchboard::engine::{Address, Close};
use switchboard::net::{ReadHalf, Stream, WriteHalf};
use switchboard::sim::{Fault, Injected};
use switchboard::{EventLoop, sleep};

use super::dialogue::{Course, Dialogue};
use super::expected::Expected;
use super::flow::Flow;
use super::invariants::{Broken, Invariant, is_as_asked};
use super::manner::Manner;
use super::notes::Notebook;
use super::options::Options;
use crate::error::reason;
use crate::service::Service;
use crate::stop::{First, first};

/// One client.
pub(super) struct Client {
    number: usize,
    options: Rc<Options>,
    dialogue: Dialogue,
    server: Address,
    notebook: Notebook,
    injected: Injected,
    rng: RefCell<Rng>,
}

/// How a conversation ended.
enum End {
    /// As it was to; or it was left.
    Complete,
    /// Before that, and by whom and how it seems; the messages before this one were answered.
    Cut(usize, String),
    /// Something did not hold.
    Broken(Broken),
}

/// How a connection ended, as its reader sees it.
enum Read {
    /// By the server's end, or by an error.
    End(io::Result<()>),
    Left(Close),
    Broken(Broken),
}

impl Client {
    pub(super) fn new(
        number: usize,
        seed: u64,
        (options, server): (&Rc<Options>, &Address),
        (notebook, injected): (&Notebook, &Injected),
    ) -> Self {
        Self {
            number,
            options: Rc::clone(options),
            dialogue: options.dialogue(),
            server: server.clone(),
            notebook: notebook.clone(),
            injected: injected.clone(),
            rng: RefCell::new(Rng::with_seed(spread(seed, number as u64))),
        }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Comes, says all its messages, and leaves.
    pub(super) async fn attend(self) {
        if self.lot(2) {
            let late = self.rng.borrow_mut().u64(..50_000);
            sleep(Duration::from_micros(late)).await;
        }
        let (course, messages) = (self.dialogue.course(), self.options.messages);
        let mut from = 0;
        while from < messages {
            let Some(stream) = self.connect().await else { return };
            let until = if course == Course::Visit { from + 1 } else { messages };
            match self.converse(stream, from, until).await {
                End::Complete if course == Course::Visit => from = until,
                End::Complete => return,
                End::Cut(answered, how) => {
                    let message = format!("client {} at message {answered}: {how}", self.number);
                    self.notebook.open().cut.push(message);
                    // Of what has no answers, nobody knows what came.
                    from = if course == Course::Answered { answered } else { from };
                }
                End::Broken(broken) => return self.notebook.open().broken.push(broken),
            }
        }
    }

    /// Connects, and tries again for as long as it is worth it. None if the server has ended.
    async fn connect(&self) -> Option<Stream> {
        for _ in 0..MOST_TRIES {
            if self.notebook.open().end.is_some() {
                return None;
            }
            self.notebook.open().attempts += 1;
            // What comes back now may have been said before it listened.
            let is_to_listen = self.notebook.open().has_begun;
            let error = match Stream::connect(self.server.clone()).await {
                Ok(stream) => {
                    self.notebook.open().connected += 1;
                    return Some(stream);
                }
                Err(error) => error,
            };
            if error.kind() == io::ErrorKind::ConnectionRefused && is_to_listen {
                // Told to end before its clients came, it has a right to.
                if self.injected.count(Fault::Signal) == 0 {
                    self.complain(Invariant::Refused, "was refused");
                }
                return None;
            }
            sleep(PAUSE).await;
        }
        self.complain(Invariant::Refused, "could not connect, however often it tried");
        None
    }

    /// One connection, from first to last.
    async fn converse(&self, stream: Stream, from: usize, until: usize) -> End {
        let course = self.dialogue.course();
        let manner = Manner::draw(&mut self.rng.borrow_mut(), course, until - from);
        let flow = Flow::new(from, manner.ahead);
        let (mut reader, mut writer) = stream.into_split();
        let expected = Expected::new(&self.dialogue, self.number, from, until);
        let mut expected = expected.and(self.last_words(&manner));
        let speaking = async {
            // Whoever has the other end tells the reader of it, too.
            self.speak(&mut writer, &manner, &flow, (from, until)).await.ok();
            std::future::pending::<()>().await;
        };
        let listening = self.listen(&mut reader, &mut expected, (&manner, &flow, from));
        let talk = async {
            match first(listening, speaking).await {
                First::One(read) => read,
                First::Other(()) => unreachable!("it never ends"),
            }
        };
        let read = match first(talk, flow.stuck(PATIENCE)).await {
            First::One(read) => read,
            First::Other(()) => {
                let text = format!("client {} heard nothing for {PATIENCE:?}", self.number);
                Read::Broken(Broken::new(Invariant::Silent, text))
            }
        };
        self.notebook.open().heard += expected.heard();
        match read {
            Read::Broken(broken) => End::Broken(broken),
            Read::Left(how) => {
                if let Ok(stream) = Stream::reunite(reader, writer) {
                    stream.close(how);
                }
                self.count(expected.answered() - from);
                End::Complete
            }
            Read::End(ended) => {
                let end = self.judge(&expected, &flow, ended, (from, until));
                let has_failed = expected.is_to_fail() && expected.is_complete();
                self.notebook.open().failures += u64::from(has_failed && matches!(end, End::Complete));
                end
            }
        }
    }

    /// The server has ended the conversation, or something has cut it off.
    fn judge(&self, expected: &Expected<'_>, flow: &Flow, ended: io::Result<()>, of: (usize, usize)) -> End {
        let ((from, until), course) = (of, self.dialogue.course());
        // Who answers is not to hang up before the client has, unless it was made to fail.
        let has_listened = course == Course::Visit || flow.has_said_all() || expected.is_to_fail();
        let is_over = expected.is_complete() && has_listened;
        let answered = if course == Course::Answered { expected.answered() } else { from };
        if is_over && ended.is_ok() {
            self.count(until - from);
            if course != Course::Visit && flow.has_said_all() {
                self.notebook.open().delivered += flow.said();
            }
            return End::Complete;
        }
        self.count(answered - from);
        if is_as_asked(self.options.server.faults.cut, expected.heard(), ended.is_err()) {
            return End::Complete;
        }
        // Its own time is not the server's, by as long as bytes are on their way.
        let is_idle = |time: Duration| flow.idle() >= time / 2;
        if self.options.server.idle_timeout.is_some_and(is_idle) {
            return End::Complete;
        }
        End::Cut(answered, ended.map_or_else(|error| reason(&error), |()| "the end came early".to_owned()))
    }

    /// Says the messages, and then that this is all.
    async fn speak(
        &self,
        writer: &mut WriteHalf,
        manner: &Manner,
        flow: &Flow,
        (from, until): (usize, usize),
    ) -> io::Result<()> {
        let course = self.dialogue.course();
        let until = if course == Course::Endless { until.min(from + FEW) } else { until };
        let mut bytes = Vec::new();
        for number in from..until {
            flow.room(number).await;
            if let Some((likely, most)) = manner.pause
                && self.rng.borrow_mut().f64() < likely
            {
                let time = most.mul_f64(self.rng.borrow_mut().f64());
                sleep(time).await;
            }
            self.dialogue.message(self.number, number, &mut bytes);
            if number + 1 == until {
                bytes.extend_from_slice(self.last_words(manner));
            }
            // What there is no need to wait for goes together.
            let goes_on = manner.ahead == usize::MAX && manner.pause.is_none() && bytes.len() < PIECE;
            if goes_on && number + 1 < until {
                continue;
            }
            self.notebook.open().said += bytes.len() as u64;
            writer.write_all(&bytes).await?;
            flow.say(bytes.len());
            bytes.clear();
        }
        if course == Course::Endless {
            return Ok(());
        }
        flow.said_all();
        writer.shutdown().await
    }

    /// Hears the answers, until the end.
    async fn listen(
        &self,
        reader: &mut ReadHalf,
        expected: &mut Expected<'_>,
        (manner, flow, from): (&Manner, &Flow, usize),
    ) -> Read {
        loop {
            if let Some((after, how)) = manner.leaves
                && expected.answered() - from >= after
            {
                return Read::Left(how);
            }
            if manner.sips.is_some() && self.lot(4) {
                let time = self.rng.borrow_mut().u64(..20_000);
                sleep(Duration::from_micros(time)).await;
            }
            let data = match reader.recv_at_most(manner.sips.unwrap_or(MOST_READ)).await {
                Ok(data) => data,
                Err(error) => return Read::End(Err(error)),
            };
            if data.is_empty() {
                return Read::End(Ok(()));
            }
            if let Err(broken) = expected.hear(&data) {
                // To a server that hears no more, what it has heard of a line is a line.
                let is_last = self.may_end_early() && expected.ends_with_short_line(&data);
                return if is_last { Read::End(Ok(())) } else { Read::Broken(broken) };
            }
            flow.answered(expected.answered());
        }
    }

    /// What it says at last, and hears again, to be hung up on for it.
    fn last_words(&self, manner: &Manner) -> &'static [u8] {
        if manner.booms && self.dialogue.service == Service::Boom { b"boom\n" } else { b"" }
    }

    /// Whether the server may have a reason to hear no more of a client that goes on.
    fn may_end_early(&self) -> bool {
        self.injected.count(Fault::Signal) > 0 || self.options.server.idle_timeout.is_some()
    }

    fn count(&self, messages: usize) {
        self.notebook.open().messages += messages as u64;
    }

    fn complain(&self, invariant: Invariant, what: &str) {
        let broken = Broken::new(invariant, format!("client {} {what}", self.number));
        self.notebook.open().broken.push(broken);
    }

    /// Whether a lot falls on it, one of so many.
    fn lot(&self, many: u32) -> bool {
        self.rng.borrow_mut().u32(..many) == 0
    }
}

/// The time of the client's host.
pub(super) fn now() -> Instant {
    EventLoop::with_current(|event_loop| event_loop.now()).expect("clients run on a loop")
}

/// A seed for one of the clients of a seed: near ones would begin with the same lots (SplitMix64, as in the engines).
fn spread(seed: u64, number: u64) -> u64 {
    let mut bits =
        seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// For how long nothing may go, by the network's clock, while somebody waits for it. TCP may take minutes to repeat what is
/// lost again and again.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(10);

/// How often connecting is tried: faults have budgets, and a server has listened by then.
const MOST_TRIES: u32 = 1_000;

/// What is read at once, by those who do not sip.
const MOST_READ: usize = 16 << 10;

/// What is sent at once, if nothing is waited for.
const PIECE: usize = 4 << 10;

/// How many messages are said to a service that does not listen.
const FEW: usize = 3;
