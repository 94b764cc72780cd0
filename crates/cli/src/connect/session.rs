//! A session: both directions at once, and what its end is.
//!
//! Each direction is a pump of two parts with a queue between them: stdin → wire → peer, and peer → screen → stdout. The
//! direction from the peer decides: the session is over when the peer has ended and all it sent was printed. What we
//! still had to send then is sent as far as it is there; see `remain`.

use std::io;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::time::Duration;

use switchboard::net::{ReadHalf, Stream, WriteHalf};
use switchboard::timeout;

use super::Options;
use super::crlf::LineEnds;
use super::ending::Ending;
use super::input::{Input, Kind};
use super::output::print;
use super::queue::Queue;
use super::traffic::Traffic;
use crate::error::{Error, reason};
use crate::stop::{First, Signals, first};

/// Carries bytes until it is over.
pub(super) async fn run(stream: Stream, options: &Options, mut signals: Signals) -> Result<ExitCode, Error> {
    let input = Input::open()
        .map_err(|error| Error::refused(format_args!("cannot watch stdin: {}", reason(&error))))?;
    let session = Session {
        options,
        kind: input.kind(),
        traffic: Traffic::new(),
        wire: Queue::default(),
        screen: Queue::default(),
    };
    let stopped = first(signals.next(), session.traffic.idle_for(options.idle_timeout));
    let ending = match first(stopped, session.carry(stream, input)).await {
        First::One(First::One(signal)) => Ending::Signal(signal),
        First::One(First::Other(())) => Ending::Idle(options.idle_timeout.unwrap_or_default()),
        First::Other(ending) => ending,
    };
    ending.tell(options, &session.traffic)
}

struct Session<'a> {
    options: &'a Options,
    kind: Kind,
    traffic: Traffic,
    /// To the peer.
    wire: Queue,
    /// To stdout.
    screen: Queue,
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

impl Session<'_> {
    async fn carry(&self, stream: Stream, input: Input) -> Ending {
        let (mut reader, mut writer) = stream.into_split();
        let mut sending = pin!(self.send(input, &mut writer));
        let mut receiving = pin!(self.receive(&mut reader));
        let (sent, received) = match first(receiving.as_mut(), sending.as_mut()).await {
            First::One(received) => (None, received),
            First::Other(sent) => (Some(sent), receiving.await),
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

    /// From stdin to the peer, with its end.
    async fn send(&self, mut input: Input, writer: &mut WriteHalf) -> Sent {
        let mut writing = pin!(self.write(writer));
        let typing = async {
            let (mut ends, mut converted) = (LineEnds::default(), Vec::new());
            loop {
                let bytes = input.read().await?;
                if bytes.is_empty() {
                    return Ok(());
                }
                if !self.options.crlf {
                    self.wire.give(bytes).await;
                    continue;
                }
                converted.clear();
                ends.convert(bytes, &mut converted);
                self.wire.give(&converted).await;
            }
        };
        let typed: io::Result<()> = match first(writing.as_mut(), typing).await {
            First::One(written) => return written.map_or_else(Sent::Unsent, |()| Sent::All),
            First::Other(typed) => typed,
        };
        self.wire.end();
        match (typed, writing.await) {
            (_, Err(error)) => Sent::Unsent(error),
            (Err(error), _) => Sent::Unread(error),
            (Ok(()), Ok(())) => Sent::All,
        }
    }

    async fn write(&self, writer: &mut WriteHalf) -> io::Result<()> {
        let mut spare = Vec::new();
        while let Some(bytes) = self.wire.take(spare).await {
            for piece in bytes.chunks(PIECE) {
                writer.write_all(piece).await?;
                self.traffic.note_sent(piece.len());
            }
            spare = bytes;
        }
        writer.shutdown().await
    }

    /// From the peer to stdout.
    async fn receive(&self, reader: &mut ReadHalf) -> Received {
        let mut printing = pin!(print(&self.screen, &self.traffic));
        let reading = async {
            loop {
                let bytes = reader.recv().await?;
                if bytes.is_empty() {
                    return Ok(());
                }
                self.traffic.note_received(bytes.len());
                self.screen.give(&bytes).await;
            }
        };
        let read: io::Result<()> = match first(printing.as_mut(), reading).await {
            First::One(printed) => return printed.map_or_else(Received::Unprinted, |()| Received::All),
            First::Other(read) => read,
        };
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
}

/// How much is sent before it is counted, bytes.
const PIECE: usize = 64 << 10;

/// How long a pipe may be silent when the peer has ended.
const QUIET: Duration = Duration::from_secs(1);
