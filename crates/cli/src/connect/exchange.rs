//! An exchange: both directions at once, and what its end is.
//!
//! Each direction is a pump of two parts with a queue between them: stdin → wire → peer, and peer → screen → stdout. The
//! direction from the peer decides: the exchange is over when the peer has ended and all it sent was printed. What we
//! still had to send then is sent as far as it is there; see `remain`.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::time::Duration;

use switchboard::timeout;

use super::codec::Codec;
use super::console::Console;
use super::ending::Ending;
use super::expect::Script;
use super::input::{Input, Kind};
use super::job_control::JobControl;
use super::link::{Link, Receiver, Sender};
use super::output::print;
use super::queue::Queue;
use super::script::Scripted;
use super::traffic::Traffic;
use super::{Options, Transport, telnet};
use crate::error::{Error, reason};
use crate::stop::{First, Latch, Signals, first};

/// Carries bytes until it is over.
pub(super) async fn run(
    link: Link,
    options: &Options,
    script: Option<Script>,
    signals: Signals,
) -> Result<ExitCode, Error> {
    let input = Input::open()
        .map_err(|error| Error::refused(format_args!("cannot watch stdin: {}", reason(&error))))?;
    let job_control = if script.is_none() { JobControl::catch().await } else { None };
    let console = job_control.is_some().then(Console::open);
    let exchange = Exchange::new(options, input.kind(), script, console);
    let ending = exchange.run(link, input, signals, job_control).await;
    let Exchange { console, traffic, .. } = exchange;
    // What follows is for a terminal as it was.
    drop(console);
    ending.tell(options, &traffic)
}

/// What both directions share.
pub(super) struct Exchange<'a> {
    pub(super) options: &'a Options,
    pub(super) traffic: Traffic,
    pub(super) codec: RefCell<Codec>,
    /// To stdout.
    pub(super) screen: Queue,
    /// Opened to end it at once.
    pub(super) quit: Latch,
    kind: Kind,
    console: Option<Console>,
    /// What the peer of `--telnet` wanted when it was last asked: a character at a time, and what is typed unseen.
    wanted: Cell<(bool, bool)>,
    /// Who speaks in place of stdin.
    script: Option<Scripted>,
    /// To the peer.
    wire: Queue,
    /// Whether silence is the end that is waited for, rather than a failure.
    silence_ends: Cell<bool>,
}

/// How the direction to the peer ended.
enum Sent {
    All,
    Unread(io::Error),
    Unsent(io::Error),
}

/// How the direction from the peer ended.
enum Received {
    All,
    Broken(io::Error),
    Unprinted(io::Error),
}

impl<'a> Exchange<'a> {
    fn new(options: &'a Options, kind: Kind, script: Option<Script>, console: Option<Console>) -> Self {
        let terminal = console.as_ref().map(|console| {
            let (columns, rows) = console.resized();
            telnet::Terminal { name: std::env::var("TERM").unwrap_or_default(), columns, rows }
        });
        Self {
            options,
            traffic: Traffic::new(),
            codec: RefCell::new(Codec::new(options, terminal)),
            screen: Queue::default(),
            quit: Latch::default(),
            kind,
            console,
            wanted: Cell::default(),
            script: script.map(Scripted::new),
            wire: Queue::default(),
            silence_ends: Cell::default(),
        }
    }

    async fn run(
        &self,
        link: Link,
        input: Input,
        mut signals: Signals,
        job_control: Option<JobControl>,
    ) -> Ending {
        let hung_up = async {
            match (job_control, &self.console) {
                (Some(job_control), Some(console)) => job_control.follow(self, console).await,
                _ => pending().await,
            }
        };
        let stopped = first(signals.next(), hung_up);
        let given_up = first(self.quit.clone().opened(), self.idle());
        match first(first(stopped, given_up), self.carry(link, input)).await {
            First::One(First::One(First::One(signal) | First::Other(signal))) => Ending::Signal(signal),
            First::One(First::Other(First::One(()))) => Ending::Quit,
            First::One(First::Other(First::Other(()))) => {
                Ending::Idle(self.options.idle_timeout.unwrap_or_default())
            }
            First::Other(ending) => ending,
        }
    }

    /// Waits until nothing has gone for longer than was allowed.
    async fn idle(&self) {
        self.traffic.idle_for(self.options.idle_timeout).await;
        if self.silence_ends.get() {
            pending::<()>().await;
        }
    }

    async fn carry(&self, link: Link, input: Input) -> Ending {
        let Link { mut receiver, mut sender } = link;
        if let Some(script) = &self.script {
            return self.carry_script(script, &mut receiver, &mut sender).await;
        }
        let mut sending = pin!(self.send(input, &mut sender));
        let mut receiving = pin!(self.receive(&mut receiver));
        let (sent, received) = match first(receiving.as_mut(), sending.as_mut()).await {
            First::One(received) => (None, received),
            First::Other(sent) => {
                let received = match self.options.transport {
                    Transport::Stream => receiving.await,
                    Transport::Datagrams(_) => self.until_silent(receiving).await,
                };
                (Some(sent), received)
            }
        };
        match received {
            Received::Broken(error) => return Ending::Broken(error),
            Received::Unprinted(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ending::ReaderGone;
            }
            Received::Unprinted(error) => return Ending::Unprinted(error),
            Received::All => {}
        }
        let sent = match sent {
            Some(sent) => Some(sent),
            None => self.remain(sending).await,
        };
        match sent {
            Some(Sent::Unsent(error)) => Ending::Unsent(error),
            Some(Sent::Unread(error)) => Ending::Unread(error),
            Some(Sent::All) | None => Ending::Finished,
        }
    }

    /// The same with a script, whose end is the exchange's.
    async fn carry_script(&self, script: &Scripted, receiver: &mut Receiver, sender: &mut Sender) -> Ending {
        let receiving = async {
            match self.receive(receiver).await {
                Received::Unprinted(error) => error,
                // What it means that the peer has ended, or broke off, is for the script to say.
                Received::All | Received::Broken(_) => pending().await,
            }
        };
        let writing = async {
            self.write(sender).await.ok();
            pending::<Infallible>().await
        };
        let pumps = first(receiving, writing);
        match first(self.follow(script), pumps).await {
            First::One(Ok(())) => Ending::Finished,
            First::One(Err(what)) => Ending::Mismatch(what),
            First::Other(First::One(error)) => Ending::Unprinted(error),
            First::Other(First::Other(never)) => match never {},
        }
    }

    /// From stdin to the peer, with its end.
    async fn send(&self, mut input: Input, sender: &mut Sender) -> Sent {
        let mut writing = pin!(self.write(sender));
        let mut typing = pin!(async {
            match &self.console {
                Some(console) => self.converse(&mut input, console).await,
                None => self.copy(&mut input).await,
            }
        });
        let typed = match first(writing.as_mut(), typing.as_mut()).await {
            First::One(Err(error)) => return Sent::Unsent(error),
            // A person has ended our side, and may still want the menu.
            First::One(Ok(())) => return typing.await.map_or_else(Sent::Unread, |()| Sent::All),
            First::Other(typed) => typed,
        };
        self.end_sending().await;
        match (typed, writing.await) {
            (_, Err(error)) => Sent::Unsent(error),
            (Err(error), _) => Sent::Unread(error),
            (Ok(()), Ok(())) => Sent::All,
        }
    }

    async fn write(&self, sender: &mut Sender) -> io::Result<()> {
        let mut spare = Vec::new();
        while let Some(bytes) = self.wire.take(spare).await {
            if let Err(error) = sender.send(&bytes, &self.traffic).await {
                self.wire.refuse();
                return Err(error);
            }
            spare = bytes;
        }
        sender.end().await
    }

    /// From the peer to stdout.
    async fn receive(&self, receiver: &mut Receiver) -> Received {
        let mut printing = pin!(print(&self.screen, &self.traffic));
        let reading = async {
            let mut reply = Vec::new();
            while let Some(bytes) = receiver.receive().await? {
                self.traffic.note_received(bytes.len());
                let shown = {
                    let mut codec = self.codec.borrow_mut();
                    let text = codec.decode(&bytes, &mut reply);
                    if let Some(script) = &self.script {
                        script.receive(&text);
                    }
                    codec.show_received(&bytes, text)
                };
                self.answer(&reply).await;
                reply.clear();
                self.show(&shown).await;
                if let Some(console) = &self.console {
                    self.adapt(console).await;
                }
            }
            Ok(())
        };
        let read: io::Result<()> = match first(printing.as_mut(), reading).await {
            First::One(printed) => return printed.map_or_else(Received::Unprinted, |()| Received::All),
            First::Other(read) => read,
        };
        if let Some(script) = &self.script {
            script.ended();
        }
        self.screen.give_now(&self.codec.borrow_mut().show_end());
        self.screen.end();
        match (read, printing.await) {
            (_, Err(error)) => Received::Unprinted(error),
            (Err(error), _) => Received::Broken(error),
            (Ok(()), Ok(())) => Received::All,
        }
    }

    /// The peer has ended, and may still be reading. What stdin holds is sent; what it may come to hold is waited for as
    /// long as makes sense: nobody wants to type to a peer that has hung up, and a pipe may never end.
    async fn remain(&self, mut sending: Pin<&mut impl Future<Output = Sent>>) -> Option<Sent> {
        if self.options.keep_open || self.kind == Kind::File {
            return Some(sending.await);
        }
        let patience = if self.kind == Kind::Terminal { Duration::ZERO } else { QUIET };
        loop {
            let before = self.traffic.sent.get();
            if let First::One(sent) = first(sending.as_mut(), self.wire.idle()).await {
                return Some(sent);
            }
            match timeout(patience, sending.as_mut()).await {
                Ok(sent) => return Some(sent),
                Err(_) if self.traffic.sent.get() > before => {}
                Err(_) => {
                    tracing::info!("the peer has ended, and stdin is silent");
                    return None;
                }
            }
        }
    }

    /// Nobody says that the last datagram was the last: silence does.
    async fn until_silent(&self, mut receiving: Pin<&mut impl Future<Output = Received>>) -> Received {
        self.silence_ends.set(true);
        let silence = self.options.idle_timeout.unwrap_or(QUIET);
        match first(receiving.as_mut(), self.traffic.idle_for(Some(silence))).await {
            First::One(received) => received,
            First::Other(()) => match first(receiving, self.screen.idle()).await {
                First::One(received) => received,
                First::Other(()) => Received::All,
            },
        }
    }
}

/// What the directions do to each other.
impl Exchange<'_> {
    /// Sends what was typed.
    pub(super) async fn say(&self, typed: &[u8]) {
        let wire = self.codec.borrow_mut().encode(typed).into_owned();
        self.put(&wire).await;
    }

    /// Sends bytes as they are on the wire.
    pub(super) async fn put(&self, wire: &[u8]) {
        if wire.is_empty() {
            return;
        }
        match self.options.transport {
            Transport::Stream => self.wire.give(wire).await,
            Transport::Datagrams(_) => {
                self.wire.idle().await;
                self.wire.give_now(wire);
            }
        }
        let dump = self.codec.borrow_mut().show_sent(wire);
        self.show(&dump).await;
    }

    /// Sends what the peer wants to hear before it goes on.
    async fn answer(&self, wire: &[u8]) {
        if !wire.is_empty() {
            self.wire.give_urgent(wire).await;
            let dump = self.codec.borrow_mut().show_sent(wire);
            self.show(&dump).await;
        }
    }

    pub(super) async fn end_sending(&self) {
        let wire = self.codec.borrow_mut().end();
        self.put(&wire).await;
        self.wire.end();
    }

    /// Waits until all is sent and printed.
    pub(super) async fn flush(&self) {
        self.wire.idle().await;
        self.screen.idle().await;
    }

    /// Shows what the peer said.
    async fn show(&self, text: &[u8]) {
        match &self.console {
            _ if text.is_empty() => {}
            None => self.screen.give(text).await,
            Some(console) => {
                let mut screen = Vec::new();
                console.show(text, &mut screen);
                self.screen.give(&screen).await;
            }
        }
    }

    /// Tells the person something that is not the peer's.
    pub(super) async fn tell(&self, line: &str) {
        self.show(format!("[{line}]\r\n").as_bytes()).await;
    }

    /// The terminal may have another size.
    pub(super) async fn resized(&self, console: &Console) {
        let wire = self.codec.borrow_mut().resized(console.resized());
        self.put(&wire).await;
    }

    /// Does as the peer would have it.
    pub(super) async fn adapt(&self, console: &Console) {
        let wanted = match &self.codec.borrow().telnet {
            Some(telnet) => {
                let by_character = telnet.character_at_a_time();
                (by_character, telnet.peer_echoes() && !by_character)
            }
            None => return,
        };
        if self.wanted.replace(wanted) != wanted {
            let mut screen = Vec::new();
            console.adapt(wanted.0, wanted.1, &mut screen);
            self.screen.give(&screen).await;
        }
    }
}

/// How long stdin may be silent when the peer has ended, and the peer of datagrams when stdin has.
const QUIET: Duration = Duration::from_secs(1);
