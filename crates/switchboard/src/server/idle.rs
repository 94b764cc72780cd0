//! Ending connections over which nothing goes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::rules::FLUSH;
use crate::event_loop::EventLoop;
use crate::net::Traffic;
use crate::task::{Sleep, sleep_until};

/// Watches one connection. Its timer is set once per timeout, not once per message.
pub(super) struct Idle {
    time: Duration,
    sleep: Sleep,
    /// What was under way when it was last looked at, if something was: how much was given to be sent, and how much of
    /// that the peer had not acknowledged.
    under_way: Option<(u64, usize)>,
    /// Its reading was ended, and it has its time to flush.
    is_ending: bool,
}

/// What is to be done about it.
pub(super) enum Verdict {
    /// End its reading.
    End,
    /// Cancel it.
    Cancel,
}

impl Idle {
    pub(super) fn new(time: Duration, traffic: &Traffic) -> Self {
        Self { time, sleep: sleep_until(after(traffic, time)), under_way: None, is_ending: false }
    }

    /// `unsent` tells how many bytes the peer has yet to acknowledge.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        traffic: &Traffic,
        unsent: impl Fn() -> usize,
    ) -> Poll<Verdict> {
        loop {
            ready!(Pin::new(&mut self.sleep).poll(cx));
            let Some(event_loop) = EventLoop::current() else { return Poll::Pending };
            if self.is_ending {
                return Poll::Ready(Verdict::Cancel);
            }
            let due = after(traffic, self.time);
            if event_loop.now() >= due {
                // Bytes may go although the handler waits: those that the engine and the kernel have.
                let unsent = Some(unsent()).filter(|&unsent| unsent > 0);
                let now_under_way = unsent.map(|unsent| (traffic.given(), unsent));
                if now_under_way.is_some() && now_under_way != self.under_way {
                    self.under_way = now_under_way;
                    self.sleep.reset(event_loop.deadline(self.time));
                    continue;
                }
                self.is_ending = true;
                self.sleep.reset(event_loop.deadline(FLUSH));
                return Poll::Ready(Verdict::End);
            }
            self.sleep.reset(due);
        }
    }
}

/// When it will have been idle for so long, if nothing goes over it.
fn after(traffic: &Traffic, time: Duration) -> std::time::Instant {
    let active = traffic.active();
    active.checked_add(time).unwrap_or_else(|| active + Duration::from_secs(100 * 365 * 86_400))
}
