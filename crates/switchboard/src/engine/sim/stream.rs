//! One end of a connection: what it knows by itself.
//!
//! The fields are those that decide in Linux's tcp.c and af_unix.c, and so is the order in which each call
//! asks them: the errors a program sees follow from it. What passes between the two ends is in
//! [`connection`](super::connection).

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use rustix::io::Errno;

use super::hosts::HostId;
use super::options::Options;
use super::watch::Signs;
use super::world::Id;
use crate::engine::{Address, UnixName};

/// One end.
pub(super) struct Stream {
    pub(super) family: Family,
    pub(super) phase: Phase,
    /// What connect(2) goes by.
    pub(super) call: Call,
    pub(super) local: Address,
    pub(super) peer: Option<Address>,
    /// The other end, which may be gone already.
    pub(super) other: Option<Id>,
    /// The full listener that it waits at to be let in.
    pub(super) knocking: Option<Id>,
    /// The port it has of the directory, and for which destination.
    pub(super) pair: Option<(SocketAddr, SocketAddr)>,
    /// The host of the other end.
    pub(super) far: HostId,
    /// Arrived and not received; behind it, what is on its way here.
    incoming: VecDeque<u8>,
    /// How many of them have arrived.
    arrived: usize,
    /// What is on its way here, in order.
    pub(super) wire: VecDeque<Parcel>,
    /// Since when nothing is heard of what was sent.
    pub(super) unanswered: Option<Instant>,
    /// To be sent, when there is room there. TCP only.
    outgoing: VecDeque<u8>,
    /// Sent, and held against this end's buffer: until it arrives, or of Unix sockets until it is received.
    charged: usize,
    /// The lamp for sending is out.
    pub(super) crowded: bool,
    /// Nothing more will be received but what is here (`RCV_SHUTDOWN`).
    pub(super) read_shut: bool,
    /// Nothing more may be sent (`SEND_SHUTDOWN`).
    pub(super) write_shut: bool,
    /// Our FIN is on its way. TCP only.
    pub(super) fin_flying: bool,
    /// The other end has had our FIN, and we have had its. TCP only.
    pub(super) fin_sent: bool,
    pub(super) fin_seen: bool,
    /// To be told once (`sk_err`).
    pub(super) error: Option<Errno>,
    /// Closed by its owner; lives on until what it has sent has arrived.
    pub(super) orphan: bool,
    /// A [stranger](super::strangers)'s.
    pub(super) is_strange: bool,
    pub(super) options: Options,
}

/// Something on its way to one end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parcel {
    pub(super) due: Instant,
    pub(super) what: What,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The answer to a knock.
    Welcome,
    /// So many bytes.
    Bytes(usize),
    End,
    Reset,
}

/// The kind of a stream socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
    Unix,
}

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not connected yet.
    Fresh,
    /// Knocked, and not answered.
    Connecting,
    /// Both ends know each other; either may have ended its side.
    Established,
    /// Reset, or ended by both.
    Closed,
}

/// How far the caller of connect(2) is: further back than the connection, until he hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Idle,
    Underway,
    Answered,
}

impl Stream {
    /// A socket for addresses like this one.
    pub(super) fn new(like: &Address) -> Self {
        let (family, local) = match like {
            Address::Ip(SocketAddr::V4(_)) => (Family::V4, any(Ipv4Addr::UNSPECIFIED.into())),
            Address::Ip(SocketAddr::V6(_)) => (Family::V6, any(Ipv6Addr::UNSPECIFIED.into())),
            Address::Unix(_) => (Family::Unix, Address::Unix(UnixName::Unnamed)),
        };
        Self {
            family,
            phase: Phase::Fresh,
            call: Call::Idle,
            local,
            peer: None,
            other: None,
            knocking: None,
            pair: None,
            far: HostId::default(),
            incoming: VecDeque::new(),
            arrived: 0,
            wire: VecDeque::new(),
            unanswered: None,
            outgoing: VecDeque::new(),
            charged: 0,
            crowded: false,
            read_shut: false,
            write_shut: false,
            fin_flying: false,
            fin_sent: false,
            fin_seen: false,
            error: None,
            orphan: false,
            is_strange: false,
            options: Options::default(),
        }
    }

    /// An end that is connected from the beginning.
    pub(super) fn connected(local: Address, peer: Address, other: Id, far: HostId, options: Options) -> Self {
        Self {
            phase: Phase::Established,
            call: Call::Answered,
            local: local.clone(),
            peer: Some(peer),
            other: Some(other),
            far,
            options,
            ..Self::new(&local)
        }
    }

    /// Begins anew, as an end that knocks.
    pub(super) fn begin(&mut self, local: SocketAddr, to: SocketAddr, far: HostId) {
        // What was shut down before it was ever connected stays so.
        let is_fresh = self.phase == Phase::Fresh;
        *self = Self {
            read_shut: is_fresh && self.read_shut,
            write_shut: is_fresh && self.write_shut,
            phase: Phase::Connecting,
            call: Call::Underway,
            peer: Some(to.into()),
            pair: Some((local, to)),
            far,
            is_strange: self.is_strange,
            options: self.options.clone(),
            local: local.into(),
            ..Self::new(&local.into())
        };
    }

    /// What it shows: `tcp_poll`, `unix_poll`.
    pub(super) fn signs(&self) -> Signs {
        let fresh = matches!(self.phase, Phase::Fresh | Phase::Closed);
        let connecting = self.phase == Phase::Connecting;
        Signs {
            readable: self.read_shut || self.arrived > 0,
            writable: !connecting && (self.write_shut || self.has_room()),
            read_closed: self.read_shut,
            hung_up: fresh || self.read_shut && self.write_shut,
            failed: self.error.is_some(),
        }
    }

    /// Takes from what has arrived, or says why there is nothing: `tcp_recvmsg`, `unix_stream_read_generic`.
    pub(super) fn receive(&mut self, into: &mut [u8], peek: bool) -> Result<usize, Errno> {
        if self.family == Family::Unix && self.phase != Phase::Established {
            return Err(Errno::INVAL);
        }
        let count = into.len().min(self.arrived);
        if count > 0 {
            let (front, back) = front_of(&self.incoming, count);
            into[..front.len()].copy_from_slice(front);
            into[front.len()..count].copy_from_slice(back);
            if !peek {
                self.incoming.drain(..count);
                self.arrived -= count;
            }
            return Ok(count);
        }
        // TCP looks for the end first, Unix for the error.
        if self.fin_seen {
            return Ok(0);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match self.phase {
            _ if self.read_shut => Ok(0),
            Phase::Fresh | Phase::Closed => Err(Errno::NOTCONN),
            Phase::Connecting | Phase::Established => Err(Errno::AGAIN),
        }
    }

    /// Whether anything may be sent, or why not: the beginning of `tcp_sendmsg`, `unix_stream_sendmsg`.
    pub(super) fn check_send(&mut self) -> Result<(), Errno> {
        if self.family == Family::Unix {
            return match self.phase {
                Phase::Established if self.write_shut => Err(Errno::PIPE),
                Phase::Established => Ok(()),
                _ => Err(Errno::NOTCONN),
            };
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match self.phase {
            Phase::Connecting => Err(Errno::AGAIN),
            Phase::Established if !self.write_shut => Ok(()),
            _ => Err(Errno::PIPE),
        }
    }

    /// How many bytes may still be sent.
    pub(super) fn room(&self) -> usize {
        self.options.send_buffer.saturating_sub(self.unsent())
    }

    /// How many more bytes may arrive. A Unix socket holds what its peers' buffers allow.
    pub(super) fn window(&self) -> usize {
        self.options.receive_buffer.saturating_sub(self.incoming.len())
    }

    /// How much has arrived and was not received.
    pub(super) fn unread(&self) -> usize {
        self.arrived
    }

    /// How much was sent and has not left its buffer.
    pub(super) fn unsent(&self) -> usize {
        self.outgoing.len() + self.charged
    }

    /// Whether the lamp for sending is lit: not for every single byte of room, so that a sender is not woken for one
    /// (`sk_stream_is_writeable`, `unix_writable`).
    pub(super) fn has_room(&self) -> bool {
        let (used, size) = (self.unsent(), self.options.send_buffer);
        match self.family {
            Family::Unix => used <= size / 4,
            _ => used <= size - size / 3,
        }
    }

    /// Whether bytes that arrive now are answered with RST: nobody will ever receive them.
    pub(super) fn refuses(&self) -> bool {
        matches!(self.phase, Phase::Fresh | Phase::Closed) || (self.read_shut && self.write_shut)
    }

    /// Takes over what fits of a slice.
    pub(super) fn take_over(&mut self, part: &[u8]) -> usize {
        let count = part.len().min(self.room());
        self.outgoing.extend(&part[..count]);
        count
    }

    /// Sends what fits at the other end on its way, at most `most`, and says how much.
    pub(super) fn pour(&mut self, other: &mut Self, most: usize) -> usize {
        let count = match self.family {
            Family::Unix => self.outgoing.len(),
            // Where nobody will receive it there is no need for room: it is answered with RST.
            _ if other.refuses() => self.outgoing.len().min(most),
            _ => self.outgoing.len().min(other.window()).min(most),
        };
        let (front, back) = front_of(&self.outgoing, count);
        other.incoming.extend(front);
        other.incoming.extend(back);
        self.outgoing.drain(..count);
        self.charged += count;
        count
    }

    /// So many bytes that were on their way have arrived.
    pub(super) fn land(&mut self, count: usize) {
        self.arrived += count;
    }

    /// Nothing of what is on its way arrives.
    pub(super) fn lose_what_comes(&mut self) {
        self.wire.clear();
        self.incoming.truncate(self.arrived);
    }

    /// So many bytes of what is on its way never arrive.
    pub(super) fn discard(&mut self, count: usize) {
        let end = self.incoming.len();
        self.incoming.drain(self.arrived..end.min(self.arrived + count));
    }

    /// `count` bytes arrived, or of a Unix connection were received or thrown away: they are not held against us any more.
    pub(super) fn discharge(&mut self, count: usize) {
        self.charged = self.charged.saturating_sub(count);
    }

    /// Whether all that was sent is on its way.
    pub(super) fn has_left(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// The connection breaks: `tcp_reset`. What has arrived stays.
    pub(super) fn break_off(&mut self) {
        let error = match self.phase {
            Phase::Closed | Phase::Fresh => return,
            Phase::Connecting => Errno::CONNREFUSED,
            Phase::Established if self.fin_seen => Errno::PIPE,
            Phase::Established => Errno::CONNRESET,
        };
        self.fail(error);
    }

    /// The connection is over, by this error: `tcp_done`.
    pub(super) fn fail(&mut self, error: Errno) {
        self.error = Some(error);
        (self.read_shut, self.write_shut) = (true, true);
        self.phase = Phase::Closed;
        self.outgoing.clear();
        self.charged = 0;
        self.lose_what_comes();
    }

    /// A failed attempt to connect is forgotten, as the engines on real kernels make it (connect(2), `AF_UNSPEC`): what was
    /// never connected has no direction to end.
    pub(super) fn dissolve(&mut self) {
        self.call = Call::Idle;
        (self.read_shut, self.write_shut) = (false, false);
    }

    /// Where it is connected to, as long as it is.
    pub(super) fn peer(&self) -> Result<Address, Errno> {
        let gone = matches!(self.phase, Phase::Fresh | Phase::Connecting | Phase::Closed);
        self.peer.clone().filter(|_| !gone).ok_or(Errno::NOTCONN)
    }
}

/// Sends slices one by one through `take`, until one is not taken whole. How many bytes were.
pub(super) fn each_part(parts: &[IoSlice<'_>], mut take: impl FnMut(&[u8]) -> usize) -> usize {
    let mut taken = 0;
    for part in parts {
        let count = take(part);
        taken += count;
        if count < part.len() {
            break;
        }
    }
    taken
}

/// The first `count` bytes of a queue, which lie in two places.
fn front_of(queue: &VecDeque<u8>, count: usize) -> (&[u8], &[u8]) {
    let (front, back) = queue.as_slices();
    let cut = count.min(front.len());
    (&front[..cut], &back[..count - cut])
}

fn any(ip: IpAddr) -> Address {
    Address::Ip(SocketAddr::new(ip, 0))
}
