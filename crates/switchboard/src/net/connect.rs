//! Connecting to the first of a target's addresses that answers ("happy eyeballs", RFC 8305).
//!
//! The addresses are tried in the system's order of preference, but the families in turn, so that a family that leads
//! nowhere costs one delay and not one per address. An attempt begins a quarter of a second after the one before it,
//! or as soon as one has failed; those before it go on. The first that connects wins, and the others are closed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, mem};

use super::endpoint::Endpoint;
use super::stream::Stream;
use super::target::Target;
use crate::engine::{Address, Close, Done, Op, Plan};
use crate::event_loop::EventLoop;
use crate::task::{Operation, Sleep, elsewhere, operation, sleep};

/// Connects, in so much time for all of it, from the first poll on.
pub(super) async fn connect(target: &Target, time: Option<Duration>) -> io::Result<Stream> {
    if EventLoop::current().is_none() {
        return Err(elsewhere());
    }
    let mut limit = time.map(|time| (time, sleep(time)));
    let addresses = match before(&mut limit, target.resolve()).await {
        Ok(resolved) => resolved?,
        Err(time) => return Err(late(target, time, "its addresses are not known yet")),
    };
    let mut race = Race::new(addresses);
    match before(&mut limit, poll_fn(|cx| race.poll(cx))).await {
        Ok(Some(endpoint)) => Ok(Stream::new(endpoint)),
        Ok(None) => {
            let message = format!("cannot connect to {target}: {}", race.describe(target));
            Err(io::Error::new(race.kind(), message))
        }
        Err(time) => Err(late(target, time, &race.describe(target))),
    }
}

/// Waits for a future, until the limit at most; then, how long that was.
async fn before<F: Future>(limit: &mut Option<(Duration, Sleep)>, future: F) -> Result<F::Output, Duration> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        match limit {
            Some((time, sleep)) => Pin::new(sleep).poll(cx).map(|()| Err(*time)),
            None => Poll::Pending,
        }
    })
    .await
}

/// Attempts at several addresses, of which one is to succeed.
struct Race {
    /// Not tried yet, in the order to try them.
    ahead: VecDeque<Address>,
    /// Begun, in that order.
    attempts: Vec<Attempt>,
    /// Until the next one may begin although the last has not failed.
    delay: Sleep,
}

impl Race {
    fn new(addresses: Vec<Address>) -> Self {
        Self { ahead: interleaved(addresses), attempts: Vec::new(), delay: sleep(ATTEMPT_DELAY) }
    }

    /// The winner, or nobody if all have failed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Endpoint>> {
        loop {
            for attempt in &mut self.attempts {
                if let Some(endpoint) = attempt.poll(cx) {
                    return Poll::Ready(Some(endpoint));
                }
            }
            if self.ahead.is_empty() {
                let waits = self.attempts.iter().any(Attempt::is_under_way);
                return if waits { Poll::Pending } else { Poll::Ready(None) };
            }
            let last_waits = self.attempts.last().is_some_and(Attempt::is_under_way);
            if last_waits && Pin::new(&mut self.delay).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.attempts.extend(self.ahead.pop_front().map(Attempt::begin));
            self.delay = sleep(ATTEMPT_DELAY);
        }
    }

    /// How the attempts stand, each by its address, unless there was but one that the target names itself.
    fn describe(&self, target: &Target) -> String {
        let tried = self.attempts.iter().map(|attempt| (&attempt.address, attempt.describe()));
        let ahead = self.ahead.iter().map(|address| (address, "not tried yet".to_owned()));
        let lines = tried.chain(ahead).map(|(address, how)| match target {
            Target::Address(_) => how,
            Target::Host { .. } => format!("{address}: {how}"),
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    /// The kind of the first error, which is that of all if they share one.
    fn kind(&self) -> io::ErrorKind {
        match self.attempts.first() {
            Some(Attempt { state: State::Failed(error), .. }) => error.kind(),
            _ => io::ErrorKind::NotFound,
        }
    }
}

/// One attempt, at one address.
struct Attempt {
    address: Address,
    state: State,
}

enum State {
    UnderWay { connecting: Operation, endpoint: Endpoint },
    Failed(io::Error),
    Won,
}

impl Attempt {
    fn begin(address: Address) -> Self {
        let begun = Endpoint::open(Plan::Stream { like: address.clone() }).and_then(|endpoint| {
            let connecting = operation(Op::Connect { socket: endpoint.socket()?, to: address.clone() });
            Ok(State::UnderWay { connecting, endpoint })
        });
        Self { address, state: begun.unwrap_or_else(State::Failed) }
    }

    /// The connection, once.
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<Endpoint> {
        let State::UnderWay { connecting, .. } = &mut self.state else { return None };
        let next = match Pin::new(connecting).poll(cx) {
            Poll::Pending => return None,
            Poll::Ready(Ok(Done::Connected)) => State::Won,
            Poll::Ready(Ok(other)) => unreachable!("a connect was answered with {other:?}"),
            Poll::Ready(Err(failed)) => State::Failed(failed.error),
        };
        match (mem::replace(&mut self.state, next), &self.state) {
            (State::UnderWay { endpoint, .. }, State::Won) => Some(endpoint),
            _ => None,
        }
    }

    fn is_under_way(&self) -> bool {
        matches!(self.state, State::UnderWay { .. })
    }

    fn describe(&self) -> String {
        match &self.state {
            State::Failed(error) => error.to_string(),
            _ => "no answer".to_owned(),
        }
    }
}

impl Drop for Attempt {
    /// Nothing was sent by one that is given up, so it need not be closed gently, should it have connected by now.
    fn drop(&mut self) {
        if let State::UnderWay { endpoint, .. } = &self.state {
            endpoint.close(Close::Now);
        }
    }
}

/// The families in turn, beginning with that of the first address; within a family the order stays.
fn interleaved(addresses: Vec<Address>) -> VecDeque<Address> {
    let is_v6 = |address: &Address| matches!(address, Address::Ip(ip) if ip.is_ipv6());
    let first = addresses.first().is_some_and(is_v6);
    let (one, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| is_v6(address) == first);
    let mut turns = [one.into_iter(), other.into_iter()];
    let mut order = VecDeque::new();
    loop {
        let before = order.len();
        order.extend(turns.iter_mut().filter_map(Iterator::next));
        if order.len() == before {
            return order;
        }
    }
}

fn late(target: &Target, time: Duration, how: &str) -> io::Error {
    let message = format!("cannot connect to {target} within {time:?}: {how}");
    io::Error::new(io::ErrorKind::TimedOut, message)
}

/// The "connection attempt delay" that RFC 8305, section 5, recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns_and_each_keeps_its_order() {
        let order = |texts: &[&str]| -> Vec<String> {
            let addresses = texts.iter().map(|text| text.parse().unwrap()).collect();
            interleaved(addresses).iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            order(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]),
            ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]
        );
        assert_eq!(order(&["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"]), ["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"]);
        assert_eq!(order(&["unix:/a"]), ["unix:/a"]);
        assert!(order(&[]).is_empty());
    }
}
