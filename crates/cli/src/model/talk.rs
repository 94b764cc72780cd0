//! A client from first to last, as a thread does it that has nothing else to do: send, receive, and block in both.
//!
//! This is how sockets are by default, and it reads like the conversation itself. The thread is held by whatever it waits
//! for; *which* thread that is, and who waits for it in turn, is what `blocking`, `threads` and `processes` differ in.
//! The timeouts are the socket's own (SO_RCVTIMEO, SO_SNDTIMEO of socket(7)).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use switchboard::server::Why;

use super::client::{MOST_UNREAD, PARTING};
use super::connection::{Connection, Order};
use crate::error::reason;
use crate::serve::drain::LAST_WORDS;
use crate::serve::idle::{Idle, Verdict};
use crate::serve::ledger::Gone;
use crate::serve::options::Options;
use crate::serve::reception::now;
use crate::session::{End, Opening, Session};

/// How it was, when it is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Farewell {
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) gone: Gone,
}

/// What is the same for every client.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    opening: Opening,
    idle_timeout: Option<Duration>,
    read_size: usize,
}

impl Terms {
    pub(super) fn of(options: &Options) -> Self {
        let Options { idle_timeout, read_size, .. } = *options;
        Self { opening: options.opening(), idle_timeout, read_size }
    }
}

/// Talks to a client until it is over.
pub(super) fn talk(connection: &Connection, terms: &Terms) -> Farewell {
    let (begun, idle_timeout) = (now(), terms.idle_timeout);
    let session = terms.opening.begin(begun);
    let idle = Idle::new(idle_timeout, begun);
    let mut talk = Talk { connection, session, idle };
    let gone = shielded(|| talk.run(terms));
    let (received, sent) = talk.session.traffic();
    Farewell { received, sent, gone }
}

struct Talk<'a> {
    connection: &'a Connection,
    session: Session,
    idle: Idle,
}

impl Talk<'_> {
    fn run(&mut self, terms: &Terms) -> Gone {
        let mut buffer = vec![0; terms.read_size];
        if let Some(time) = terms.idle_timeout
            && let Err(error) = self.connection.bound_sends(time / 4)
        {
            return Gone::Failed(reason(&error));
        }
        loop {
            let now = now();
            let order = self.connection.order();
            match order {
                Order::GoOn => {}
                Order::HearNoMore => self.session.hear_end(now),
                Order::Cut { unsent } => return self.cancelled(Why::Drain, unsent),
            }
            match self.idle.look(now, || usize::try_from(self.connection.unsent()).unwrap_or(usize::MAX)) {
                Verdict::GoOn => {}
                Verdict::EndReading => {
                    self.session.hear_end(now);
                    // It was set before: it can be set to another time.
                    self.connection.bound_sends(LAST_WORDS).ok();
                }
                Verdict::Cancel => {
                    self.connection.reset();
                    return self.cancelled(Why::Idle, self.connection.unsent());
                }
            }
            let done = if !self.session.sendable(now).is_empty() {
                self.send(now)
            } else if let Some(end) = self.session.end() {
                return self.part(end, &mut buffer);
            } else if self.session.may_hear() {
                self.receive(&mut buffer, now)
            } else {
                self.connection.sleep(self.wake(now), now, order);
                Ok(())
            };
            match done {
                Ok(()) => {}
                // That is how a send finds out.
                Err(_) if matches!(self.connection.order(), Order::Cut { .. }) => {}
                Err(error) => return Gone::Failed(reason(&error)),
            }
        }
    }

    fn send(&mut self, begun: Instant) -> io::Result<()> {
        if let Some(count) = self.connection.send(self.session.sendable(begun))? {
            self.session.sent(count);
            self.idle.interrupt(now());
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], begun: Instant) -> io::Result<()> {
        let time = self.wake(begun).map(|wake| wake.saturating_duration_since(begun));
        match self.connection.receive(buffer, time)? {
            Some(0) => self.session.hear_end(now()),
            Some(count) => {
                let now = now();
                self.idle.interrupt(now);
                self.session.hear(&buffer[..count], now);
            }
            None => {}
        }
        Ok(())
    }

    /// When to go on though nothing came: for a late answer, or the idle timeout.
    fn wake(&self, now: Instant) -> Option<Instant> {
        [self.session.wake(now), self.idle.wake()].into_iter().flatten().min()
    }

    fn cancelled(&self, why: Why, unsent: u64) -> Gone {
        Gone::Cancelled(why, unsent + self.session.waiting() as u64)
    }

    /// Ends our side and waits for the client's end: a socket that is closed with bytes unread resets the connection, which
    /// can overtake our last words and wipe them out.
    fn part(&self, end: End, buffer: &mut [u8]) -> Gone {
        let gone = match end {
            End::Reset => {
                self.connection.reset();
                return Gone::Finished;
            }
            End::Finished => Gone::Finished,
            End::Failed(why) => Gone::Failed(why.to_owned()),
        };
        if let Order::Cut { unsent } = self.connection.take_leave() {
            return self.cancelled(Why::Drain, unsent);
        }
        let (until, mut left) = (now() + PARTING, MOST_UNREAD);
        if self.connection.is_deaf() {
            self.wait_until_all_has_come(until, buffer);
        }
        self.connection.end_sending();
        loop {
            let time = until.saturating_duration_since(now());
            if time.is_zero() {
                break;
            }
            match self.connection.receive(buffer, Some(time)) {
                Ok(Some(count)) if count > 0 && count < left => left -= count,
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => return gone,
            }
            if matches!(self.connection.order(), Order::Cut { .. }) {
                return gone;
            }
        }
        // Somebody who does not read is not to keep the system busy after us.
        if self.connection.unsent() > 0 {
            self.connection.reset();
        }
        gone
    }

    /// Until then at most, or an order to let go. What is sent to us meanwhile is thrown away.
    fn wait_until_all_has_come(&self, until: Instant, buffer: &mut [u8]) {
        loop {
            let (now, order) = (now(), self.connection.order());
            if until <= now || matches!(order, Order::Cut { .. }) || self.connection.unsent() == 0 {
                return;
            }
            // It does not block any more.
            if !matches!(self.connection.receive(buffer, Some(LOOK)), Ok(Some(1..))) {
                self.connection.sleep(Some(now + LOOK), now, order);
            }
        }
    }
}

/// A panic is a bug of ours, and the end of this client alone.
fn shielded(work: impl FnOnce() -> Gone) -> Gone {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Gone::Failed("serving it panicked, which is a bug; please report it".to_owned()))
}

/// How long to wait before it is asked again whether the client has got all, of which nobody tells.
const LOOK: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_of_this_client() {
        let gone = shielded(|| panic!("a test's"));
        assert!(matches!(gone, Gone::Failed(why) if why.contains("panicked")));
    }
}
