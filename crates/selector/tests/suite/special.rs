//! Descriptors a mechanism may refuse: files, directories, /dev/null. They are always ready, on each.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use switchboard_selector::{Events, Interest, Mechanism, Mode, Selector, ready};

use crate::common::{SOON, now, on_each, one, selector, soon, tcp_pair};

fn special() -> [(&'static str, OwnedFd); 3] {
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    [("file", file.into()), ("/dev/null", null.into()), ("directory", File::open("/").unwrap().into())]
}

#[test]
fn b14_files_directories_and_dev_null_are_always_ready() {
    on_each(|mechanism| {
        for (name, source) in special() {
            let mut selector = selector(mechanism);
            let key = selector.register(source, Interest::READ, Mode::Level).unwrap();
            for _ in 0..3 {
                let mut events = Events::default();
                selector.select(&mut events, Some(SOON)).unwrap();
                assert_eq!(events.len(), 1, "{name}");
                let event = events.iter().next().unwrap();
                assert!(event.key() == key && event.readable() && !event.writable(), "{name}: {event:?}");
                assert!(!event.read_closed() && !event.error(), "{name}: {event:?}");
            }
            selector.modify(key, Interest::READ | Interest::WRITE, Mode::Level).unwrap();
            let event = one(&mut selector);
            assert!(event.readable() && event.writable(), "{name}: {event:?}");
            selector.modify(key, Interest::PRIORITY, Mode::Level).unwrap();
            assert!(
                mechanism == Mechanism::Select || now(&mut selector).is_empty(),
                "{name} is never urgent"
            );
            selector.modify(key, Interest::NONE, Mode::Level).unwrap();
            assert!(now(&mut selector).is_empty(), "{name}");
            selector.modify(key, Interest::WRITE, Mode::Level).unwrap();
            assert!(one(&mut selector).writable(), "{name}");
            selector.unregister(key).unwrap();
            assert!(now(&mut selector).is_empty(), "{name}");
        }
    });
}

#[test]
fn always_ready_sources_are_reported_once_per_modify_in_the_other_modes() {
    on_each(|mechanism| {
        for (name, source) in special() {
            let mut selector = selector(mechanism);
            let key = selector.register(source, Interest::NONE, Mode::Level).unwrap();
            for mode in [Mode::Oneshot, Mode::Edge].into_iter().filter(|mode| selector_has(mechanism, *mode))
            {
                for _ in 0..2 {
                    selector.modify(key, Interest::READ, mode).unwrap();
                    assert!(one(&mut selector).readable());
                    assert!(now(&mut selector).is_empty(), "{name} in {mode:?}");
                }
            }
            selector.unregister(key).unwrap();
        }
    });
}

fn selector_has(mechanism: Mechanism, mode: Mode) -> bool {
    selector::<OwnedFd>(mechanism).supports(mode)
}

#[test]
fn always_ready_sources_and_others_do_not_starve_each_other() {
    on_each(|mechanism| {
        let mut selector = selector::<OwnedFd>(mechanism);
        let mut keys = HashSet::new();
        for (_, source) in special() {
            keys.insert(selector.register(source, Interest::READ, Mode::Level).unwrap());
        }
        let mut far_ends = Vec::new();
        for _ in 0..3 {
            let (near, far) = ready_pair();
            keys.insert(selector.register(near.into(), Interest::READ, Mode::Level).unwrap());
            far_ends.push(far);
        }
        assert_eq!(soon(&mut selector).iter().map(|event| event.key()).collect::<HashSet<_>>(), keys);
        for capacity in [1, 2, 4] {
            let mut events = Events::with_capacity(capacity);
            let mut reported = HashSet::new();
            for _ in 0..12 {
                selector.select(&mut events, Some(SOON)).unwrap();
                assert!((1..=capacity).contains(&events.len()));
                reported.extend(events.iter().map(|event| event.key()));
            }
            assert_eq!(reported, keys, "with room for {capacity}");
        }
        selector.bell().ring();
        let mut events = Events::default();
        selector.select(&mut events, Some(SOON)).unwrap();
        assert!(events.rung() && events.len() == 6, "{events:?}");
    });
}

/// A pair of which the first has something to read.
fn ready_pair() -> (TcpStream, TcpStream) {
    let (near, mut far) = tcp_pair();
    far.write_all(b"x").unwrap();
    assert_eq!(ready(&near, Interest::READ, Some(SOON)).unwrap(), Interest::READ);
    (near, far)
}

#[test]
fn a_selector_of_files_only_is_still_fair_and_can_be_emptied() {
    on_each(|mechanism| {
        let mut selector = Selector::with(mechanism).unwrap();
        let keys: Vec<_> = special()
            .into_iter()
            .map(|(_, source)| selector.register(source, Interest::READ, Mode::Level).unwrap())
            .collect();
        for key in keys {
            assert!(soon(&mut selector).iter().any(|event| event.key() == key));
            selector.unregister(key).unwrap();
        }
        assert!(now(&mut selector).is_empty());
    });
}
