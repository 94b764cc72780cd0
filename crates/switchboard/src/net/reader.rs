//! The half of a stream that receives.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::endpoint::Endpoint;
use crate::engine::{Direction, Done, Lease, Op, Ticket};
use crate::task::{operation, spend};

/// Receives. A [`Stream`](super::Stream) has one, and [`into_split`](super::Stream::into_split) takes it out.
///
/// Dropped alone, it tells the peer nothing.
#[derive(Debug)]
pub struct ReadHalf {
    pub(super) endpoint: Arc<Endpoint>,
    /// Bytes that were received and not consumed.
    held: Option<Lease>,
    /// The end of the stream was seen by who asked what is held.
    ended: bool,
    /// Waits until the socket may be read, across polls.
    waiting: Option<Ticket>,
}

impl ReadHalf {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, held: None, ended: false, waiting: None }
    }

    /// Receives what is there, at least one byte; empty at the end of the stream. Without a copy: the bytes lie in a
    /// buffer of the engine's, lent until the lease is dropped.
    ///
    /// *Cancel safety.* Dropping it loses no byte.
    ///
    /// # Errors
    ///
    /// As `recv(2)`: [`io::ErrorKind::ConnectionReset`] when the peer broke the connection off.
    pub async fn recv(&mut self) -> io::Result<Lease> {
        self.recv_at_most(usize::MAX).await
    }

    /// The same, and no more than so many bytes: what else is there comes with the next receive. For 0 it is empty, at
    /// once, which is not the end then.
    ///
    /// *Cancel safety.* Dropping it loses no byte.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_at_most(&mut self, max: usize) -> io::Result<Lease> {
        match self.held.take() {
            Some(held) if held.len() > max => {
                let first = Lease::from(&held[..max]);
                self.held = Some(held);
                self.consume(max);
                Ok(first)
            }
            Some(held) => Ok(held),
            None if max == 0 => Ok(Lease::empty()),
            None => self.receive(max, false).await,
        }
    }

    /// The next bytes, at least one, which stay where they are; empty at the end of the stream.
    ///
    /// *Cancel safety.* Dropping it loses no byte.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn peek(&mut self) -> io::Result<Lease> {
        match &self.held {
            Some(held) => Ok(Lease::from(&**held)),
            None => self.receive(usize::MAX, true).await,
        }
    }

    /// Receives into a slice: how many bytes, 0 at the end of the stream (or for an empty slice).
    ///
    /// *Cancel safety.* Dropping it loses no byte.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, into)).await
    }

    /// Fills a slice.
    ///
    /// *Cancel safety.* None: what was received by then is in the slice, and nobody knows how much that is.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] when the stream ends before; otherwise as [`recv`](Self::recv).
    pub async fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < into.len() {
            match self.read(&mut into[filled..]).await? {
                0 => {
                    let message = format!("the stream ended after {filled} of {} bytes", into.len());
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
                }
                count => filled += count,
            }
        }
        Ok(())
    }

    async fn receive(&mut self, max: usize, peek: bool) -> io::Result<Lease> {
        // What an earlier poll left waiting would be ahead of this.
        self.endpoint.give_up(&mut self.waiting);
        let socket = self.endpoint.socket()?;
        match operation(Op::Recv { socket, max, peek }).await? {
            Done::Received { lease } => {
                if !peek {
                    self.note_received(lease.len());
                }
                Ok(lease)
            }
            other => unreachable!("a receive was answered with {other:?}"),
        }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        spend(cx, |cx| self.poll_read_now(cx, into))
    }

    fn poll_read_now(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(held) = &mut self.held {
            let count = held.len().min(into.len());
            into[..count].copy_from_slice(&held[..count]);
            self.consume(count);
            return Poll::Ready(Ok(count));
        }
        loop {
            if self.waiting.is_some() {
                ready!(self.poll_ready(cx))?;
            }
            let event_loop = self.endpoint.event_loop()?;
            let received = event_loop.engine().try_recv(self.endpoint.socket()?, into);
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.poll_ready(cx))?,
                Ok(count) => {
                    self.note_received(count);
                    return Poll::Ready(Ok(count));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Sees to it that there are bytes held, unless the stream has ended.
    pub(super) fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        // Once ready it stays ready, as callers of `poll_fill_buf` rely on: so what is held costs no budget.
        if self.held.is_none() && !self.ended {
            ready!(spend(cx, |cx| self.poll_hold(cx)))?;
        }
        Poll::Ready(Ok(self.held.as_deref().unwrap_or_default()))
    }

    fn poll_hold(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held.is_none() {
            if self.waiting.is_some() {
                ready!(self.poll_ready(cx))?;
            }
            let event_loop = self.endpoint.event_loop()?;
            let socket = self.endpoint.socket()?;
            let mut lease = event_loop.engine().pool().lend();
            let received = event_loop.engine().try_recv(socket, lease.spare());
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    drop(lease);
                    ready!(self.poll_ready(cx))?;
                }
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(count) => {
                    lease.fill(count);
                    self.note_received(count);
                    self.held = Some(lease);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Drops bytes that are held.
    pub(super) fn consume(&mut self, count: usize) {
        if let Some(held) = &mut self.held {
            held.advance(count);
            if held.is_empty() {
                self.held = None;
            }
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.endpoint.poll_ready(cx, Direction::Read, &mut self.waiting)
    }

    fn note_received(&self, count: usize) {
        if let (Some(traffic), Ok(event_loop)) = (&self.endpoint.traffic, self.endpoint.event_loop()) {
            traffic.note_received(count, event_loop.now());
        }
    }
}

impl AsMut<ReadHalf> for ReadHalf {
    fn as_mut(&mut self) -> &mut ReadHalf {
        self
    }
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        self.endpoint.give_up(&mut self.waiting);
    }
}
