//! The deadline loop and the laziness towards the kernel, seen from a mechanism that counts its calls.

use std::sync::{Arc, Mutex};

use super::*;
use crate::event::{Event, Lamps};

/// What a counting mechanism was asked, and what it is to answer.
#[derive(Default)]
struct Calls {
    log: Vec<&'static str>,
    waits: Vec<Option<Duration>>,
    /// Answers to the next waits, the last first; when there are none left, the real mechanism is
    /// asked.
    answers: Vec<io::Result<Vec<Event>>>,
}

struct Counting {
    real: Box<dyn Backend>,
    calls: Arc<Mutex<Calls>>,
}

impl Counting {
    fn note(&self, call: &'static str) {
        self.calls.lock().unwrap().log.push(call);
    }
}

impl Backend for Counting {
    fn edges(&self) -> bool {
        self.real.edges()
    }

    fn add(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<Added> {
        self.note("add");
        self.real.add(fd, token, interest, mode)
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest, mode: Mode) -> io::Result<()> {
        self.note("modify");
        self.real.modify(fd, token, interest, mode)
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.note("remove");
        self.real.remove(fd)
    }

    fn wait(&mut self, events: &mut Vec<Event>, room: usize, timeout: Option<Duration>) -> io::Result<()> {
        let answer = {
            let mut calls = self.calls.lock().unwrap();
            calls.waits.push(timeout);
            calls.answers.pop()
        };
        match answer {
            Some(answer) => answer.map(|answer| events.extend(answer)),
            None => self.real.wait(events, room, timeout),
        }
    }
}

/// A selector on each mechanism, with a look at the calls it makes.
fn on_each(body: impl Fn(Selector<std::net::UdpSocket>, &Mutex<Calls>)) {
    for mechanism in Mechanism::available() {
        let mut selector = Selector::with(mechanism).unwrap();
        let calls = Arc::new(Mutex::new(Calls::default()));
        selector.backend =
            Box::new(Counting { real: open(mechanism, &selector.bell).unwrap(), calls: Arc::clone(&calls) });
        body(selector, &calls);
    }
}

const DAY: Duration = Deadline::SLICE;

#[test]
fn d1_a_timer_of_900_microseconds_takes_at_most_three_waits() {
    on_each(|mut selector, calls| {
        let mut events = Events::default();
        for _ in 0..20 {
            calls.lock().unwrap().waits.clear();
            selector.select(&mut events, Some(Duration::from_micros(900))).unwrap();
            let waits = &calls.lock().unwrap().waits;
            assert!(waits.len() <= 3, "{waits:?} on {:?}", selector.mechanism);
            assert_eq!(waits[0], Some(Duration::from_micros(900)), "the first wait is for the whole");
        }
    });
}

#[test]
fn d3_long_timeouts_are_waited_for_day_by_day() {
    on_each(|mut selector, calls| {
        // The mechanism comes back thrice with nothing, as if a day had passed each time; then it
        // is rung.
        selector.bell().ring();
        for timeout in [Duration::from_secs(25 * 24 * 3600), Duration::MAX] {
            calls.lock().unwrap().answers = (0..3).map(|_| Ok(Vec::new())).collect();
            calls.lock().unwrap().waits.clear();
            let mut events = Events::default();
            selector.select(&mut events, Some(timeout)).unwrap();
            assert!(events.rung());
            assert_eq!(calls.lock().unwrap().waits, [Some(DAY); 4]);
            selector.bell().ring();
        }
    });
}

#[test]
fn a_wait_interrupted_as_its_time_ends_still_looks_once() {
    on_each(|mut selector, calls| {
        // Stopped and continued for longer than it was to wait: interrupted, with nothing left.
        calls.lock().unwrap().answers.push(Err(io::ErrorKind::Interrupted.into()));
        selector.bell().ring();
        let mut events = Events::default();
        selector.select(&mut events, Some(Duration::from_nanos(1))).unwrap();
        assert!(events.rung(), "what was there was not looked at on {:?}", selector.mechanism);
        assert_eq!(calls.lock().unwrap().waits.last(), Some(&Some(Duration::ZERO)));
    });
}

#[test]
fn an_interrupted_wait_goes_on_with_what_is_left() {
    on_each(|mut selector, calls| {
        let interrupted = || Err(io::ErrorKind::Interrupted.into());
        calls.lock().unwrap().answers = (0..5).map(|_| interrupted()).collect();
        let mut events = Events::default();
        let timeout = Duration::from_millis(20);
        selector.select(&mut events, Some(timeout)).unwrap();
        assert!(events.is_empty());
        let waits = &calls.lock().unwrap().waits;
        assert!(waits.len() >= 6 && waits[0] == Some(timeout), "{waits:?}");
        assert!(waits.is_sorted_by(|earlier, later| earlier > later), "{waits:?}");
    });
}

#[test]
fn zero_and_for_ever_are_passed_on_as_they_are() {
    on_each(|mut selector, calls| {
        let mut events = Events::default();
        selector.select(&mut events, Some(Duration::ZERO)).unwrap();
        selector.bell().ring();
        selector.select(&mut events, None).unwrap();
        assert_eq!(calls.lock().unwrap().waits, [Some(Duration::ZERO), None]);
    });
}

#[test]
fn a_source_watched_for_nothing_never_reaches_the_mechanism() {
    on_each(|mut selector, calls| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let key = selector.register(socket, Interest::NONE, Mode::Level).unwrap();
        selector.modify(key, Interest::NONE, Mode::Oneshot).unwrap();
        let socket = selector.unregister(key).unwrap();
        assert!(calls.lock().unwrap().log.is_empty());
        let key = selector.register(socket, Interest::NONE, Mode::Level).unwrap();
        for interest in [Interest::READ, Interest::WRITE, Interest::NONE, Interest::NONE, Interest::READ] {
            selector.modify(key, interest, Mode::Level).unwrap();
        }
        selector.unregister(key).unwrap();
        assert_eq!(calls.lock().unwrap().log, ["add", "modify", "remove", "add", "remove"]);
    });
}

#[test]
fn an_event_of_nobody_is_not_told_and_the_mechanism_is_opened_anew() {
    on_each(|mut selector, calls| {
        let ghost = Event { token: 7 << 32 | 5, lamps: Lamps::READ };
        calls.lock().unwrap().answers = vec![Ok(vec![ghost])];
        let mut events = Events::default();
        selector.select(&mut events, Some(Duration::from_millis(1))).unwrap();
        assert!(events.is_empty() && !events.rung());
        assert_eq!(calls.lock().unwrap().waits.len(), 1, "the new mechanism does not count");
        selector.bell().ring();
        selector.select(&mut events, None).unwrap();
        assert!(events.rung());
    });
}
