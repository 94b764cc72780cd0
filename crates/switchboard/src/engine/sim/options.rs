//! Options of a socket: what can be set on it, and what it answers.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;

use super::listener::Listener;
use super::stream::Phase;
use super::world::{Body, Id, World};
use crate::engine::{Address, Fact, Question, Setting};

/// The options of one socket. A connection inherits those of its listener.
#[derive(Debug, Clone)]
pub(super) struct Options {
    no_delay: bool,
    keep_alive: bool,
    keep_idle: Duration,
    /// How many bytes of payload fit.
    pub(super) receive_buffer: usize,
    pub(super) send_buffer: usize,
}

impl Options {
    /// Answers a question about an option; `tcp` is what to answer about one of TCP.
    pub(super) fn ask(&self, question: Question, tcp: Result<(), Errno>) -> Result<Fact, Errno> {
        Ok(match question {
            Question::NoDelay => {
                tcp?;
                Fact::Flag(self.no_delay)
            }
            Question::KeepAlive if self.keep_alive => {
                tcp?;
                Fact::Time(Some(self.keep_idle))
            }
            Question::KeepAlive => Fact::Time(None),
            Question::ReceiveBuffer => Fact::Count(2 * self.receive_buffer),
            Question::SendBuffer => Fact::Count(2 * self.send_buffer),
            Question::Local | Question::Peer | Question::Error | Question::Unsent => {
                unreachable!("questions about the connection are answered by the socket")
            }
        })
    }

    /// Sets an option; `tcp` is what to answer about one of TCP.
    pub(super) fn set(&mut self, setting: Setting, tcp: Result<(), Errno>) -> Result<(), Errno> {
        match setting {
            Setting::NoDelay(on) => {
                tcp?;
                self.no_delay = on;
            }
            Setting::KeepAlive(None) => self.keep_alive = false,
            Setting::KeepAlive(Some(idle)) => {
                self.keep_alive = true;
                tcp?;
                let seconds = idle.as_secs() + u64::from(idle.subsec_nanos() > 0);
                if !(1..=LONGEST_IDLE).contains(&seconds) {
                    return Err(Errno::INVAL);
                }
                self.keep_idle = Duration::from_secs(seconds);
            }
            Setting::ReceiveBuffer(size) => {
                self.receive_buffer = size.clamp(SMALLEST_RECEIVE, LARGEST_BUFFER);
            }
            Setting::SendBuffer(size) => self.send_buffer = size.clamp(SMALLEST_SEND, LARGEST_BUFFER),
            // There are no urgent bytes here.
            Setting::UrgentInline(_) => {}
        }
        Ok(())
    }
}

impl World {
    pub(super) fn ask(&mut self, id: Id, question: Question) -> Result<Fact, Errno> {
        let body = self.body(id);
        Ok(match question {
            Question::Local => Fact::Address(match body {
                Body::Stream(stream) => stream.local.clone(),
                Body::Listener(listener) => listener.address.clone(),
                Body::Datagram(datagram) => datagram.address.clone(),
            }),
            Question::Peer => match body {
                Body::Stream(stream) => Fact::Address(stream.peer()?),
                _ => return Err(Errno::NOTCONN),
            },
            Question::Error => Fact::Error(match body {
                Body::Stream(stream) => stream.error.take().map(Into::into),
                _ => None,
            }),
            Question::Unsent => Fact::Count(match body {
                Body::Stream(stream) if stream.phase == Phase::Connecting => 0,
                Body::Stream(stream) => stream.unsent(),
                Body::Listener(Listener { address: Address::Ip(_), .. }) => return Err(Errno::INVAL),
                Body::Listener(_) | Body::Datagram(_) => 0,
            }),
            _ => {
                let tcp = body.lacks_tcp().map_or(Ok(()), |(asked, _)| Err(asked));
                body.options().ask(question, tcp)?
            }
        })
    }

    pub(super) fn set(&mut self, id: Id, setting: Setting) -> Result<(), Errno> {
        let body = self.body(id);
        let tcp = body.lacks_tcp().map_or(Ok(()), |(_, set)| Err(set));
        body.options().set(setting, tcp)?;
        // A larger buffer has room now.
        if let Some(other) = self.stream_if_there(id).and_then(|stream| stream.other) {
            self.flush(other);
            self.look_at_room(other);
            self.look_at_room(id);
        }
        Ok(())
    }
}

impl Body {
    fn options(&mut self) -> &mut Options {
        match self {
            Self::Stream(stream) => &mut stream.options,
            Self::Listener(listener) => &mut listener.options,
            Self::Datagram(datagram) => &mut datagram.options,
        }
    }

    /// What getsockopt(2) and setsockopt(2) say of an option of TCP, if this is none.
    fn lacks_tcp(&self) -> Option<(Errno, Errno)> {
        let (address, tcp) = match self {
            Self::Stream(stream) => (&stream.local, true),
            Self::Listener(listener) => (&listener.address, true),
            Self::Datagram(datagram) => (&datagram.address, false),
        };
        match address {
            Address::Ip(_) if tcp => None,
            Address::Ip(SocketAddr::V4(_)) => Some((Errno::OPNOTSUPP, Errno::NOPROTOOPT)),
            Address::Ip(SocketAddr::V6(_)) => Some((Errno::NOPROTOOPT, Errno::NOPROTOOPT)),
            Address::Unix(_) => Some((Errno::OPNOTSUPP, Errno::OPNOTSUPP)),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            no_delay: false,
            keep_alive: false,
            keep_idle: Duration::from_secs(7_200),
            receive_buffer: BUFFER,
            send_buffer: BUFFER,
        }
    }
}

/// What fits into a buffer that nobody changed. Linux keeps the same again for its own bookkeeping, and says so
/// when it is asked for the size; so do we, but the bookkeeping costs nothing here.
const BUFFER: usize = 64 << 10;

/// The bounds of socket(7): half of `SOCK_MIN_RCVBUF` and `SOCK_MIN_SNDBUF`, and `rmem_max`, `wmem_max`.
const SMALLEST_RECEIVE: usize = 1_152;
const SMALLEST_SEND: usize = 2_304;
const LARGEST_BUFFER: usize = 212_992;

/// `MAX_TCP_KEEPIDLE`, seconds.
const LONGEST_IDLE: u64 = 32_767;
