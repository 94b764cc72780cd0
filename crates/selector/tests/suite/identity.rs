//! Family A: numbers used again, stale events, duplicates, descriptors closed behind the selector's
//! back.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

use switchboard_selector::{Events, Interest, Mechanism, Mode, ready};

use crate::common::{SOON, now, on_each, on_number, on_own_number, one, selector, soon, soon_with, tcp_pair};

#[test]
fn a1_an_event_fetched_before_unregister_names_nobody_even_if_the_number_is_used_again() {
    on_each(|mechanism| {
        let mut selector = selector::<OwnedFd>(mechanism);
        let (first, mut far_first) = tcp_pair();
        let (second, mut far_second) = tcp_pair();
        let (newcomer, mut far_newcomer) = tcp_pair();
        let second = on_own_number(second);
        let number = second.as_raw_fd();
        let first = selector.register(first.into(), Interest::READ, Mode::Level).unwrap();
        let second = selector.register(second, Interest::READ, Mode::Level).unwrap();
        far_first.write_all(b"x").unwrap();
        far_second.write_all(b"x").unwrap();
        let events = soon_with(&mut selector, |events| events.len() == 2);
        // The first callback closes the second, and opens another on the same number.
        drop(selector.unregister(second).unwrap());
        let newcomer = on_number(newcomer, number);
        assert_eq!(newcomer.as_raw_fd(), number);
        let newcomer = selector.register(newcomer, Interest::READ, Mode::Level).unwrap();
        let late: Vec<_> = events.iter().filter(|event| event.key() != first).collect();
        assert_eq!(late.len(), 1);
        assert_ne!(late[0].key(), newcomer);
        assert!(selector.source(late[0].key()).is_none());
        assert_eq!(one(&mut selector).key(), first, "nothing reached the newcomer");
        // What is meant for the newcomer does.
        selector.unregister(first).unwrap();
        far_newcomer.write_all(b"x").unwrap();
        assert_eq!(one(&mut selector).key(), newcomer);
    });
}

#[test]
fn a2_the_same_place_in_the_table_gives_another_key_each_time() {
    on_each(|mechanism| {
        let mut selector = selector(mechanism);
        let (mut near, _far) = tcp_pair();
        let mut keys = std::collections::HashSet::new();
        for _ in 0..1000 {
            let key = selector.register(near, Interest::WRITE, Mode::Level).unwrap();
            assert!(keys.insert(key), "{key:?} was given twice");
            near = selector.unregister(key).unwrap();
        }
    });
}

/// A source that lies: what it names may be closed by others.
struct Lying(RawFd);

impl AsFd for Lying {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: not kept, deliberately: the tests are about what happens then. The number is no
        // other test's.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

impl Lying {
    fn about(fd: OwnedFd) -> Self {
        Self(fd.into_raw_fd())
    }

    fn close(&self) {
        // SAFETY: `about` gave up the ownership taken back here, once.
        drop(unsafe { OwnedFd::from_raw_fd(self.0) });
    }
}

#[test]
fn a3_a_source_closed_before_unregister_does_not_spin_though_a_duplicate_lives() {
    on_each(|mechanism| {
        let mut selector = selector(mechanism);
        let (near, mut far) = tcp_pair();
        let (other, mut far_other) = tcp_pair();
        let (file, null) = (std::fs::File::open("/").unwrap(), std::fs::File::open("/dev/null").unwrap());
        let lying =
            selector.register(Lying::about(on_own_number(&near)), Interest::READ, Mode::Level).unwrap();
        let honest = Lying::about(on_own_number(&other));
        let honest = selector.register(honest, Interest::READ, Mode::Level).unwrap();
        let spent = Lying::about(on_own_number(&far));
        let spent = selector.register(spent, Interest::WRITE, Mode::Oneshot).unwrap();
        assert_eq!(one(&mut selector).key(), spent);
        selector.register(Lying(file.as_raw_fd()), Interest::READ, Mode::Oneshot).unwrap();
        selector.register(Lying(null.as_raw_fd()), Interest::NONE, Mode::Level).unwrap();
        assert_eq!(soon(&mut selector).len(), 1);
        selector[lying].close();
        far.write_all(b"x").unwrap();
        assert_eq!(ready(&near, Interest::READ, Some(SOON)).unwrap(), Interest::READ);
        selector.unregister(lying).unwrap();

        let used = cpu_time();
        let mut events = Events::default();
        selector.select(&mut events, Some(Duration::from_millis(500))).unwrap();
        assert!(events.is_empty(), "{events:?}");
        let used = cpu_time() - used;
        assert!(used < Duration::from_millis(50), "the wait of 500 ms took {used:?} of CPU on {mechanism}");

        far_other.write_all(b"x").unwrap();
        assert_eq!(
            one(&mut selector).key(),
            honest,
            "the others are watched on; who was silent stays silent"
        );
        selector.modify(spent, Interest::WRITE, Mode::Level).unwrap();
        soon_with(&mut selector, |events| events.iter().any(|event| event.key() == spent));
        for key in [honest, spent] {
            selector.unregister(key).unwrap().close();
        }
    });
}

/// What this thread has used.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

#[test]
fn a_descriptor_closed_behind_our_back_harms_nobody_else() {
    on_each(|mechanism| {
        let mut selector = selector(mechanism);
        let (near, _far) = tcp_pair();
        let (other, mut far_other) = tcp_pair();
        let (near, other) = (on_own_number(near), on_own_number(other));
        let closed = selector.register(Lying::about(near), Interest::READ, Mode::Level).unwrap();
        let honest = selector.register(Lying::about(other), Interest::READ, Mode::Level).unwrap();
        selector[closed].close();
        if matches!(mechanism, Mechanism::Poll | Mechanism::Select) {
            let event = one(&mut selector);
            assert!(event.key() == closed && event.error() && event.readable(), "{event:?}");
        } else {
            assert!(now(&mut selector).is_empty(), "the kernel forgets closed descriptors by itself");
        }
        far_other.write_all(b"x").unwrap();
        soon_with(&mut selector, |events| events.iter().any(|event| event.key() == honest));
        selector.unregister(closed).unwrap();
        assert_eq!(one(&mut selector).key(), honest);
        selector.unregister(honest).unwrap().close();
    });
}

#[test]
fn another_file_under_the_same_number_is_watched_after_modify() {
    on_each(|mechanism| {
        let mut selector = selector(mechanism);
        let (near, _far) = tcp_pair();
        let (other, mut far_other) = tcp_pair();
        let source = on_own_number(near);
        let number = source.as_raw_fd();
        let key = selector.register(Replaceable(Some(source)), Interest::READ, Mode::Level).unwrap();
        selector[key].replace(|| on_number(&other, number));
        assert_eq!(selector[key].as_fd().as_raw_fd(), number);
        selector.modify(key, Interest::READ, Mode::Level).unwrap();
        far_other.write_all(b"x").unwrap();
        let event = one(&mut selector);
        assert!(event.key() == key && event.readable());
        selector.unregister(key).unwrap();
    });
}

/// A source that can close its descriptor and open another.
struct Replaceable(Option<OwnedFd>);

impl Replaceable {
    fn replace(&mut self, open: impl FnOnce() -> OwnedFd) {
        self.0 = None;
        self.0 = Some(open());
    }
}

impl AsFd for Replaceable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_ref().unwrap().as_fd()
    }
}
