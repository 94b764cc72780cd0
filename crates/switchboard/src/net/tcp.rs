//! TCP.

use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::connect::connect;
use super::listener::Listener;
use super::reader::ReadHalf;
use super::stream::Stream;
use super::target::{ToTarget, ip, of_ip};
use crate::engine::{Fact, Question, Setting};

/// A TCP connection: a [`Stream`], to which it dereferences, with the options of TCP.
///
/// ```
/// use std::time::Duration;
/// use switchboard::net::{TcpListener, TcpStream};
///
/// #[switchboard::main]
/// async fn main() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let mut client = TcpStream::connect_timeout(listener.local_addr()?, Duration::from_secs(5)).await?;
///     let (mut server, _) = listener.accept().await?;
///
///     client.write_all(b"hello").await?;
///     client.shutdown().await?;
///     let mut hello = [0; 5];
///     server.read_exact(&mut hello).await?;
///     assert_eq!(&hello, b"hello");
///     assert!(server.recv().await?.is_empty()); // the end
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct TcpStream {
    stream: Stream,
}

/// A TCP socket that listens.
///
/// An echo server, a task per client; `send_all` sends the buffer that `recv` has received into:
///
/// ```no_run
/// use switchboard::net::{TcpListener, TcpStream};
///
/// async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
///     loop {
///         let data = stream.recv().await?;
///         if data.is_empty() {
///             return Ok(());
///         }
///         stream.send_all(data).await?;
///     }
/// }
///
/// #[switchboard::main]
/// async fn main() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:8000").await?;
///     loop {
///         let (stream, _) = listener.accept().await?;
///         switchboard::spawn(echo(stream)).detach();
///     }
/// }
/// ```
#[derive(Debug)]
pub struct TcpListener {
    listener: Listener,
}

impl TcpStream {
    /// Connects. A host's addresses are tried one after another ([RFC 8305]), and the first that answers is taken.
    ///
    /// There is no limit but the system's, which may be minutes.
    ///
    /// *Cancel safety.* Dropped, no connection is left behind.
    ///
    /// # Errors
    ///
    /// `cannot connect to …`, with what hindered each of its addresses. The kind is that which they share, otherwise
    /// that of the first: [`io::ErrorKind::ConnectionRefused`] when nobody listens there,
    /// [`io::ErrorKind::NetworkUnreachable`] when no way leads there. [`io::ErrorKind::InvalidInput`] for a target that is
    /// no address of TCP.
    ///
    /// [RFC 8305]: https://www.rfc-editor.org/rfc/rfc8305
    pub async fn connect(target: impl ToTarget) -> io::Result<Self> {
        let target = of_ip(target.to_target()?, "connect to")?;
        Ok(Self { stream: connect(&target, None).await? })
    }

    /// The same, in so much time for all of it: finding the host and trying its addresses.
    ///
    /// *Cancel safety.* As [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`], which says how far it came; otherwise as [`connect`](Self::connect).
    pub async fn connect_timeout(target: impl ToTarget, time: Duration) -> io::Result<Self> {
        let target = of_ip(target.to_target()?, "connect to")?;
        Ok(Self { stream: connect(&target, Some(time)).await? })
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
        let target = of_ip(target.to_target()?, "listen on")?;
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

impl AsMut<ReadHalf> for TcpStream {
    fn as_mut(&mut self) -> &mut ReadHalf {
        self.stream.as_mut()
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
