//! The half of a stream that sends.
//!
//! What is given up half-way would leave the peer with half a message and no sign of it. So a lease that was given to
//! the engine is sent to its end whatever becomes of the future, one at a time; and a `write_all` that was dropped in
//! its middle ends the sending for good.

use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use super::endpoint::Endpoint;
use crate::engine::{Direction, Lease, Op, Ticket};
use crate::task::{operation, poll_budget, refund, spend};

/// Sends. A [`Stream`](super::Stream) has one, and [`into_split`](super::Stream::into_split) takes it out.
///
/// Dropped alone, it ends our side: the peer receives what was sent, and then the end.
#[derive(Debug)]
pub struct WriteHalf {
    pub(super) endpoint: Arc<Endpoint>,
    /// Waits until the socket may be written, across polls.
    waiting: Option<Ticket>,
    /// A shutdown under way.
    ending: Option<Ticket>,
    /// Something was sent of a whole, and not its end.
    cut: bool,
    /// So many bytes of a lease are with the engine, and nobody waits for them any more; 0 for none.
    abandoned: usize,
}

impl WriteHalf {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, waiting: None, ending: None, cut: false, abandoned: 0 }
    }

    /// Sends all of a buffer, without a copy, and waits until the kernel has taken it over.
    ///
    /// *Cancel safety.* Dropped, either nothing of it is sent, or all of it is, in the background; of those at most one
    /// is under way, and what is sent next waits for it.
    ///
    /// # Errors
    ///
    /// As `send(2)`: [`io::ErrorKind::BrokenPipe`] or [`io::ErrorKind::ConnectionReset`] when the peer is gone. How much
    /// of it has arrived is not known then.
    pub async fn send_all(&mut self, lease: impl Into<Lease>) -> io::Result<()> {
        let mut lease = lease.into();
        poll_fn(poll_budget).await;
        let socket = self.begin()?;
        if self.abandoned > 0 {
            operation(Op::Ready { socket, direction: Direction::Write }).await?;
        }
        let event_loop = self.endpoint.event_loop()?;
        self.note_to_send(lease.len());
        if lease.is_empty() {
            return Ok(());
        }
        let sent = event_loop.engine().try_send(socket, &[IoSlice::new(&lease)]);
        // Not while it waits: a loop that one of its own tasks holds never ends.
        drop(event_loop);
        match sent {
            Ok(count) => {
                self.note_sent(count);
                lease.advance(count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.note_sent(0),
            Err(error) => {
                self.note_failed();
                return Err(error);
            }
        }
        if lease.is_empty() {
            return Ok(());
        }
        // If this future is dropped from here on, the engine goes on with it. So the engine has to have it before this
        // poll ends: what was spent above pays for that, or an empty budget would cut the lease in two.
        self.abandoned = lease.len();
        refund();
        match operation(Op::Send { socket, parts: vec![lease] }).await {
            Ok(_) => {
                self.note_sent(0);
                Ok(())
            }
            Err(failed) => {
                self.note_failed();
                Err(failed.error)
            }
        }
    }

    /// Sends what fits of a slice: how many bytes.
    ///
    /// *Cancel safety.* Dropped, nothing of it was sent.
    ///
    /// # Errors
    ///
    /// As [`send_all`](Self::send_all).
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_write(cx, &[IoSlice::new(bytes)])).await
    }

    /// Sends what fits of some slices, in order: how many bytes.
    ///
    /// *Cancel safety.* Dropped, nothing of it was sent.
    ///
    /// # Errors
    ///
    /// As [`send_all`](Self::send_all).
    pub async fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_write(cx, parts)).await
    }

    /// Sends all of a slice.
    ///
    /// *Cancel safety.* Dropped after a part of it was sent, it makes all that is sent later fail with
    /// [`io::ErrorKind::BrokenPipe`], and dropping the stream reset the connection: the peer could not tell otherwise that
    /// it was broken off.
    ///
    /// # Errors
    ///
    /// As [`send_all`](Self::send_all).
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.begin()?;
        while !bytes.is_empty() {
            let count = poll_fn(|cx| self.poll_write_part(cx, &[IoSlice::new(bytes)])).await?;
            bytes = &bytes[count..];
            self.cut = !bytes.is_empty();
        }
        Ok(())
    }

    /// Sends all of some slices, in order.
    ///
    /// *Cancel safety.* As [`write_all`](Self::write_all).
    ///
    /// # Errors
    ///
    /// As [`send_all`](Self::send_all).
    pub async fn write_all_vectored(&mut self, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.begin()?;
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            let count = poll_fn(|cx| self.poll_write_part(cx, parts)).await?;
            IoSlice::advance_slices(&mut parts, count);
            self.cut = !parts.is_empty();
        }
        Ok(())
    }

    /// Ends our side, after all that was sent: the peer receives the end, and may go on sending.
    ///
    /// *Cancel safety.* Dropped, it is done in the background.
    ///
    /// # Errors
    ///
    /// As `shutdown(2)`. A connection that is gone already counts as ended. [`io::ErrorKind::BrokenPipe`] when a send was
    /// broken off in its middle: the peer would take the end behind it for the end of a whole.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_shutdown(cx)).await
    }

    /// The same, polled.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_whole()?;
        self.endpoint.give_up(&mut self.waiting);
        self.endpoint.poll_shutdown(cx, &mut self.ending)
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_whole()?;
        self.poll_write_part(cx, parts)
    }

    fn poll_write_part(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        spend(cx, |cx| self.poll_write_now(cx, parts))
    }

    fn poll_write_now(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            if self.waiting.is_some() {
                ready!(self.poll_ready(cx))?;
            }
            let event_loop = self.endpoint.event_loop()?;
            let sent = event_loop.engine().try_send(self.endpoint.socket()?, parts);
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.poll_ready(cx))?,
                Ok(count) => {
                    self.note_to_send(count);
                    self.note_sent(count);
                    return Poll::Ready(Ok(count));
                }
                Err(error) => {
                    self.note_failed();
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.endpoint.poll_ready(cx, Direction::Write, &mut self.waiting)
    }

    /// What every send begins with.
    fn begin(&mut self) -> io::Result<crate::engine::Socket> {
        self.check_whole()?;
        self.endpoint.give_up(&mut self.waiting);
        self.endpoint.socket()
    }

    fn check_whole(&self) -> io::Result<()> {
        if self.cut {
            let message =
                "an earlier send was broken off in its middle, and nothing can follow what was sent of it";
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, message));
        }
        Ok(())
    }

    fn note_to_send(&self, count: usize) {
        if let Some(traffic) = &self.endpoint.traffic {
            traffic.note_to_send(count);
        }
    }

    /// A send failed: perhaps that of the rest of a lease, whose beginning was sent.
    fn note_failed(&mut self) {
        self.cut |= mem::take(&mut self.abandoned) > 0;
    }

    /// So much was taken over, and before it what had been abandoned.
    fn note_sent(&mut self, count: usize) {
        let count = count + mem::take(&mut self.abandoned);
        if let (Some(traffic), Ok(event_loop)) = (&self.endpoint.traffic, self.endpoint.event_loop()) {
            traffic.note_sent(count, event_loop.now());
        }
    }
}

impl Drop for WriteHalf {
    /// Of the last half the endpoint closes both directions.
    fn drop(&mut self) {
        self.endpoint.give_up(&mut self.ending);
        self.endpoint.give_up(&mut self.waiting);
        if self.cut {
            self.endpoint.note_cut();
        } else if Arc::strong_count(&self.endpoint) > 1 {
            self.endpoint.end_writing();
        }
    }
}
