//! What every engine on a real kernel does with a descriptor at once, without waiting: system calls on non-blocking sockets.
//!
//! Sends never raise SIGPIPE (`MSG_NOSIGNAL`), and every descriptor is opened close-on-exec. Who waits for a socket, and
//! how, is the business of the engines: [`system`](super::system) and [`uring`](super::uring). A call that a signal
//! interrupts is not made again here, but above them: there it is done in one place for every kernel.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionread};
use rustix::net::{self, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, sockopt};
use socket2::SockRef;
use switchboard_selector as selector;

use super::error::would_block;
use super::kernel::Role;
use super::{Address, Descriptor, Direction, Fact, Listen, Plan, Question, Setting, names};

/// A descriptor in an engine's care.
pub(super) enum Source {
    Owned(OwnedFd),
    Foreign(Box<dyn AsFd>),
}

/// What a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nature {
    pub(super) role: Role,
    /// Over TCP, as opposed to a Unix socket.
    pub(super) tcp: bool,
}

/// This very moment.
#[expect(clippy::disallowed_methods, reason = "this is the engines' door to the clock")]
pub(super) fn clock() -> Instant {
    Instant::now()
}

pub(super) fn open(plan: Plan) -> io::Result<(Source, Nature)> {
    match plan {
        Plan::Listen(listen) => {
            Ok((Source::Owned(self::listen(&listen)?), Nature { role: Role::Listener, tcp: false }))
        }
        Plan::Stream { like } => {
            let socket = names::socket_for(&like, net::SocketType::STREAM)?;
            Ok((Source::Owned(socket), Nature::stream(&like)))
        }
        Plan::Datagram { bind } => {
            let socket = names::socket_for(&bind, net::SocketType::DGRAM)?;
            names::bind(&socket, &bind)?;
            Ok((Source::Owned(socket), Nature { role: Role::Datagram, tcp: false }))
        }
        Plan::Adopt(Descriptor::Owned(descriptor)) => {
            let nature = adopt(&descriptor)?;
            Ok((Source::Owned(descriptor), nature))
        }
        Plan::Adopt(Descriptor::Foreign(source)) => {
            Ok((Source::Foreign(source), Nature { role: Role::Foreign, tcp: false }))
        }
        Plan::Adopt(Descriptor::Simulated(_)) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a simulated descriptor belongs to a simulated network, not to this system",
        )),
    }
}

fn listen(listen: &Listen) -> io::Result<OwnedFd> {
    let socket = names::socket_for(&listen.address, net::SocketType::STREAM)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if listen.reuse_port {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    names::bind(&socket, &listen.address)?;
    net::listen(&socket, i32::try_from(listen.backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

fn adopt(descriptor: &OwnedFd) -> io::Result<Nature> {
    let kind = sockopt::socket_type(descriptor).map_err(|_| {
        let message = "only sockets can be adopted; give other descriptors as `Descriptor::Foreign`";
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })?;
    let role = match kind {
        net::SocketType::STREAM if sockopt::socket_acceptconn(descriptor)? => Role::Listener,
        net::SocketType::STREAM => Role::Stream,
        net::SocketType::DGRAM => Role::Datagram,
        other => {
            let message = format!("sockets of type {other:?} are neither streams nor datagrams");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    };
    let tcp = role == Role::Stream && sockopt::socket_domain(descriptor)? != net::AddressFamily::UNIX;
    rustix::io::ioctl_fionbio(descriptor, true)?;
    Ok(Nature { role, tcp })
}

pub(super) fn ask(fd: BorrowedFd<'_>, question: Question) -> io::Result<Fact> {
    Ok(match question {
        Question::Local => {
            Fact::Address(names::read(net::getsockname(fd)?, || SockRef::from(&fd).local_addr())?)
        }
        Question::Peer => {
            Fact::Address(names::read_peer(net::getpeername(fd)?, || SockRef::from(&fd).peer_addr())?)
        }
        Question::Error => Fact::Error(sockopt::socket_error(fd)?.err().map(Into::into)),
        Question::Unsent => Fact::Count(selector::unsent(fd)?),
        Question::NoDelay => Fact::Flag(sockopt::tcp_nodelay(fd)?),
        Question::KeepAlive if sockopt::socket_keepalive(fd)? => Fact::Time(Some(sockopt::tcp_keepidle(fd)?)),
        Question::KeepAlive => Fact::Time(None),
        Question::ReceiveBuffer => Fact::Count(sockopt::socket_recv_buffer_size(fd)?),
        Question::SendBuffer => Fact::Count(sockopt::socket_send_buffer_size(fd)?),
    })
}

pub(super) fn set(fd: BorrowedFd<'_>, setting: Setting) -> io::Result<()> {
    match setting {
        Setting::NoDelay(on) => sockopt::set_tcp_nodelay(fd, on)?,
        Setting::KeepAlive(None) => sockopt::set_socket_keepalive(fd, false)?,
        Setting::KeepAlive(Some(idle)) => {
            sockopt::set_socket_keepalive(fd, true)?;
            sockopt::set_tcp_keepidle(fd, idle)?;
        }
        Setting::ReceiveBuffer(size) => sockopt::set_socket_recv_buffer_size(fd, size)?,
        Setting::SendBuffer(size) => sockopt::set_socket_send_buffer_size(fd, size)?,
        Setting::UrgentInline(on) => sockopt::set_socket_oobinline(fd, on)?,
    }
    Ok(())
}

/// Has the closing that follows send RST: zero is no lingering, see socket(7). If it cannot be set there is no connection.
pub(super) fn reset(descriptor: &OwnedFd) {
    sockopt::set_socket_linger(descriptor, Some(Duration::ZERO)).ok();
}

/// Sends RST and forgets the peer, with the error that this leaves behind: tcp_disconnect() of Linux.
pub(super) fn abort(fd: BorrowedFd<'_>) -> io::Result<()> {
    net::getpeername(fd)?;
    net::connect_unspec(fd)?;
    sockopt::socket_error(fd)?.ok();
    Ok(())
}

/// Bounds how long a receive or an accept may block, for those who block on it though it is non-blocking. What cannot be
/// set is no socket, or not connected any more.
pub(super) fn limit_blocking(fd: BorrowedFd<'_>, longest: Option<Duration>) {
    sockopt::set_socket_timeout(fd, sockopt::Timeout::Recv, longest).ok();
}

pub(super) fn accept(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (child, peer) = net::acceptfrom_with(fd, flags)?;
    let peer = names::read_peer(peer, || SockRef::from(&child).peer_addr())?;
    Ok((child, peer))
}

pub(super) fn connect(fd: BorrowedFd<'_>, to: &Address) -> io::Result<()> {
    match names::connect(fd, to) {
        Err(Errno::INPROGRESS) => Err(io::ErrorKind::WouldBlock.into()),
        // A Unix socket whose listener's queue is full. No lamp will ever tell of room, so this is the answer.
        Err(Errno::AGAIN) => Err(names::queue_is_full(to)),
        answer => Ok(answer?),
    }
}

pub(super) fn connected(fd: BorrowedFd<'_>) -> io::Result<()> {
    let refused = match sockopt::socket_error(fd)? {
        Err(refused) => refused,
        Ok(()) => match net::getpeername(fd) {
            // The attempt is over, and somebody else was told why.
            Err(Errno::NOTCONN) if ready(fd, Direction::Read)? => {
                sockopt::socket_error(fd)?.err().unwrap_or(Errno::CONNABORTED)
            }
            // No error and no peer: the lamp was lit for something else.
            Err(Errno::NOTCONN) => return Err(io::ErrorKind::WouldBlock.into()),
            answer => return answer.map(drop).map_err(Into::into),
        },
    };
    // Linux remembers the attempt until it is dissolved, and would answer the next one with ECONNABORTED.
    net::connect_unspec(fd).ok();
    Err(refused.into())
}

pub(super) fn recv(fd: BorrowedFd<'_>, into: &mut [u8], peek: bool) -> io::Result<usize> {
    let flags = if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
    Ok(net::recv(fd, into, flags)?.0)
}

pub(super) fn unread(fd: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(usize::try_from(ioctl_fionread(fd)?).unwrap_or(usize::MAX))
}

pub(super) fn send(fd: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(match parts {
        [part] => net::send(fd, part, SendFlags::NOSIGNAL),
        parts => net::sendmsg(fd, parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL),
    }?)
}

pub(super) fn recv_from(fd: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<(usize, Address)> {
    let (_, length, from) = net::recvfrom(fd, into, RecvFlags::TRUNC)?;
    Ok((length, names::read_peer(from, names::unnamed)?))
}

pub(super) fn send_to(fd: BorrowedFd<'_>, part: &[u8], to: &Address) -> io::Result<usize> {
    match names::send_to(fd, part, to) {
        // Not ours is full, or there would be no room to write: a Unix socket's receiver.
        Err(error) if would_block(&error) && ready(fd, Direction::Write)? => Err(names::queue_is_full(to)),
        answer => answer,
    }
}

pub(super) fn shutdown(fd: BorrowedFd<'_>, how: Shutdown) -> io::Result<()> {
    let how = match how {
        Shutdown::Read => net::Shutdown::Read,
        Shutdown::Write => net::Shutdown::Write,
        Shutdown::Both => net::Shutdown::Both,
    };
    Ok(net::shutdown(fd, how)?)
}

pub(super) fn ready(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<bool> {
    Ok(!selector::ready(fd, direction.interest(), Some(Duration::ZERO))?.is_empty())
}

impl Nature {
    pub(super) fn stream(like: &Address) -> Self {
        Self { role: Role::Stream, tcp: matches!(like, Address::Ip(_)) }
    }
}

impl From<Source> for Descriptor {
    fn from(source: Source) -> Self {
        match source {
            Source::Owned(descriptor) => Self::Owned(descriptor),
            Source::Foreign(source) => Self::Foreign(source),
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Owned(descriptor) => descriptor.as_fd(),
            Self::Foreign(source) => source.as_fd(),
        }
    }
}
