//! What counts as ready: data, room, ends, resets, urgent data; level, edge and oneshot; fairness.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use socket2::SockRef;
use switchboard_selector::{Events, Interest, Mechanism, Mode, ready};

use crate::common::{SOON, drain, fill, now, on_each, one, selector, soon, soon_with, tcp_pair};

#[test]
fn data_makes_readable_and_room_makes_writable() {
    on_each(|mechanism| {
        let (near, mut far) = tcp_pair();
        let mut selector = selector(mechanism);
        let key = selector.register(near, Interest::READ, Mode::Level).unwrap();
        assert!(now(&mut selector).is_empty());
        far.write_all(b"ping").unwrap();
        for _ in 0..3 {
            let event = one(&mut selector);
            assert!(event.key() == key && event.readable() && !event.writable() && !event.error());
            assert!(!event.read_closed() && !event.write_closed() && !event.priority());
        }
        assert_eq!(drain(&selector[key]).unwrap(), b"ping");
        assert!(now(&mut selector).is_empty());
        selector.modify(key, Interest::READ | Interest::WRITE, Mode::Level).unwrap();
        let event = one(&mut selector);
        assert!(event.writable() && !event.readable());
        fill(&selector[key]);
        assert!(now(&mut selector).is_empty());
        let start = Instant::now();
        while now(&mut selector).is_empty() {
            drain(&far).unwrap();
            assert!(start.elapsed() < SOON, "drained, and not writable");
        }
        selector.modify(key, Interest::NONE, Mode::Level).unwrap();
        assert!(now(&mut selector).is_empty());
    });
}

/// A connection whose other end has reset it, and the reset has arrived.
fn reset_connection() -> TcpStream {
    let (near, far) = tcp_pair();
    SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
    drop(far);
    assert_eq!(ready(&near, Interest::READ, Some(SOON)).unwrap(), Interest::READ);
    near
}

#[test]
fn b10_with_no_interest_even_a_hang_up_is_not_reported() {
    on_each(|mechanism| {
        let mut selector = selector(mechanism);
        let never = selector.register(reset_connection(), Interest::NONE, Mode::Level).unwrap();
        let no_more = selector.register(reset_connection(), Interest::READ, Mode::Level).unwrap();
        assert_eq!(one(&mut selector).key(), no_more);
        selector.modify(no_more, Interest::NONE, Mode::Level).unwrap();
        let spent = selector.register(reset_connection(), Interest::READ, Mode::Oneshot).unwrap();
        assert_eq!(one(&mut selector).key(), spent);
        let mut events = Events::default();
        selector.select(&mut events, Some(Duration::from_millis(20))).unwrap();
        assert!(events.is_empty(), "{events:?}");
        selector.modify(never, Interest::WRITE, Mode::Level).unwrap();
        let event = one(&mut selector);
        assert!(event.key() == never && event.writable() && !event.readable());
    });
}

#[test]
fn a_peer_that_closes_makes_readable_and_tells_so() {
    on_each(|mechanism| {
        let (near, far) = tcp_pair();
        let mut selector = selector(mechanism);
        let key = selector.register(near, Interest::READ, Mode::Level).unwrap();
        far.shutdown(Shutdown::Write).unwrap();
        let event = one(&mut selector);
        assert!(event.readable() && !event.error() && !event.write_closed(), "{event:?}");
        assert_eq!(
            event.read_closed(),
            matches!(mechanism, Mechanism::Epoll | Mechanism::Poll | Mechanism::Kqueue)
        );
        assert_eq!(drain(&selector[key]).unwrap(), b"");
        (&selector[key]).write_all(b"the other way is open").unwrap();
        // Both ways shut: a hang-up, which makes writable as far as that was asked.
        selector[key].shutdown(Shutdown::Write).unwrap();
        let event = one(&mut selector);
        assert!(event.readable() && !event.writable(), "{event:?}");
        assert_eq!(
            event.write_closed(),
            matches!(mechanism, Mechanism::Epoll | Mechanism::Poll),
            "{event:?}"
        );
        selector.modify(key, Interest::WRITE, Mode::Level).unwrap();
        let event = one(&mut selector);
        assert!(event.writable() && !event.readable(), "{event:?}");
    });
}

#[test]
fn b12_a_reset_makes_readable_and_the_read_tells_why() {
    on_each(|mechanism| {
        let mut selector = selector(mechanism);
        let both = Interest::READ | Interest::WRITE;
        let key = selector.register(reset_connection(), both, Mode::Level).unwrap();
        let event = one(&mut selector);
        assert!(event.readable() && event.writable(), "{event:?}");
        assert_eq!(event.error(), mechanism != Mechanism::Select);
        assert_eq!(drain(&selector[key]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn b8_data_that_comes_with_the_end_is_all_delivered() {
    on_each(|mechanism| {
        let (near, mut far) = tcp_pair();
        let mut selector = selector(mechanism);
        let key = selector.register(near, Interest::READ, Mode::Level).unwrap();
        let sent: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        far.write_all(&sent).unwrap();
        drop(far);
        let mut received = Vec::new();
        loop {
            let event = one(&mut selector);
            assert!(event.readable() && !event.error(), "the end is no error: {event:?}");
            let mut piece = [0; 700];
            match selector[key].read(&mut piece).unwrap() {
                0 => break,
                n => received.extend_from_slice(&piece[..n]),
            }
        }
        assert_eq!(received, sent);
    });
}

#[test]
fn urgent_data_is_priority() {
    on_each(|mechanism| {
        let (near, far) = tcp_pair();
        let mut selector = selector(mechanism);
        let rejected = match selector.register(near, Interest::PRIORITY, Mode::Level) {
            Err(rejected) if mechanism == Mechanism::Kqueue => rejected,
            result => {
                let key = result.unwrap();
                SockRef::from(&far).send_out_of_band(b"!").unwrap();
                let event = one(&mut selector);
                assert!(event.key() == key && event.priority() && !event.readable() && !event.writable());
                selector.modify(key, Interest::READ | Interest::PRIORITY, Mode::Level).unwrap();
                assert!(one(&mut selector).priority());
                return;
            }
        };
        assert_eq!(rejected.error.kind(), io::ErrorKind::Unsupported);
    });
}

#[test]
fn an_interest_in_urgent_data_alone_hears_of_a_reset_where_the_mechanism_tells() {
    on_each(|mechanism| {
        if matches!(mechanism, Mechanism::Select | Mechanism::Kqueue) {
            return println!("skipped on {mechanism}: it does not tell");
        }
        let mut selector = selector(mechanism);
        selector.register(reset_connection(), Interest::PRIORITY, Mode::Level).unwrap();
        let event = one(&mut selector);
        assert!(event.priority() && event.error() && !event.readable() && !event.writable(), "{event:?}");
    });
}

#[test]
fn oneshot_is_silent_after_one_event_until_modified() {
    on_each(|mechanism| {
        let (near, mut far) = tcp_pair();
        let mut selector = selector(mechanism);
        let both = Interest::READ | Interest::WRITE;
        let key = selector.register(near, both, Mode::Oneshot).unwrap();
        assert!(one(&mut selector).writable());
        far.write_all(b"x").unwrap();
        drop(far);
        assert_eq!(ready(&selector[key], Interest::READ, Some(SOON)).unwrap(), Interest::READ);
        assert!(now(&mut selector).is_empty(), "the whole source is silent, not one direction");
        for _ in 0..3 {
            selector.modify(key, Interest::READ, Mode::Oneshot).unwrap();
            assert!(one(&mut selector).readable());
            assert!(now(&mut selector).is_empty());
        }
        selector.modify(key, Interest::READ, Mode::Level).unwrap();
        one(&mut selector);
        one(&mut selector);
        selector.modify(key, Interest::READ, Mode::Oneshot).unwrap();
        one(&mut selector);
        selector.unregister(key).unwrap();
    });
}

#[test]
fn an_edge_is_reported_once_for_each_arrival() {
    on_each(|mechanism| {
        let (near, mut far) = tcp_pair();
        let mut selector = selector(mechanism);
        if !selector.supports(Mode::Edge) {
            return println!("skipped on {mechanism}: it has no edges");
        }
        let key = selector.register(near, Interest::READ, Mode::Edge).unwrap();
        for _ in 0..3 {
            far.write_all(b"x").unwrap();
            assert!(one(&mut selector).readable());
            assert!(now(&mut selector).is_empty(), "unread, and yet not reported again");
        }
        selector.modify(key, Interest::READ, Mode::Edge).unwrap();
        assert!(one(&mut selector).readable(), "modify reports what is ready");
        drain(&selector[key]).unwrap();
        far.write_all(b"x").unwrap();
        one(&mut selector);
    });
}

#[test]
fn b4_a_short_read_at_the_urgent_mark_does_not_mean_drained() {
    on_each(|mechanism| {
        let (near, mut far) = tcp_pair();
        let mut selector = selector(mechanism);
        if mechanism != Mechanism::Epoll {
            return println!("skipped on {mechanism}: a fact about Linux's edges");
        }
        far.write_all(b"before").unwrap();
        SockRef::from(&far).send_out_of_band(b"!").unwrap();
        far.write_all(b"behind").unwrap();
        assert_eq!(ready(&near, Interest::PRIORITY, Some(SOON)).unwrap(), Interest::PRIORITY);
        let key = selector.register(near, Interest::READ, Mode::Edge).unwrap();
        assert!(one(&mut selector).readable());
        let mut bytes = [0; 100];
        assert_eq!(selector[key].read(&mut bytes).unwrap(), 6, "short, at the mark");
        assert!(now(&mut selector).is_empty(), "and no new edge");
        assert_eq!(drain(&selector[key]).unwrap(), b"behind");
    });
}

#[test]
fn a_buffer_smaller_than_the_ready_set_starves_nobody() {
    on_each(|mechanism| {
        let mut selector = selector(mechanism);
        let mut far_ends = Vec::new();
        let mut keys = HashSet::new();
        for _ in 0..10 {
            let (near, mut far) = tcp_pair();
            far.write_all(b"x").unwrap();
            assert_eq!(ready(&near, Interest::READ, Some(SOON)).unwrap(), Interest::READ);
            keys.insert(selector.register(OwnedFd::from(near), Interest::READ, Mode::Level).unwrap());
            far_ends.push(far);
        }
        for capacity in [1, 3, 10] {
            let mut events = Events::with_capacity(capacity);
            let mut reported = HashSet::new();
            for _ in 0..10_usize.div_ceil(capacity) {
                selector.select(&mut events, Some(SOON)).unwrap();
                assert!(events.len() <= capacity);
                reported.extend(events.iter().map(|event| event.key()));
            }
            assert_eq!(reported, keys, "with room for {capacity}");
        }
        // The bell is not starved either.
        selector.bell().ring();
        let mut events = Events::with_capacity(1);
        let heard = (0..=11).any(|_| {
            selector.select(&mut events, Some(SOON)).unwrap();
            events.rung()
        });
        assert!(heard);
    });
}

#[test]
fn oneshot_with_a_small_buffer_reports_each_once() {
    on_each(|mechanism| {
        let mut selector = selector(mechanism);
        let mut far_ends = Vec::new();
        for _ in 0..10 {
            let (near, mut far) = tcp_pair();
            far.write_all(b"x").unwrap();
            assert_eq!(ready(&near, Interest::READ, Some(SOON)).unwrap(), Interest::READ);
            selector.register(near, Interest::READ, Mode::Oneshot).unwrap();
            far_ends.push(far);
        }
        let mut events = Events::with_capacity(3);
        let mut reported = Vec::new();
        for _ in 0..4 {
            selector.select(&mut events, Some(SOON)).unwrap();
            reported.extend(events.iter().map(|event| event.key()));
        }
        assert_eq!(reported.len(), 10);
        assert_eq!(reported.iter().collect::<HashSet<_>>().len(), 10);
        assert!(now(&mut selector).is_empty());
    });
}

#[test]
fn duplicates_of_one_connection_are_sources_of_their_own() {
    on_each(|mechanism| {
        let (near, mut far) = tcp_pair();
        let mut selector = selector(mechanism);
        let duplicate = near.try_clone().unwrap();
        let first = selector.register(near, Interest::READ, Mode::Level).unwrap();
        let second = selector.register(duplicate, Interest::READ, Mode::Level).unwrap();
        far.write_all(b"x").unwrap();
        soon_with(&mut selector, |events| events.len() == 2);
        drop(selector.unregister(first).unwrap());
        let event = one(&mut selector);
        assert_eq!(event.key(), second, "the first was taken out although a duplicate keeps its file open");
    });
}

#[test]
fn many_come_and_go_in_any_order() {
    on_each(|mechanism| {
        let mut selector = selector(mechanism);
        let mut far_ends = Vec::new();
        let mut keys = Vec::new();
        for n in 0..40_usize {
            let (near, far) = tcp_pair();
            let interest = if n % 4 == 0 { Interest::NONE } else { Interest::WRITE };
            let mode = if n % 4 == 1 { Mode::Oneshot } else { Mode::Level };
            keys.push(selector.register(near, interest, mode).unwrap());
            far_ends.push(far);
        }
        assert_eq!(soon(&mut selector).len(), 30);
        assert_eq!(soon(&mut selector).len(), 20, "the ten of Oneshot are silent");
        for key in keys.iter().skip(2).step_by(4) {
            selector.unregister(*key).unwrap();
        }
        let left: HashSet<_> = soon(&mut selector).iter().map(|event| event.key()).collect();
        assert_eq!(left, keys.iter().skip(3).step_by(4).copied().collect());
        for key in keys.iter().step_by(4) {
            selector.modify(*key, Interest::WRITE, Mode::Level).unwrap();
        }
        assert_eq!(soon(&mut selector).len(), 20);
    });
}
