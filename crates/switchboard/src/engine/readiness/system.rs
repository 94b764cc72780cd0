//! The real kernel: system calls on non-blocking sockets, and a selector that owns them.
//!
//! A socket's name *is* its key in the selector. Each is registered with no interest when it is opened,
//! which costs no system call; interest comes with the first operation that has to wait. Sends never raise
//! SIGPIPE (`MSG_NOSIGNAL`), and every descriptor is opened close-on-exec.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::io::{Errno, fcntl_dupfd_cloexec, retry_on_intr};
use rustix::net::{self, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, sockopt};
use socket2::SockRef;
use switchboard_selector::{self as selector, Events, Interest, Mechanism, Mode, Selector, Signal};

use super::kernel::{Kernel, Kind, Lamp, News, Role};
use crate::engine::error::{stale, would_block};
use crate::engine::helpers::{Helpers, Job};
use crate::engine::{
    Address, Bell, Descriptor, Direction, Fact, Listen, Plan, Question, Setting, Socket, Ticket, names,
};

/// System calls and a selector.
pub(super) struct System {
    selector: Selector<Source>,
    events: Events,
    signals: Vec<Signal>,
    helpers: Helpers,
    random: u64,
}

/// A descriptor in the selector's care.
enum Source {
    Owned(OwnedFd),
    Foreign(Box<dyn AsFd>),
}

impl System {
    /// On the best mechanism of this system.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self::on(Selector::new()?))
    }

    /// On the mechanism named.
    pub(super) fn with(mechanism: Mechanism) -> io::Result<Self> {
        Ok(Self::on(Selector::with(mechanism)?))
    }

    fn on(selector: Selector<Source>) -> Self {
        let bell = selector.bell();
        #[expect(clippy::disallowed_methods, reason = "this is the engine's door to randomness")]
        let random = RandomState::new().build_hasher().finish();
        Self {
            helpers: Helpers::new(Bell::new(move || bell.ring())),
            selector,
            events: Events::default(),
            signals: Vec::new(),
            random,
        }
    }

    fn fd(&self, socket: Socket) -> io::Result<BorrowedFd<'_>> {
        let source = self.selector.source(socket.into()).ok_or_else(stale)?;
        Ok(source.as_fd())
    }

    fn adopt(&mut self, source: Source, kind: Kind) -> io::Result<(Socket, Kind)> {
        let key = self.selector.register(source, Interest::NONE, kind.mode)?;
        Ok((key.into(), kind))
    }

    fn listen(&mut self, listen: &Listen) -> io::Result<(Socket, Kind)> {
        let socket = names::socket_for(&listen.address, net::SocketType::STREAM)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if listen.reuse_port {
            sockopt::set_socket_reuseport(&socket, true)?;
        }
        names::bind(&socket, &listen.address)?;
        net::listen(&socket, i32::try_from(listen.backlog).unwrap_or(i32::MAX))?;
        let kind = self.kind(Role::Listener, false);
        self.adopt(Source::Owned(socket), kind)
    }

    /// A kind of native socket: lamps are edges where the mechanism has them.
    fn kind(&self, role: Role, tcp: bool) -> Kind {
        let mode = if self.selector.supports(Mode::Edge) { Mode::Edge } else { Mode::Oneshot };
        // Where urgent data is not told of, a receive may be short because of it and no edge follow.
        let tells_urgent_data = self.selector.mechanism() != Mechanism::Kqueue;
        Kind { role, mode, short_is_dry: tcp && role == Role::Stream && tells_urgent_data }
    }

    fn adopt_owned(&mut self, descriptor: OwnedFd) -> io::Result<(Socket, Kind)> {
        let kind = sockopt::socket_type(&descriptor).map_err(|_| {
            let message = "only sockets can be adopted; give other descriptors as `Descriptor::Foreign`";
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        let role = match kind {
            net::SocketType::STREAM if sockopt::socket_acceptconn(&descriptor)? => Role::Listener,
            net::SocketType::STREAM => Role::Stream,
            net::SocketType::DGRAM => Role::Datagram,
            other => {
                let message = format!("sockets of type {other:?} are neither streams nor datagrams");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        };
        let tcp = sockopt::socket_domain(&descriptor)? != net::AddressFamily::UNIX;
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        let kind = self.kind(role, tcp);
        self.adopt(Source::Owned(descriptor), kind)
    }

    /// Whether the next descriptor would have a number that can be watched, where that is limited (select). Asked before accepting, so that
    /// a client past the limit waits in the queue, as it does when descriptors run out, and is not closed.
    fn check_room(&self, socket: Socket) -> io::Result<()> {
        if let Some(limit) = self.selector.mechanism().limit() {
            let probe = fcntl_dupfd_cloexec(self.fd(socket)?, 0)?;
            if probe.as_raw_fd() >= limit {
                return Err(Errno::MFILE.into());
            }
        }
        Ok(())
    }

    /// Takes in what the bell may have been rung for.
    fn answer_bell(&mut self, news: &mut News) {
        for signal in &self.signals {
            let count = signal.take();
            if count > 0 {
                news.signals.push((signal.number(), count));
            }
        }
        self.helpers.collect(&mut news.jobs);
    }
}

impl Kernel for System {
    fn name(&self) -> &str {
        self.selector.mechanism().name()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the engine's door to the clock")]
    fn clock(&self) -> Instant {
        Instant::now()
    }

    fn random(&mut self) -> u64 {
        crate::engine::random::next(&mut self.random)
    }

    fn bell(&self) -> Bell {
        let bell = self.selector.bell();
        Bell::new(move || bell.ring())
    }

    fn open(&mut self, plan: Plan) -> io::Result<(Socket, Kind)> {
        match plan {
            Plan::Listen(listen) => self.listen(&listen),
            Plan::Stream { like } => {
                let socket = names::socket_for(&like, net::SocketType::STREAM)?;
                let kind = self.kind(Role::Stream, matches!(like, Address::Ip(_)));
                self.adopt(Source::Owned(socket), kind)
            }
            Plan::Datagram { bind } => {
                let socket = names::socket_for(&bind, net::SocketType::DGRAM)?;
                names::bind(&socket, &bind)?;
                let kind = self.kind(Role::Datagram, false);
                self.adopt(Source::Owned(socket), kind)
            }
            Plan::Adopt(Descriptor::Owned(descriptor)) => self.adopt_owned(descriptor),
            Plan::Adopt(Descriptor::Foreign(source)) => {
                let kind = Kind { role: Role::Foreign, mode: Mode::Oneshot, short_is_dry: false };
                self.adopt(Source::Foreign(source), kind)
            }
            Plan::Adopt(Descriptor::Simulated(_)) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a simulated descriptor belongs to a simulated network, not to this system",
            )),
        }
    }

    fn ask(&mut self, socket: Socket, question: Question) -> io::Result<Fact> {
        let fd = self.fd(socket)?;
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
            Question::KeepAlive if sockopt::socket_keepalive(fd)? => {
                Fact::Time(Some(sockopt::tcp_keepidle(fd)?))
            }
            Question::KeepAlive => Fact::Time(None),
            Question::ReceiveBuffer => Fact::Count(sockopt::socket_recv_buffer_size(fd)?),
            Question::SendBuffer => Fact::Count(sockopt::socket_send_buffer_size(fd)?),
        })
    }

    fn set(&mut self, socket: Socket, setting: Setting) -> io::Result<()> {
        let fd = self.fd(socket)?;
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

    fn close(&mut self, socket: Socket, reset: bool) {
        if let Ok(Source::Owned(descriptor)) = self.selector.unregister(socket.into())
            && reset
        {
            // Zero: no lingering, which close(2) turns into RST. If it cannot be set there is no connection.
            sockopt::set_socket_linger(&descriptor, Some(std::time::Duration::ZERO)).ok();
        }
    }

    fn release(&mut self, socket: Socket) -> io::Result<Descriptor> {
        Ok(match self.selector.unregister(socket.into())? {
            Source::Owned(descriptor) => Descriptor::Owned(descriptor),
            Source::Foreign(source) => Descriptor::Foreign(source),
        })
    }

    fn accept(&mut self, socket: Socket) -> io::Result<(Socket, Kind, Address)> {
        self.check_room(socket)?;
        let fd = self.fd(socket)?;
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (child, peer) = retry_on_intr(|| net::acceptfrom_with(fd, flags))?;
        let peer = names::read_peer(peer, || SockRef::from(&child).peer_addr())?;
        let kind = self.kind(Role::Stream, matches!(peer, Address::Ip(_)));
        let (child, kind) = self.adopt(Source::Owned(child), kind)?;
        Ok((child, kind, peer))
    }

    fn connect(&mut self, socket: Socket, to: &Address) -> io::Result<()> {
        match names::connect(self.fd(socket)?, to) {
            // Interrupted, it goes on, as connect(2) says.
            Err(Errno::INPROGRESS | Errno::INTR) => Err(io::ErrorKind::WouldBlock.into()),
            // A Unix socket whose listener's queue is full. No lamp will ever tell of room, so this is the answer.
            Err(Errno::AGAIN) => Err(names::queue_is_full(to)),
            answer => Ok(answer?),
        }
    }

    fn connected(&mut self, socket: Socket) -> io::Result<()> {
        let fd = self.fd(socket)?;
        if let Err(refused) = sockopt::socket_error(fd)? {
            // Linux remembers the attempt until it is dissolved, and would answer the next one with ECONNABORTED.
            net::connect_unspec(fd).ok();
            return Err(refused.into());
        }
        match net::getpeername(fd) {
            // No error and no peer: the lamp was lit for something else.
            Err(Errno::NOTCONN) => Err(io::ErrorKind::WouldBlock.into()),
            answer => answer.map(drop).map_err(Into::into),
        }
    }

    fn recv(&mut self, socket: Socket, into: &mut [u8], peek: bool) -> io::Result<usize> {
        let fd = self.fd(socket)?;
        let flags = if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
        Ok(retry_on_intr(|| net::recv(fd, &mut *into, flags))?.0)
    }

    fn send(&mut self, socket: Socket, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let fd = self.fd(socket)?;
        Ok(match parts {
            [part] => retry_on_intr(|| net::send(fd, part, SendFlags::NOSIGNAL)),
            parts => retry_on_intr(|| {
                net::sendmsg(fd, parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)
            }),
        }?)
    }

    fn recv_from(&mut self, socket: Socket, into: &mut [u8]) -> io::Result<(usize, Address)> {
        let fd = self.fd(socket)?;
        let (_, length, from) = retry_on_intr(|| net::recvfrom(fd, &mut *into, RecvFlags::TRUNC))?;
        Ok((length, names::read_peer(from, names::unnamed)?))
    }

    fn send_to(&mut self, socket: Socket, part: &[u8], to: &Address) -> io::Result<usize> {
        match names::send_to(self.fd(socket)?, part, to) {
            // Not ours is full, or there would be no room to write: a Unix socket's receiver.
            Err(error) if would_block(&error) && self.ready(socket, Direction::Write)? => {
                Err(names::queue_is_full(to))
            }
            answer => answer,
        }
    }

    fn shutdown(&mut self, socket: Socket, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => net::Shutdown::Read,
            Shutdown::Write => net::Shutdown::Write,
            Shutdown::Both => net::Shutdown::Both,
        };
        Ok(net::shutdown(self.fd(socket)?, how)?)
    }

    fn ready(&mut self, socket: Socket, direction: Direction) -> io::Result<bool> {
        let now = Some(std::time::Duration::ZERO);
        Ok(!selector::ready(self.fd(socket)?, direction.interest(), now)?.is_empty())
    }

    fn watch_signal(&mut self, number: i32) -> io::Result<()> {
        self.signals.push(Signal::watch(number, self.selector.bell())?);
        Ok(())
    }

    fn start(&mut self, ticket: Ticket, job: Job) {
        self.helpers.start(ticket, job);
    }

    fn watch(&mut self, socket: Socket, interest: Interest, mode: Mode) -> io::Result<()> {
        self.selector.modify(socket.into(), interest, mode)
    }

    fn select(&mut self, until: Option<Instant>, news: &mut News) -> io::Result<()> {
        let timeout = until.map(|until| until.saturating_duration_since(self.clock()));
        self.selector.select(&mut self.events, timeout)?;
        for event in &self.events {
            news.lamps.push(Lamp {
                socket: event.key().into(),
                readable: event.readable(),
                writable: event.writable(),
                odd: event.read_closed() || event.error() || event.priority(),
            });
        }
        if self.events.rung() {
            self.answer_bell(news);
        }
        Ok(())
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
