//! A connected stream, over TCP or on a Unix socket.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use super::connect::connect;
use super::endpoint::Endpoint;
use super::reader::ReadHalf;
use super::target::ToTarget;
use super::traffic::Traffic;
use super::writer::WriteHalf;
use crate::engine::{Address, Close, Lease, Question, Setting, Socket};
use crate::event_loop::EventLoop;

/// A connected stream. [`TcpStream`](super::TcpStream) and [`UnixStream`](super::UnixStream) are one each.
///
/// Dropping it closes it gently ([`Close::GENTLY`]), in the background.
///
/// Receiving and sending are independent, and each half may have a task of its own:
///
/// ```
/// use switchboard::net::{Listener, Stream};
///
/// #[switchboard::main]
/// async fn main() -> std::io::Result<()> {
///     let listener = Listener::bind("127.0.0.1:0").await?;
///     let (mut reader, mut writer) = Stream::connect(listener.local_addr()?).await?.into_split();
///     let (mut peer, _) = listener.accept().await?;
///
///     let sending = switchboard::spawn(async move {
///         writer.write_all(b"question").await // and dropped, it ends our side
///     });
///     assert_eq!(&*peer.recv().await?, b"question");
///     peer.send_all(b"answer").await?;
///     assert_eq!(&*reader.recv().await?, b"answer");
///     sending.await
/// }
/// ```
#[derive(Debug)]
pub struct Stream {
    // In this order: dropped with its other half, the write half leaves the end to the close.
    reader: ReadHalf,
    writer: WriteHalf,
}

impl Stream {
    /// Connects, over TCP ([`TcpStream::connect`](super::TcpStream::connect)) or to a Unix socket
    /// ([`UnixStream::connect`](super::UnixStream::connect)), as the target says.
    ///
    /// *Cancel safety.* Dropped, no connection is left behind.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn connect(target: impl ToTarget) -> io::Result<Self> {
        connect(&target.to_target()?, None).await
    }

    /// The same, in so much time for all of it.
    ///
    /// *Cancel safety.* As [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As [`TcpStream::connect_timeout`](super::TcpStream::connect_timeout).
    pub async fn connect_timeout(target: impl ToTarget, time: Duration) -> io::Result<Self> {
        connect(&target.to_target()?, Some(time)).await
    }

    /// Takes over a connected socket of this loop.
    #[must_use]
    pub fn adopt(event_loop: &EventLoop, socket: Socket) -> Self {
        Self::new(Endpoint::new(event_loop, socket))
    }

    /// The same, with its traffic counted.
    pub(crate) fn counted(event_loop: &EventLoop, socket: Socket, traffic: Arc<Traffic>) -> Self {
        let mut endpoint = Endpoint::new(event_loop, socket);
        endpoint.traffic = Some(traffic);
        Self::new(endpoint)
    }

    pub(super) fn new(endpoint: Endpoint) -> Self {
        let endpoint = Arc::new(endpoint);
        Self { reader: ReadHalf::new(Arc::clone(&endpoint)), writer: WriteHalf::new(endpoint) }
    }

    /// See [`ReadHalf::recv`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn recv(&mut self) -> io::Result<Lease> {
        self.reader.recv().await
    }

    /// See [`ReadHalf::recv_at_most`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn recv_at_most(&mut self, max: usize) -> io::Result<Lease> {
        self.reader.recv_at_most(max).await
    }

    /// See [`ReadHalf::peek`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn peek(&mut self) -> io::Result<Lease> {
        self.reader.peek().await
    }

    /// See [`ReadHalf::read`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reader.read(into).await
    }

    /// See [`ReadHalf::read_exact`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(into).await
    }

    /// See [`WriteHalf::send_all`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn send_all(&mut self, lease: impl Into<Lease>) -> io::Result<()> {
        self.writer.send_all(lease).await
    }

    /// See [`WriteHalf::write`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes).await
    }

    /// See [`WriteHalf::write_vectored`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writer.write_vectored(parts).await
    }

    /// See [`WriteHalf::write_all`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await
    }

    /// See [`WriteHalf::write_all_vectored`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn write_all_vectored(&mut self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.writer.write_all_vectored(parts).await
    }

    /// Ends our side, see [`WriteHalf::shutdown`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.writer.shutdown().await
    }

    /// Its two halves, borrowed: to receive and to send at once within one task.
    pub fn split(&mut self) -> (&mut ReadHalf, &mut WriteHalf) {
        (&mut self.reader, &mut self.writer)
    }

    /// Its two halves: for a task each. The connection is closed when both are dropped.
    #[must_use]
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        (self.reader, self.writer)
    }

    /// The stream again.
    ///
    /// # Errors
    ///
    /// The halves, when they are of different streams.
    pub fn reunite(reader: ReadHalf, writer: WriteHalf) -> Result<Self, (ReadHalf, WriteHalf)> {
        if Arc::ptr_eq(&reader.endpoint, &writer.endpoint) {
            Ok(Self { reader, writer })
        } else {
            Err((reader, writer))
        }
    }

    /// Its own address.
    ///
    /// # Errors
    ///
    /// Outside its loop.
    pub fn local_addr(&self) -> io::Result<Address> {
        self.endpoint().address(Question::Local)
    }

    /// The address at the other end.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotConnected`] when the connection is gone; and outside its loop.
    pub fn peer_addr(&self) -> io::Result<Address> {
        self.endpoint().address(Question::Peer)
    }

    /// Changes an option of its socket.
    ///
    /// # Errors
    ///
    /// What the system says of an option that such a socket has not, or a value that it does not take; and outside its
    /// loop.
    pub fn set(&self, setting: Setting) -> io::Result<()> {
        self.endpoint().set(setting)
    }

    /// Closes it in a way of one's own; dropping it is [`Close::GENTLY`].
    pub fn close(self, how: Close) {
        self.endpoint().close(how);
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.reader.endpoint
    }
}

impl AsMut<ReadHalf> for Stream {
    fn as_mut(&mut self) -> &mut ReadHalf {
        &mut self.reader
    }
}

impl AsMut<WriteHalf> for Stream {
    fn as_mut(&mut self) -> &mut WriteHalf {
        &mut self.writer
    }
}
