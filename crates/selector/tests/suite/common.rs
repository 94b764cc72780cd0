//! What the tests share: the loop over mechanisms, connected pairs, and waiting with a deadline.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use switchboard_selector::{Event, Events, Mechanism, Selector};

/// How long a test waits for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Runs `body` on every mechanism; says which were skipped.
pub(crate) fn on_each(body: impl Fn(Mechanism)) {
    let required = std::env::var("SWITCHBOARD_REQUIRE").unwrap_or_default();
    for mechanism in Mechanism::ALL {
        if mechanism.is_available() {
            println!("on {mechanism}");
            body(mechanism);
        } else if required.split(',').any(|name| name == mechanism.name()) {
            panic!("{mechanism} is required (SWITCHBOARD_REQUIRE), and this system lacks it");
        } else {
            println!("skipped on {mechanism}: this system lacks it");
        }
    }
}

/// Two ends of a TCP connection over loopback, both non-blocking.
pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    (near, far)
}

/// A selector of a mechanism.
pub(crate) fn selector<S: AsFd>(mechanism: Mechanism) -> Selector<S> {
    Selector::with(mechanism).unwrap()
}

/// The events of the next select, of which there must be some before the deadline.
pub(crate) fn soon<S: AsFd>(selector: &mut Selector<S>) -> Vec<Event> {
    let mut events = Events::default();
    selector.select(&mut events, Some(SOON)).unwrap();
    assert!(!events.is_empty(), "nothing was ready on {} before the deadline", selector.mechanism());
    events.iter().copied().collect()
}

/// The events of the first select that brings what is `wanted`, before the deadline.
pub(crate) fn soon_with<S: AsFd>(
    selector: &mut Selector<S>,
    wanted: impl Fn(&[Event]) -> bool,
) -> Vec<Event> {
    let start = Instant::now();
    loop {
        let events = soon(selector);
        if wanted(&events) {
            return events;
        }
        assert!(start.elapsed() < SOON, "only {events:?} on {}", selector.mechanism());
    }
}

/// The one event there must be.
pub(crate) fn one<S: AsFd>(selector: &mut Selector<S>) -> Event {
    let events = soon(selector);
    assert_eq!(events.len(), 1, "{events:?}");
    events[0]
}

/// What is ready at this moment.
pub(crate) fn now<S: AsFd>(selector: &mut Selector<S>) -> Vec<Event> {
    let mut events = Events::default();
    selector.select(&mut events, Some(Duration::ZERO)).unwrap();
    events.iter().copied().collect()
}

/// Reads to the end or until it would block.
pub(crate) fn drain(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(bytes),
    }
}

/// Writes until it would block.
pub(crate) fn fill(mut stream: &TcpStream) {
    while stream.write(&[0; 65536]).is_ok() {}
}

/// A duplicate of `fd` on a number that no other test uses, below 1024. Tests that close numbers
/// and expect to get the same again need it, since others open descriptors meanwhile.
pub(crate) fn on_own_number(fd: impl AsFd) -> OwnedFd {
    static NEXT: AtomicI32 = AtomicI32::new(600);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let duplicate = on_number(fd, number);
    assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&duplicate), number);
    duplicate
}

/// A duplicate of `fd` on this number, or the next one free.
pub(crate) fn on_number(fd: impl AsFd, number: RawFd) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(fd, number).unwrap()
}
