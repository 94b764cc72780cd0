//! Running a simulation: one turn of one host after the other, and when none has anything to do, the clock.
//!
//! Which host is next is drawn by lot, and so all that programs on different hosts do "at once" happens in every order.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::host::Host;
use super::{Failed, Report, Sim, Why};
use crate::event_loop::Next;

impl Sim {
    /// Runs until every program has ended. When some have, and all that are left wait for SIGTERM, as servers do, they get
    /// it: so a server ends, in order, when its clients have, and needs no other reason. Those that nobody else is with get it
    /// when nothing can ever happen by itself any more.
    ///
    /// # Errors
    ///
    /// The first program that fails or panics; that nothing can ever happen again though programs have not ended, with a
    /// list of who waits for what; that there is no end to it ([`limit`](Self::limit)).
    pub fn run(&mut self) -> Result<Report, Failed> {
        self.begin();
        loop {
            // What is left on the agenda is nobody's, such as the end of the patience of one who is gone.
            if self.is_over() && self.script.is_empty() {
                return Ok(self.report());
            }
            if !self.step()? && !self.is_over() && !self.tell_to_end() {
                let waiting = self.waiting();
                return Err(self.failed(None, Why::Deadlock(waiting)));
            }
        }
    }

    /// One turn of one host; or, if none has anything to do, the clock moves on to the next event. False if there is
    /// none: nothing will ever happen by itself again, or all that is left waits for SIGTERM.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), but for the end.
    pub fn step(&mut self) -> Result<bool, Failed> {
        self.begin();
        // A program that never sleeps moves the clock by itself.
        self.keep_script()?;
        if self.turn_one()? {
            return Ok(true);
        }
        match self.next_event() {
            Some(due) if !self.is_idle() => self.move_clock(due)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Runs for so long, by the network's clock.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn advance(&mut self, time: Duration) -> Result<(), Failed> {
        let end = self.now() + time.min(FAR);
        self.begin();
        while self.now() <= end {
            self.keep_script()?;
            if self.turn_one()? {
                continue;
            }
            match self.next_event() {
                Some(due) if due <= end => self.move_clock(due)?,
                _ => break,
            }
        }
        self.move_clock(end)
    }

    /// Begins the programs, once.
    fn begin(&mut self) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let half = self.usual.halved();
            self.network.link_usually(self.usual, half);
            self.network.go_wrong(&self.faults);
            if let Some(trace) = &self.trace {
                self.network.trace(trace);
            }
            for host in self.hosts.iter_mut().filter(|host| !self.network.is_down(host.id)) {
                host.start(&self.network, self.trace.as_ref());
            }
        }
    }

    /// Turns one of those that have something to do now, if there are any.
    fn turn_one(&mut self) -> Result<bool, Failed> {
        let now = self.now();
        let is_due = |next| match next {
            Next::Now => true,
            // A loop's own time stands still between two turns.
            Next::At(due) => due <= now,
            Next::Never => false,
        };
        let running = self.hosts.iter().enumerate().filter(|(_, host)| host.event_loop().is_some());
        let running: Vec<_> = running.map(|(place, host)| (place, host.id, is_due(host.next()))).collect();
        // To ask a loop what is next is to have its engine look, so that it may have news then.
        let news = self.network.with_news();
        let ready = running.into_iter().filter(|(_, id, is_due)| *is_due || news.contains(id));
        let ready: Vec<usize> = ready.map(|(place, ..)| place).collect();
        let place = match ready[..] {
            [] => return Ok(false),
            [one] => one,
            _ => ready[usize::try_from(self.network.random() % ready.len() as u64).unwrap_or(0)],
        };
        self.turns += 1;
        if self.turns > MOST_TURNS {
            let waiting = self.waiting();
            return Err(self.failed(None, Why::TooLong(waiting)));
        }
        let turned = self.hosts[place].turn(&self.network);
        if self.is_repeatable && self.network.was_rung_from_elsewhere(self.hosts[place].id) {
            self.is_repeatable = false;
            let name = &self.hosts[place].name;
            tracing::warn!(
                "{name} is woken by another thread: what happens does not follow from the seed any more"
            );
        }
        turned.map_err(|why| self.failed(Some(place), why))?;
        Ok(true)
    }

    /// Whether only those are left that go on until they are told to end, and no plan says that anything else happens.
    fn is_idle(&self) -> bool {
        let left = || self.hosts.iter().filter(|host| host.event_loop().is_some());
        let waits = |host: &Host| !host.is_told && self.network.watches(host.id, Signal::TERM.as_raw());
        self.script.is_empty()
            && left().next().is_some()
            && left().all(|host| host.is_running() && waits(host))
            && (self.hosts.iter().any(|host| host.has_ended) || self.next_event().is_none())
    }

    /// When anything happens next that no program does.
    fn next_event(&self) -> Option<Instant> {
        let timers = self.hosts.iter().filter_map(|host| match host.next() {
            Next::At(due) => Some(due),
            Next::Now | Next::Never => None,
        });
        let scripted = self.script.first().map(|(age, _)| self.born() + (*age).min(FAR));
        timers.chain(self.network.first_event()).chain(scripted).min()
    }

    fn move_clock(&mut self, to: Instant) -> Result<(), Failed> {
        self.network.advance(to);
        self.keep_script()
    }

    /// Does what is to be done by now, and sees whether time is up.
    fn keep_script(&mut self) -> Result<(), Failed> {
        while self.script.first().is_some_and(|(age, _)| (*age).min(FAR) <= self.age()) {
            let (_, what) = self.script.remove(0);
            what(self);
        }
        if self.age() > self.limit {
            let waiting = self.waiting();
            return Err(self.failed(None, Why::TooLong(waiting)));
        }
        Ok(())
    }

    /// Tells all that wait for it to end. Whether there were any.
    fn tell_to_end(&mut self) -> bool {
        let is_idle = self.is_idle();
        for host in self.hosts.iter_mut().filter(|host| is_idle && host.is_running()) {
            host.is_told = true;
            self.network.raise_on(host.id, Signal::TERM.as_raw());
        }
        is_idle
    }

    /// Whether every program has ended, and all it had is closed.
    fn is_over(&self) -> bool {
        self.hosts.iter().all(|host| host.event_loop().is_none())
    }

    /// Who waits for what.
    fn waiting(&self) -> Vec<String> {
        let running = self.hosts.iter().filter_map(|host| Some((host, host.event_loop()?)));
        let lines = running.flat_map(|(host, event_loop)| {
            event_loop.waiting().into_iter().map(|waiting| format!("{}: {waiting}", host.name))
        });
        lines.collect()
    }

    fn born(&self) -> Instant {
        self.now() - self.age()
    }

    fn report(&self) -> Report {
        let failures = self.hosts.iter().flat_map(|host| {
            let failures = host.failures.borrow();
            let told = failures.iter().map(|failure| (host.name.clone(), failure.to_string()));
            told.collect::<Vec<_>>()
        });
        let open = self
            .hosts
            .iter()
            .flat_map(|host| host.open.iter().map(|socket| (host.name.clone(), socket.clone())));
        Report {
            seed: self.seed,
            elapsed: self.age(),
            turns: self.turns,
            injected: self.network.injected(),
            failures: failures.collect(),
            open: open.collect(),
            is_repeatable: self.is_repeatable,
        }
    }

    pub(super) fn failed(&self, host: Option<usize>, why: Why) -> Failed {
        let host = host.map(|place| self.hosts[place].name.clone());
        Failed { seed: self.seed, at: self.age(), host, why }
    }
}

/// How often loops are turned at most: nothing that is ever to end goes on for longer, and time may pass very slowly for
/// those who never sleep.
const MOST_TURNS: u64 = 50_000_000;

/// As far as times go: a hundred years, as it is for whoever sleeps.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);
