//! The reception of a server whose clients are served elsewhere: on this thread when it returns, on others, in other
//! processes. It takes them from the door one by one, keeps the books, and knows how far the end is.
//!
//! Alone `accept(2)` could neither hear a signal, nor wait at two addresses, nor for so long and no longer; a timeout on it
//! *is* a poll(2) before it (Python's `settimeout` does just that). So this waits for all of them with a selector, which
//! no client's socket ever gets into.

use std::collections::VecDeque;
use std::io;
use std::mem::take;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::Socket;
use switchboard::engine::Address;
use switchboard::server::Why;
use switchboard_selector::{Bell, Events, Interest, Key, Mechanism, Mode, Selector};

use super::door::Door;
use super::drain::{Drain, Phase};
use super::end::End;
use super::ledger::{Gone, Ledger, Visit};
use super::options::Options;
use crate::error::{is_out_of_descriptors, reason};

/// See the top of this file.
pub(crate) struct Reception {
    selector: Selector<Rc<dyn AsFd>>,
    events: Events,
    listening: Vec<Key>,
    /// Whether the listeners are being watched.
    watching: bool,
    /// One of them may have somebody.
    knocked: bool,
    /// Somebody else had something for us: those of the keys that were watched for them.
    woken: Option<Vec<Key>>,
    /// When the alarm is to go.
    alarm: Option<Instant>,
    door: Door,
    /// Who was taken and could not be served yet, and when to try again.
    kept: VecDeque<Newcomer>,
    retry: Instant,
    /// When somebody could last not be served.
    short: Option<Instant>,
    ledger: Ledger,
    drain: Arc<Mutex<Drain>>,
    phase: Phase,
    accept_timeout: Option<Duration>,
    /// Since when nobody is served; `None` while somebody is.
    deserted: Option<Instant>,
}

/// Somebody who was taken from the queue.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) socket: Socket,
    pub(crate) peer: Address,
    pub(crate) since: Instant,
}

/// What comes next.
pub(crate) enum Next {
    /// Somebody is to be served.
    Client(Newcomer),
    /// The end has come so much nearer: those who are served are to be told.
    Entered(Phase),
    /// The bell was rung, or these are readable that were [`watch`](Reception::watch)ed.
    Woken(Vec<Key>),
    /// The alarm went that was [set](Reception::set_alarm).
    Alarm,
    Ended(End),
}

impl Reception {
    /// Opens it. The signals ring this bell, or else its own.
    pub(crate) fn open(listeners: Vec<OwnedFd>, options: &Options, bell: Option<&Bell>) -> io::Result<Self> {
        let mut selector = Selector::with(Mechanism::Poll)?;
        let drain = Drain::at_signals(bell.unwrap_or(&selector.bell()), options.grace)?;
        let door = Door::new(listeners, options.limit);
        let mut listening = Vec::new();
        for listener in door.listeners() {
            listening.push(watch(&mut selector, listener, Interest::NONE)?);
        }
        Ok(Self {
            selector,
            events: Events::default(),
            listening,
            watching: false,
            knocked: false,
            woken: None,
            alarm: None,
            door,
            kept: VecDeque::new(),
            retry: now(),
            short: None,
            ledger: Ledger::default(),
            drain: Arc::new(Mutex::new(drain)),
            phase: Phase::Serving,
            accept_timeout: options.accept_timeout,
            deserted: Some(now()),
        })
    }

    /// Waits for whatever comes next.
    ///
    /// # Errors
    ///
    /// What ends accepting for good.
    pub(crate) fn next(&mut self) -> io::Result<Next> {
        loop {
            let now = now();
            let phase = self.drain.lock().unwrap_or_else(PoisonError::into_inner).phase(now);
            if phase != self.phase {
                self.enter(phase, now)?;
                return Ok(Next::Entered(phase));
            }
            if self.alarm.take_if(|then| *then <= now).is_some() {
                return Ok(Next::Alarm);
            }
            if let Some(keys) = self.woken.take() {
                return Ok(Next::Woken(keys));
            }
            if let Some(newcomer) = self.admit(now)? {
                return Ok(Next::Client(newcomer));
            }
            if let Some(end) = self.end() {
                return Ok(Next::Ended(end));
            }
            if !self.has_given_up(now) {
                self.wait(now)?;
            }
        }
    }

    /// Takes back somebody who cannot be served yet: they are not lost, and come next when it is tried again.
    pub(crate) fn keep(&mut self, newcomer: Newcomer, what: &str, error: &io::Error) {
        let now = now();
        // Short of something for a while, it is so again and again: to be told once.
        if self.short.is_none_or(|last| last + SHORTAGE <= now) {
            tracing::warn!("cannot accept for now: {what} ({}); trying again until it works", reason(error));
            if is_out_of_descriptors(error) {
                self.ledger.exhausted();
            }
        }
        self.short = Some(now);
        self.kept.push_back(newcomer);
        self.retry = now + PAUSE;
        self.turn_away_at_the_end(now);
    }

    /// Writes down that somebody has left.
    pub(crate) fn dismiss(
        &mut self,
        peer: &Address,
        since: Instant,
        (received, sent): (u64, u64),
        gone: &Gone,
    ) {
        let now = now();
        self.ledger.went(&Visit { peer, since, received, sent }, gone, now);
        if self.ledger.served() == 0 {
            self.deserted = Some(now);
        }
    }

    pub(crate) fn served(&self) -> usize {
        self.ledger.served()
    }

    /// Whether whoever comes now has to wait for somebody to leave.
    pub(crate) fn is_full(&self) -> bool {
        self.phase == Phase::Serving && !self.door.is_open(self.served(), now())
    }

    /// How far the end is, for somebody on another thread.
    pub(crate) fn drain(&self) -> Arc<Mutex<Drain>> {
        Arc::clone(&self.drain)
    }

    pub(crate) fn bell(&self) -> Bell {
        self.selector.bell()
    }

    /// To be told when this time has come.
    pub(crate) fn set_alarm(&mut self, then: Instant) {
        self.alarm = Some(then);
    }

    /// To be woken when this is readable.
    pub(crate) fn watch(&mut self, source: Rc<dyn AsFd>) -> io::Result<Key> {
        watch(&mut self.selector, source, Interest::READ)
    }

    /// And no more.
    pub(crate) fn unwatch(&mut self, key: Key) -> io::Result<()> {
        self.selector.unregister(key).map(drop)
    }

    fn enter(&mut self, phase: Phase, now: Instant) -> io::Result<()> {
        self.phase = phase;
        // Whoever has come is found, though nobody looks for them any more.
        self.knocked = phase == Phase::Draining;
        if matches!(phase, Phase::LastWords | Phase::Over | Phase::AtOnce(_)) {
            self.door.close();
        }
        self.turn_away_at_the_end(now);
        self.let_go_of_listeners()
    }

    /// Whoever is still kept then has come too late.
    fn turn_away_at_the_end(&mut self, now: Instant) {
        if matches!(self.phase, Phase::LastWords | Phase::Over | Phase::AtOnce(_)) {
            for Newcomer { socket, peer, since } in self.kept.drain(..) {
                socket.set_linger(Some(Duration::ZERO)).ok();
                let visit = Visit { peer: &peer, since, received: 0, sent: 0 };
                self.ledger.went(&visit, &Gone::Cancelled(Why::Drain, 0), now);
            }
        }
    }

    /// Once the door is closed, so that whoever knocks is refused.
    fn let_go_of_listeners(&mut self) -> io::Result<()> {
        if self.door.is_closed() {
            for key in self.listening.drain(..) {
                self.selector.unregister(key)?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Option<End> {
        match self.phase {
            Phase::AtOnce(signal) => Some(End::AtOnce(signal)),
            _ if self.door.is_closed() && self.ledger.served() == 0 => {
                Some(End::Drained(take(&mut self.ledger).close(), None))
            }
            _ => None,
        }
    }

    fn admit(&mut self, now: Instant) -> io::Result<Option<Newcomer>> {
        let is_again = self.retry <= now;
        if let Some(newcomer) = self.kept.pop_front_if(|_| is_again) {
            return Ok(Some(newcomer));
        }
        let reopened = self.door.paused().is_some_and(|reopens| reopens <= now);
        if !self.kept.is_empty() || !(take(&mut self.knocked) || reopened) {
            return Ok(None);
        }
        let taken = match self.phase {
            Phase::Serving => self.door.accept(&mut self.ledger, now)?,
            Phase::Draining => self.door.empty(&mut self.ledger, now)?,
            Phase::LastWords | Phase::Over | Phase::AtOnce(_) => None,
        };
        self.let_go_of_listeners()?;
        if taken.is_some() {
            self.deserted = None;
        }
        Ok(taken.map(|(socket, peer)| Newcomer { socket, peer, since: now }))
    }

    /// Whether the end begins here, as nobody is served and nobody has come for so long.
    fn has_given_up(&mut self, now: Instant) -> bool {
        let Some(time) = self.accept_timeout.filter(|_| self.phase == Phase::Serving) else { return false };
        let too_long = self.deserted.is_some_and(|since| since + time <= now);
        if too_long {
            tracing::warn!("nobody has come for {time:?}: accepting no more (--accept-timeout)");
            self.drain.lock().unwrap_or_else(PoisonError::into_inner).begin(now);
        }
        too_long
    }

    fn wait(&mut self, now: Instant) -> io::Result<()> {
        let is_open =
            self.phase == Phase::Serving && self.kept.is_empty() && self.door.is_open(self.served(), now);
        if is_open != self.watching {
            let interest = if is_open { Interest::READ } else { Interest::NONE };
            for key in &self.listening {
                self.selector.modify(*key, interest, Mode::Level)?;
            }
            self.watching = is_open;
        }
        let time = self.wake(now).map(|wake| wake.saturating_duration_since(now));
        self.selector.select(&mut self.events, time)?;
        let keys = self.events.iter().map(|event| event.key());
        let (knocks, others): (Vec<_>, Vec<_>) = keys.partition(|key| self.listening.contains(key));
        self.knocked = !knocks.is_empty() || self.is_emptying(now);
        if !others.is_empty() || self.events.rung() {
            self.woken = Some(others);
        }
        Ok(())
    }

    /// Until when to wait at most.
    fn wake(&self, now: Instant) -> Option<Instant> {
        let began = self.drain.lock().unwrap_or_else(PoisonError::into_inner).next(now);
        let emptying = self.is_emptying(now).then_some(now);
        let reopens = self.door.wake(now);
        let retry = (!self.kept.is_empty()).then_some(self.retry);
        let deserted = match self.phase {
            Phase::Serving => self.deserted.zip(self.accept_timeout).map(|(since, time)| since + time),
            _ => None,
        };
        [began, emptying, reopens, retry, deserted, self.alarm].into_iter().flatten().min()
    }

    /// Whether the last are to be taken one after the other, without waiting for any.
    fn is_emptying(&self, now: Instant) -> bool {
        self.phase == Phase::Draining
            && !self.door.is_closed()
            && self.door.paused().is_none()
            && self.door.is_open(self.served(), now)
            && self.kept.is_empty()
    }
}

/// This very moment: what blocks has no pass of a loop whose time it could take; and in a long pass, what is heard has come
/// after its time.
#[expect(clippy::disallowed_methods, reason = "there is no engine here, or its time is too old")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn watch(selector: &mut Selector<Rc<dyn AsFd>>, source: Rc<dyn AsFd>, interest: Interest) -> io::Result<Key> {
    selector.register(source, interest, Mode::Level).map_err(|rejected| rejected.error)
}

/// How long to wait before it is tried again to serve somebody.
const PAUSE: Duration = Duration::from_millis(100);

/// How long it must have worked for it to be news when it does not.
const SHORTAGE: Duration = Duration::from_secs(1);
