//! What came out of the ring: brought to the sockets it is for.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use rustix::io::Errno;
use switchboard_ring::{Outcome, Reply, Request};

use super::{Uring, watch_bell};
use crate::engine::error::would_block;
use crate::engine::kernel::{Arrived, Lamp, News, Sent, What};
use crate::engine::{Address, Direction, Lease, Pool, Socket, UnixName, names, native};

impl Uring {
    /// Takes in every reply there is.
    pub(super) fn settle_all(&mut self, pool: &Pool, news: &mut News) {
        while let Some(reply) = self.ring.reply() {
            if reply.token == self.bell_watch {
                self.hear(&reply);
            } else {
                self.settle(reply, pool, news);
            }
        }
    }

    /// The flag of the bell is lowered and its descriptor left readable: each ring is an edge of its own, and
    /// nothing has to be read.
    fn hear(&mut self, reply: &Reply<Rc<dyn AsFd>, Lease>) {
        self.bell.lower();
        self.rung = true;
        if reply.request.is_some() {
            self.bell_watch = self.ring.push(watch_bell(&self.bell));
            self.behind = true;
        }
    }

    fn settle(&mut self, reply: Reply<Rc<dyn AsFd>, Lease>, pool: &Pool, news: &mut News) {
        let Some((socket, direction)) = self.flights.remove(reply.token) else { return };
        if let Some(entry) = self.entries.get_mut(socket) {
            *entry.flight(direction) = None;
        }
        match (reply.request, reply.outcome) {
            (Some(Request::Send { parts, .. }), outcome) => {
                let outcome = match outcome {
                    Ok(Outcome::Sent { count }) => Ok(count),
                    Err(error) if is(&error, Errno::CANCELED) => Ok(0),
                    // After the peer's end the kernel does not wait for room, though there may yet be some.
                    Err(error) if would_block(&error) => {
                        if let Some(entry) = self.entries.get_mut(socket) {
                            entry.is_full = true;
                        }
                        Ok(0)
                    }
                    Err(error) => Err(error),
                    Ok(_) => return,
                };
                news.sent.push_back(Sent { socket, parts, outcome });
            }
            (Some(Request::Poll { .. }), outcome) => {
                if !outcome.is_err_and(|error| is(&error, Errno::CANCELED)) {
                    news.lamps.push_back(lamp(socket, direction));
                }
            }
            (_, Ok(Outcome::Received { buffer, count, more })) => {
                self.receive(socket, pool.adopt(buffer, count), more, news);
            }
            (_, Ok(Outcome::Accepted { descriptor, peer, more })) => {
                if !more && let Some(entry) = self.entries.get_mut(socket) {
                    entry.dry_since = self.pass;
                }
                let peer = peer.as_ref().map_or(Address::Unix(UnixName::Unnamed), names::from_system);
                let (child, kind) = self.adopt_accepted(descriptor, &peer);
                let what = What::Connection { socket: child, kind, peer };
                news.arrivals.push_back(Arrived { socket, what });
            }
            (_, Err(error)) if is(&error, Errno::CANCELED) => {}
            (Some(Request::Receive { .. }), Err(error)) if is(&error, Errno::NOBUFS) => {
                self.starved.push_back(socket);
            }
            // Woken in vain too often, the kernel gives up waiting: somebody else took what it was woken for.
            (_, Err(error)) if would_block(&error) => self.await_one(socket, direction),
            (_, Err(error)) => news.arrivals.push_back(Arrived { socket, what: What::Error(error) }),
            (_, Ok(_)) => {}
        }
    }

    fn receive(&mut self, socket: Socket, lease: Lease, more: bool, news: &mut News) {
        if let Some(entry) = self.entries.get_mut(socket)
            && !more
            && lease.is_short()
        {
            entry.dry_since = self.pass;
        }
        news.arrivals.push_back(Arrived { socket, what: What::Bytes(lease) });
    }

    /// Serves those for whose bytes the kernel had no buffer: in the order they came, each with a receive of its own, so
    /// that none depends on the others. More buffers should keep it from happening again.
    pub(super) fn feed(&mut self, pool: &Pool, news: &mut News) {
        if self.starved.is_empty() {
            return;
        }
        self.buffers = (self.buffers * 2).min(self.most_buffers);
        tracing::debug!(waiting = self.starved.len(), buffers = self.buffers, "the ring ran out of buffers");
        for _ in 0..MOST_FED {
            let Some(socket) = self.starved.pop_front() else { break };
            let Some(entry) = self.entries.get_mut(socket) else { continue };
            if entry.recalled {
                continue;
            }
            self.dry += 1;
            let mut lease = pool.lend();
            let what = match native::recv(entry.source.as_fd(), lease.spare(), false) {
                Ok(count) => {
                    lease.fill(count);
                    What::Bytes(lease)
                }
                // The kernel may say so with nothing there.
                Err(error) if would_block(&error) => {
                    entry.dry_since = self.pass;
                    self.await_one(socket, Direction::Read);
                    continue;
                }
                Err(error) => What::Error(error),
            };
            news.arrivals.push_back(Arrived { socket, what });
        }
    }
}

/// How many of them in one wait; the others are first in the next.
const MOST_FED: usize = 64;

fn lamp(socket: Socket, direction: Direction) -> Lamp {
    let read = direction == Direction::Read;
    Lamp { socket, readable: read, writable: !read, odd: false }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}
