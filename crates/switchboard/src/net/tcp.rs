//! TCP.

use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::endpoint::Endpoint;
use super::listener::Listener;
use super::stream::Stream;
use super::target::{Target, ToTarget};
use crate::engine::{Address, Done, Fact, Op, Plan, Question, Setting};
use crate::task::operation;

/// A TCP connection: a [`Stream`], to which it dereferences, with the options of TCP.
#[derive(Debug)]
pub struct TcpStream {
    stream: Stream,
}

/// A TCP socket that listens.
#[derive(Debug)]
pub struct TcpListener {
    listener: Listener,
}

impl TcpStream {
    /// Connects.
    ///
    /// *Cancel safety.* Dropped, no connection is left behind.
    ///
    /// # Errors
    ///
    /// `cannot connect to …`, with what hindered each of its addresses.
    pub async fn connect(target: impl ToTarget) -> io::Result<Self> {
        let target = target.to_target()?;
        let mut refusal = None;
        for address in target.resolve().await? {
            match Self::connect_to(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    async fn connect_to(address: Address) -> io::Result<Self> {
        let endpoint = Endpoint::open(Plan::Stream { like: address.clone() })?;
        match operation(Op::Connect { socket: endpoint.socket()?, to: address }).await? {
            Done::Connected => Ok(Self { stream: Stream::new(endpoint) }),
            other => unreachable!("a connect was answered with {other:?}"),
        }
    }

    /// Its own address.
    ///
    /// # Errors
    ///
    /// Outside its loop.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr().map(ip)
    }

    /// The address at the other end.
    ///
    /// # Errors
    ///
    /// As [`Stream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr().map(ip)
    }

    /// Whether small pieces are sent at once (`TCP_NODELAY`). They are not at first.
    ///
    /// # Errors
    ///
    /// Outside its loop.
    pub fn nodelay(&self) -> io::Result<bool> {
        match self.stream.endpoint().ask(Question::NoDelay)? {
            Fact::Flag(flag) => Ok(flag),
            other => unreachable!("a flag was asked for, not {other:?}"),
        }
    }

    /// Sends small pieces at once, or joins them.
    ///
    /// # Errors
    ///
    /// Outside its loop.
    pub fn set_nodelay(&self, flag: bool) -> io::Result<()> {
        self.stream.endpoint().set(Setting::NoDelay(flag))
    }

    /// After how long a silent peer is probed, or never (`SO_KEEPALIVE`, `TCP_KEEPIDLE`).
    ///
    /// # Errors
    ///
    /// Outside its loop.
    pub fn keepalive(&self) -> io::Result<Option<Duration>> {
        match self.stream.endpoint().ask(Question::KeepAlive)? {
            Fact::Time(time) => Ok(time),
            other => unreachable!("a time was asked for, not {other:?}"),
        }
    }

    /// Has a peer probed that was silent for so long, or never.
    ///
    /// # Errors
    ///
    /// What the system says of a time that it does not take; and outside its loop.
    pub fn set_keepalive(&self, time: Option<Duration>) -> io::Result<()> {
        self.stream.endpoint().set(Setting::KeepAlive(time))
    }
}

impl TcpListener {
    /// See [`Listener::bind`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn bind(target: impl ToTarget) -> io::Result<Self> {
        let target = target.to_target()?;
        if let Target::Address(Address::Unix(_)) = target {
            let message = format!("cannot listen on {target}: it is no address of TCP; use a UnixListener");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(Self { listener: Listener::bind(target).await? })
    }

    /// See [`Listener::accept`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.listener.accept().await?;
        Ok((TcpStream { stream }, ip(peer)))
    }

    /// Where it listens, with the real port.
    ///
    /// # Errors
    ///
    /// Outside its loop.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr().map(ip)
    }
}

impl Deref for TcpStream {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        &self.stream
    }
}

impl DerefMut for TcpStream {
    fn deref_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        stream.stream
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        listener.listener
    }
}

fn ip(address: Address) -> SocketAddr {
    match address {
        Address::Ip(address) => address,
        Address::Unix(name) => unreachable!("a TCP socket has an IP address, not {name:?}"),
    }
}
