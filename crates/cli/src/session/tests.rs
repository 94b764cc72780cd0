//! Sessions without sockets: what is to be sent, when, and how it ends.
#![allow(clippy::disallowed_methods, reason = "a moment to begin with")]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::faults::Drip;

#[test]
fn what_is_heard_is_answered_in_order_and_forgotten_as_it_is_sent() {
    let now = Instant::now();
    let mut session = begin(Service::Echo, Faults::default(), now);
    assert!(session.is_silent() && session.sendable(now).is_empty());
    session.hear(b"one", now);
    session.hear(b"two", now);
    assert_eq!(session.sendable(now), b"one");
    session.sent(2);
    assert_eq!(session.sendable(now), b"e");
    assert_eq!(session.waiting(), 4);
    session.hear(b"three", now);
    assert_eq!(session.sendable(now), b"e", "not overtaken");
    session.sent(1);
    assert_eq!(session.sendable(now), b"two");
    session.sent(3);
    assert_eq!(session.sendable(now), b"three");
    session.sent(5);
    assert!(session.is_silent() && session.sendable(now).is_empty());
    assert_eq!((session.traffic(), session.waiting(), session.end()), ((11, 11), 0, None));
}

#[test]
fn the_greeting_and_the_opening_words_come_first() {
    let now = Instant::now();
    for (service, said) in [
        (Service::Echo, &b"Hi! "[..]),
        (Service::Line, b"Hi! Welcome! Every line you send comes back.\r\n"),
        (Service::Hello, b"Hi! Hello from server!\r\n"),
    ] {
        let opening = Opening { greeting: b"Hi! ".to_vec(), ..opening(service, Faults::default()) };
        assert_eq!(opening.begin(now).sendable(now), said);
    }
}

#[test]
fn past_the_bound_nothing_is_heard_until_some_has_gone() {
    let now = Instant::now();
    let mut session = begin(Service::Echo, Faults::default(), now);
    session.hear(&vec![1; BOUND - 1], now);
    assert!(session.may_hear());
    session.hear(&[2; 100], now);
    assert!(!session.may_hear() && session.waiting() == BOUND + 99);
    session.sent(99);
    assert!(!session.may_hear());
    session.sent(1);
    assert!(session.may_hear());
}

#[test]
fn it_ends_when_all_is_sent_and_not_before() {
    let now = Instant::now();
    for (service, heard, said, end) in [
        (Service::Echo, &b"hello"[..], &b"hello"[..], End::Finished),
        (Service::Hello, b"", b"Hello from server!\r\n", End::Finished),
        (Service::Boom, b"so\nboom\nmore", b"so\nboom\n", End::Failed("boom")),
    ] {
        let mut session = begin(service, Faults::default(), now);
        if !heard.is_empty() {
            session.hear(heard, now);
        }
        session.hear_end(now);
        assert!(!session.may_hear());
        for (count, byte) in said.iter().enumerate() {
            assert_eq!(session.end(), None, "{} after {count}", service.name());
            assert_eq!(session.sendable(now)[0], *byte);
            session.sent(1);
        }
        assert_eq!(session.end(), Some(end));
        assert!(session.is_silent() && session.sendable(now).is_empty());
    }
    let mut silent = begin(Service::Discard, Faults::default(), now);
    silent.hear(b"into the void", now);
    assert_eq!(silent.end(), None);
    silent.hear_end(now);
    assert_eq!((silent.end(), silent.traffic()), (Some(End::Finished), (13, 0)));
}

#[test]
fn what_comes_after_the_end_of_the_talk_changes_nothing() {
    let now = Instant::now();
    let mut session = begin(Service::Hello, Faults::default(), now);
    assert!(!session.may_hear());
    session.hear(b"but wait", now);
    session.hear_end(now);
    let said = session.sendable(now).len();
    session.sent(said);
    assert_eq!((session.end(), session.traffic()), (Some(End::Finished), (8, 20)));
    // Who fails does not end well because the client does.
    let mut session = begin(Service::Boom, Faults::default(), now);
    session.hear(b"boom\n", now);
    session.hear_end(now);
    session.sent(5);
    assert_eq!(session.end(), Some(End::Failed("boom")));
}

#[test]
fn a_cut_is_exact_whatever_the_service_and_the_pieces() {
    let now = Instant::now();
    for (service, after, most) in [
        (Service::Hello, 0, usize::MAX),
        (Service::Hello, 5, usize::MAX),
        (Service::Hello, 5, 1),
        (Service::Line, 50, 7),
        (Service::Echo, 1000, 333),
        (Service::Echo, 1000, usize::MAX),
        (Service::Chargen, 100_000, 4096),
        (Service::Chargen, 100_000, usize::MAX),
    ] {
        for (reset, end) in [(false, End::Finished), (true, End::Reset)] {
            let faults = Faults { cut: Some(Cut { after, reset }), ..Faults::default() };
            let mut session = begin(service, faults, now);
            for _ in 0..100 {
                if session.may_hear() {
                    session.hear(b"a line of letters\n", now);
                }
            }
            while session.end().is_none() {
                let count = session.sendable(now).len().min(most);
                assert!(count > 0, "{} stops after {:?}", service.name(), session.traffic());
                session.sent(count);
            }
            assert_eq!((session.end(), session.traffic().1), (Some(end), after), "{}", service.name());
            assert!(!session.may_hear() && session.sendable(now).is_empty());
        }
    }
}

#[test]
fn a_cut_of_a_service_that_says_nothing_counts_what_comes() {
    let now = Instant::now();
    let faults = Faults { cut: Some(Cut { after: 10, reset: false }), ..Faults::default() };
    let mut session = begin(Service::Discard, faults, now);
    session.hear(b"123456789", now);
    assert!(session.end().is_none() && session.may_hear());
    session.hear(b"0 and more", now);
    assert!(session.end() == Some(End::Finished) && !session.may_hear());
}

#[test]
fn a_late_answer_is_due_after_the_delay_and_holds_nothing_else_up() {
    let (start, delay) = (Instant::now(), Duration::from_secs(5));
    let faults = Faults { delay, ..Faults::default() };
    let mut session = begin(Service::Echo, faults, start);
    assert_eq!(session.wake(start), None);
    session.hear(b"one", start);
    let second = start + Duration::from_secs(1);
    assert!(session.may_hear());
    session.hear(b"two", second);
    session.hear_end(second);
    assert!(session.sendable(start + delay - Duration::from_nanos(1)).is_empty());
    assert_eq!((session.wake(start), session.end()), (Some(start + delay), None));
    assert_eq!(session.sendable(start + delay), b"one");
    session.sent(3);
    assert!(session.sendable(start + delay).is_empty());
    assert_eq!(session.wake(start + delay), Some(second + delay));
    assert_eq!(session.sendable(second + delay), b"two");
    session.sent(3);
    assert_eq!(session.end(), Some(End::Finished));
}

#[test]
fn what_is_due_already_waits_for_room_and_for_no_time() {
    let (now, delay) = (Instant::now(), Duration::from_secs(1));
    let faults = Faults { delay, ..Faults::default() };
    let mut session = begin(Service::Echo, faults, now);
    session.hear(b"hello", now);
    assert_eq!(session.sendable(now), b"");
    assert_eq!(session.wake(now), Some(now + delay));
    // Whoever waits until a time that is past does not wait.
    assert_eq!(session.sendable(now + delay), b"hello");
    assert_eq!(session.wake(now + delay), None);
}

#[test]
fn a_drip_lets_a_few_bytes_go_and_wakes_for_the_next() {
    let (start, time) = (Instant::now(), Duration::from_secs(1));
    let faults = Faults { drip: Some(Drip { bytes: 2, time }), ..Faults::default() };
    let mut session = begin(Service::Echo, faults, start);
    session.hear(b"hello", start);
    let mut now = start;
    for (said, later) in [(&b"he"[..], 1), (b"ll", 2), (b"o", 3)] {
        assert_eq!(session.sendable(now), said);
        session.sent(said.len());
        if later < 3 {
            assert!(session.sendable(now).is_empty());
            now = start + later * time;
            assert_eq!(session.wake(start), Some(now));
        }
    }
    assert!(session.is_silent());
}

#[test]
fn who_never_reads_hears_nothing_and_no_end_and_says_its_own() {
    let now = Instant::now();
    let faults = Faults { never_read: true, ..Faults::default() };
    let mut echo = begin(Service::Echo, faults, now);
    assert!(!echo.may_hear());
    echo.hear_end(now);
    assert_eq!(echo.end(), None);
    let mut hello = begin(Service::Hello, faults, now);
    assert_eq!(hello.sendable(now), b"Hello from server!\r\n");
    hello.sent(20);
    assert_eq!(hello.end(), Some(End::Finished));
}

#[test]
fn a_line_too_long_is_the_same_end_however_it_is_cut() {
    let input = [&b"first\r\n"[..], &[b'x'; 200_000], b"\nlast\n"].concat();
    let said = b"Welcome! Every line you send comes back.\r\nEcho: first\r\n\
                 Error: a line has at most 65536 bytes\r\n";
    for size in [1, 2, 1000, 65_536, 65_543, 65_544, 16_384, 300_000] {
        let pieces: Vec<_> = input.chunks(size).collect();
        assert_eq!(
            talk(Service::Line, Faults::default(), &pieces, &[usize::MAX]),
            said,
            "in pieces of {size}"
        );
    }
}

proptest! {
    #[test]
    fn what_is_said_does_not_depend_on_how_anything_is_cut(
        service in prop::sample::select(vec![Service::Echo, Service::Upper, Service::Line]),
        letters in prop::collection::vec(
            prop::sample::select(vec!["a", "Z", "\n", "\r", "\r\n", "ß", "д", "🙂", "\0"]), 0..300
        ),
        odd in any::<(u8, prop::sample::Index)>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        sends in prop::collection::vec(1_usize..40, 1..10),
        chop in any::<bool>(),
        drip in prop::option::of((1_usize..50, 1_u64..100)),
        late in 0_u64..100,
    ) {
        let mut input = letters.concat().into_bytes();
        // One byte that is no text, somewhere.
        let at = odd.1.index(input.len() + 1);
        input.insert(at, odd.0);
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(input.len() + 1)).chain([0, input.len()]).collect();
        ends.sort_unstable();
        let pieces: Vec<_> = ends.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
        let time = Duration::from_millis;
        let drip = drip.map(|(bytes, milliseconds)| Drip { bytes, time: time(milliseconds) });
        let faults = Faults { chop, drip, delay: time(late), jitter: time(late), ..Faults::default() };
        let whole = talk(service, Faults::default(), &[&input], &[usize::MAX]);
        prop_assert_eq!(talk(service, faults, &pieces, &sends), whole);
    }
}

#[test]
fn an_end_is_heard_once_even_if_the_service_goes_on() {
    let now = Instant::now();
    let mut session = begin(Service::Chargen, Faults::default(), now);
    assert!(session.may_hear());
    session.hear_end(now);
    assert!(!session.may_hear() && !session.sendable(now).is_empty() && session.end().is_none());
}

/// All that is said to somebody who sends these pieces, and takes the answers in pieces of at most these sizes, in turn.
fn talk(service: Service, faults: Faults, pieces: &[&[u8]], sizes: &[usize]) -> Vec<u8> {
    let mut now = Instant::now();
    let mut session = begin(service, faults, now);
    let (mut said, mut pieces, mut sizes) = (Vec::new(), pieces.iter(), sizes.iter().cycle());
    loop {
        // A receive of nothing is the end, and no piece.
        if session.may_hear() {
            match pieces.by_ref().find(|piece| !piece.is_empty()) {
                Some(piece) => session.hear(piece, now),
                None => session.hear_end(now),
            }
        }
        let bytes = session.sendable(now);
        let count = bytes.len().min(*sizes.next().expect("a cycle has no end"));
        said.extend_from_slice(&bytes[..count]);
        if count > 0 {
            session.sent(count);
        } else if session.end().is_some() {
            return said;
        } else if let Some(wake) = session.wake(now) {
            assert!(wake > now, "it wakes for nothing");
            now = wake;
        }
    }
}

fn begin(service: Service, faults: Faults, now: Instant) -> Session {
    opening(service, faults).begin(now)
}

fn opening(service: Service, faults: Faults) -> Opening {
    Opening { service, faults, greeting: Vec::new(), time: TimeOfDay::Now, gauge: None }
}
