//! The bell: heard once, never lost, harmless when nobody listens.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use switchboard_selector::{Events, Interest, Mode};

use crate::common::{SOON, on_each, one, selector, tcp_pair};

#[test]
fn a_bell_rung_before_select_ends_it_and_many_rings_are_heard_once() {
    on_each(|mechanism| {
        let mut selector = selector::<TcpStream>(mechanism);
        let mut events = Events::default();
        for _ in 0..3 {
            for _ in 0..100 {
                selector.bell().ring();
            }
            selector.select(&mut events, Some(SOON)).unwrap();
            assert!(events.rung() && events.is_empty());
            selector.select(&mut events, Some(Duration::ZERO)).unwrap();
            assert!(!events.rung());
        }
    });
}

#[test]
fn a_bell_and_a_source_come_together() {
    on_each(|mechanism| {
        let (near, _far) = tcp_pair();
        let mut selector = selector(mechanism);
        let key = selector.register(near, Interest::WRITE, Mode::Level).unwrap();
        selector.bell().ring();
        let mut events = Events::default();
        selector.select(&mut events, Some(SOON)).unwrap();
        assert!(events.rung());
        assert_eq!(events.iter().map(|event| event.key()).collect::<Vec<_>>(), [key]);
        assert_eq!(one(&mut selector).key(), key);
    });
}

#[test]
fn a_bell_outlives_its_selector() {
    on_each(|mechanism| {
        let bell = selector::<TcpStream>(mechanism).bell();
        bell.ring();
        bell.clone().ring();
    });
}

#[test]
fn c6_no_ring_of_a_hundred_thousand_is_lost() {
    const RINGS: u32 = 100_000;
    on_each(|mechanism| {
        let mut selector = selector::<TcpStream>(mechanism);
        let rung = Arc::new(AtomicU32::new(0));
        let ringers: Vec<_> = (0..2)
            .map(|_| {
                let (bell, rung) = (selector.bell(), Arc::clone(&rung));
                std::thread::spawn(move || {
                    for _ in 0..RINGS / 2 {
                        // Relaxed: the bell itself must make it visible.
                        rung.fetch_add(1, Ordering::Relaxed);
                        bell.ring();
                    }
                })
            })
            .collect();
        let mut events = Events::default();
        while rung.load(Ordering::Relaxed) < RINGS {
            selector.select(&mut events, Some(SOON)).unwrap();
            assert!(events.rung(), "a ring was lost on {mechanism} at {rung:?}");
        }
        ringers.into_iter().for_each(|ringer| ringer.join().unwrap());
    });
}

#[test]
fn c6_each_ring_is_heard_when_it_is_waited_for() {
    const TURNS: u32 = 20_000;
    on_each(|mechanism| {
        let mut here = selector::<TcpStream>(mechanism);
        let mut there = selector::<TcpStream>(mechanism);
        let (here_bell, there_bell) = (here.bell(), there.bell());
        let answering = std::thread::spawn(move || {
            let mut events = Events::default();
            for _ in 0..TURNS {
                there.select(&mut events, Some(SOON)).unwrap();
                assert!(events.rung());
                here_bell.ring();
            }
        });
        let mut events = Events::default();
        for turn in 0..TURNS {
            there_bell.ring();
            here.select(&mut events, Some(SOON)).unwrap();
            assert!(events.rung(), "ring {turn} was lost on {mechanism}");
        }
        answering.join().unwrap();
    });
}
