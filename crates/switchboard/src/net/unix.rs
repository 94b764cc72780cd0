//! Unix sockets (unix(7)).

use std::io;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use super::listener::Listener;
use super::reader::ReadHalf;
use super::stream::Stream;
use crate::engine::Address;

/// A connection on a Unix socket: a [`Stream`], to which it dereferences.
#[derive(Debug)]
pub struct UnixStream {
    stream: Stream,
}

/// A Unix socket that listens: a [`Listener`], to which it dereferences.
#[derive(Debug)]
pub struct UnixListener {
    listener: Listener,
}

impl UnixStream {
    /// Connects to a socket's file.
    ///
    /// *Cancel safety.* Dropped, no connection is left behind.
    ///
    /// # Errors
    ///
    /// `cannot connect to …`: [`io::ErrorKind::NotFound`], [`io::ErrorKind::ConnectionRefused`] when nobody listens on it
    /// any more, or [`io::ErrorKind::ResourceBusy`] when its queue is full.
    pub async fn connect(path: impl Into<PathBuf>) -> io::Result<Self> {
        Ok(Self { stream: Stream::connect(Address::unix(path)).await? })
    }
}

impl UnixListener {
    /// Listens on a socket's file, which must not exist, and which stays when the listener is dropped.
    ///
    /// # Errors
    ///
    /// As [`Listener::bind`].
    pub async fn bind(path: impl Into<PathBuf>) -> io::Result<Self> {
        Ok(Self { listener: Listener::bind(Address::unix(path)).await? })
    }

    /// See [`Listener::accept`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn accept(&self) -> io::Result<(UnixStream, Address)> {
        let (stream, peer) = self.listener.accept().await?;
        Ok((UnixStream { stream }, peer))
    }
}

impl Deref for UnixStream {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        &self.stream
    }
}

impl DerefMut for UnixStream {
    fn deref_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

impl Deref for UnixListener {
    type Target = Listener;

    fn deref(&self) -> &Listener {
        &self.listener
    }
}

impl AsMut<ReadHalf> for UnixStream {
    fn as_mut(&mut self) -> &mut ReadHalf {
        self.stream.as_mut()
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        stream.stream
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        listener.listener
    }
}
