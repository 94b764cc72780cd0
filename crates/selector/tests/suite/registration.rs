//! Coming in, changing, going out: keys, errors, and what comes back with them.

use std::cell::Cell;
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use switchboard_selector::{Bell, Events, Interest, Key, Mechanism, Mode, Rejected, Selector};

use crate::common::{now, on_each, on_number, one, selector, soon_with, tcp_pair};

#[test]
fn new_takes_the_best_mechanism_there_is() {
    let best = Mechanism::available().next().unwrap();
    assert_eq!(Selector::<TcpStream>::new().unwrap().mechanism(), best);
}

#[test]
fn mechanisms_are_named_and_parsed() {
    for mechanism in Mechanism::ALL {
        assert_eq!(mechanism.to_string().parse::<Mechanism>().unwrap(), mechanism);
    }
    let error = "iocp".parse::<Mechanism>().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("kqueue, epoll, devpoll, poll, select"), "{error}");
}

#[test]
fn a_mechanism_the_system_lacks_is_a_clear_error() {
    let error = Selector::<TcpStream>::with(Mechanism::DevPoll).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("devpoll"), "{error}");
}

#[test]
fn selectors_move_between_threads_and_bells_are_shared() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<Selector<TcpStream>>();
    send::<Bell>();
    sync::<Bell>();
    send::<Rejected<TcpStream>>();
}

#[test]
fn b15_registering_twice_is_already_exists_and_the_source_comes_back() {
    on_each(|mechanism| {
        let (near, mut far) = tcp_pair();
        let mut selector = selector::<BorrowedFd<'_>>(mechanism);
        let key = selector.register(near.as_fd(), Interest::NONE, Mode::Level).unwrap();
        for interest in [Interest::NONE, Interest::READ] {
            let rejected = selector.register(near.as_fd(), interest, Mode::Level).unwrap_err();
            assert_eq!(rejected.error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(rejected.source.as_raw_fd(), near.as_raw_fd());
        }
        selector.modify(key, Interest::READ, Mode::Level).unwrap();
        assert!(selector.register(near.as_fd(), Interest::WRITE, Mode::Level).is_err());
        far.write_all(b"x").unwrap();
        let event = one(&mut selector);
        assert!(event.readable() && !event.writable(), "the second attempt changed the first: {event:?}");
        selector.unregister(key).unwrap();
        selector.register(near.as_fd(), Interest::READ, Mode::Level).unwrap();
    });
}

#[test]
fn unknown_and_stale_keys_are_not_found() {
    on_each(|mechanism| {
        let (near, _far) = tcp_pair();
        let mut selector = selector(mechanism);
        let key = selector.register(near, Interest::READ, Mode::Level).unwrap();
        let near = selector.unregister(key).unwrap();
        let newcomer = selector.register(near, Interest::READ, Mode::Level).unwrap();
        assert_ne!(key, newcomer);
        for stranger in [key, Key::default()] {
            assert!(selector.source(stranger).is_none() && selector.source_mut(stranger).is_none());
            let error = selector.modify(stranger, Interest::WRITE, Mode::Level).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert_eq!(selector.unregister(stranger).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
        assert_eq!(selector.len(), 1);
    });
}

#[test]
fn sources_are_kept_found_and_given_back() {
    on_each(|mechanism| {
        let (near, far) = tcp_pair();
        let names = [near.as_raw_fd(), far.as_raw_fd()];
        let mut selector = selector(mechanism);
        assert!(selector.is_empty());
        let keys = [near, far].map(|end| selector.register(end, Interest::READ, Mode::Level).unwrap());
        assert_eq!(selector.len(), 2);
        for (key, source) in selector.iter() {
            assert_eq!(source.as_raw_fd(), selector[key].as_raw_fd());
        }
        for (key, name) in keys.into_iter().zip(names) {
            assert_eq!(selector.source(key).unwrap().as_raw_fd(), name);
            assert_eq!(selector.unregister(key).unwrap().as_raw_fd(), name);
        }
        assert!(selector.is_empty() && now(&mut selector).is_empty());
    });
}

#[test]
#[should_panic(expected = "invalid SlotMap key")]
fn indexing_with_an_unknown_key_panics_like_a_vec() {
    let _ = &Selector::<TcpStream>::new().unwrap()[Key::default()];
}

#[test]
fn an_edge_where_there_is_none_is_unsupported() {
    on_each(|mechanism| {
        let (near, _far) = tcp_pair();
        let mut selector = selector(mechanism);
        assert!(selector.supports(Mode::Level) && selector.supports(Mode::Oneshot));
        assert_eq!(selector.supports(Mode::Edge), matches!(mechanism, Mechanism::Epoll | Mechanism::Kqueue));
        if selector.supports(Mode::Edge) {
            return;
        }
        let rejected = selector.register(near, Interest::WRITE, Mode::Edge).unwrap_err();
        assert_eq!(rejected.error.kind(), io::ErrorKind::Unsupported);
        assert!(rejected.to_string().contains(mechanism.name()), "{rejected}");
        let key = selector.register(rejected.source, Interest::WRITE, Mode::Level).unwrap();
        let error = selector.modify(key, Interest::READ, Mode::Edge).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(one(&mut selector).writable(), "nothing was to change");
    });
}

#[test]
fn only_select_refuses_descriptors_from_1024_on() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    assert!(limit.current.is_none_or(|soft| soft > 1600), "this test needs `ulimit -n 1601`");
    on_each(|mechanism| {
        let (near, mut far) = tcp_pair();
        let high = on_number(&near, 1500);
        let number = high.as_raw_fd();
        let mut selector = selector::<OwnedFd>(mechanism);
        let low = selector.register(near.into(), Interest::READ, Mode::Level).unwrap();
        let answer = selector.register(high, Interest::READ, Mode::Level);
        far.write_all(b"x").unwrap();
        if mechanism != Mechanism::Select {
            answer.unwrap();
            soon_with(&mut selector, |events| events.len() == 2);
            return;
        }
        let rejected = answer.unwrap_err();
        assert_eq!(rejected.error.kind(), io::ErrorKind::InvalidInput);
        let text = rejected.to_string();
        assert!(
            text.contains(&number.to_string()) && text.contains("1024") && text.contains("poll"),
            "{text}"
        );
        assert_eq!(rejected.source.as_raw_fd(), number);
        assert_eq!(one(&mut selector).key(), low, "the others are unharmed");
        // Kept for nothing it is fine; armed it is refused, and stays.
        let key = selector.register(rejected.source, Interest::NONE, Mode::Level).unwrap();
        assert!(selector.modify(key, Interest::READ, Mode::Level).is_err());
        assert_eq!(one(&mut selector).key(), low);
        selector.unregister(key).unwrap();
    });
}

/// A source whose descriptor can be exchanged.
struct Changing {
    ends: [TcpStream; 2],
    current: Cell<usize>,
}

impl AsFd for Changing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ends[self.current.get()].as_fd()
    }
}

#[test]
fn a_source_whose_descriptor_changed_is_an_error_that_can_be_mended() {
    on_each(|mechanism| {
        let (near, far) = tcp_pair();
        let (_other_near, other_far) = tcp_pair();
        let source = Changing { ends: [near, other_far], current: Cell::new(0) };
        let mut selector = selector(mechanism);
        let key = selector.register(source, Interest::READ, Mode::Level).unwrap();
        selector[key].current.set(1);
        let error = selector.modify(key, Interest::WRITE, Mode::Level).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = selector.unregister(key).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(selector.len(), 1);
        (&far).write_all(b"x").unwrap();
        let event = one(&mut selector);
        assert!(event.readable() && !event.writable(), "something was changed: {event:?}");
        selector.source_mut(key).unwrap().current.set(0);
        selector.modify(key, Interest::WRITE, Mode::Level).unwrap();
        assert!(one(&mut selector).writable());
        selector.unregister(key).unwrap();
        assert!(now(&mut selector).is_empty());
    });
}

#[test]
fn nothing_is_ready_and_the_buffer_is_emptied() {
    on_each(|mechanism| {
        let (near, mut far) = tcp_pair();
        let mut selector = selector(mechanism);
        selector.register(near, Interest::READ, Mode::Oneshot).unwrap();
        far.write_all(b"x").unwrap();
        let mut events = Events::with_capacity(4);
        selector.select(&mut events, Some(crate::common::SOON)).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events.iter().count(), (&events).into_iter().count());
        selector.select(&mut events, Some(std::time::Duration::ZERO)).unwrap();
        assert!(events.is_empty());
    });
}

#[test]
fn a_number_that_no_descriptor_has_is_invalid_input() {
    on_each(|mechanism| {
        // SAFETY: never open; only looked up.
        let absurd = unsafe { BorrowedFd::borrow_raw(i32::MAX) };
        // The working directory, as the *at calls name it: -100.
        for fd in [absurd, rustix::fs::CWD] {
            let mut selector = selector(mechanism);
            for interest in [Interest::NONE, Interest::READ] {
                let rejected = selector.register(fd, interest, Mode::Level).unwrap_err();
                assert_eq!(rejected.error.kind(), io::ErrorKind::InvalidInput, "{rejected}");
                assert!(rejected.to_string().contains(&fd.as_raw_fd().to_string()), "{rejected}");
            }
        }
    });
}

#[test]
fn all_sources_can_be_changed_in_place() {
    struct Counted(TcpStream, usize);
    impl AsFd for Counted {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }
    on_each(|mechanism| {
        let ((one, _far), (other, _other_far)) = (tcp_pair(), tcp_pair());
        let mut selector = selector(mechanism);
        let keys = [one, other]
            .map(|near| selector.register(Counted(near, 0), Interest::READ, Mode::Level).unwrap());
        selector.iter_mut().for_each(|(_, source)| source.1 += 1);
        let mut seen: Vec<_> = selector.iter_mut().map(|(key, _)| key).collect();
        seen.sort();
        assert!(seen == keys && keys.iter().all(|key| selector[*key].1 == 1));
    });
}
