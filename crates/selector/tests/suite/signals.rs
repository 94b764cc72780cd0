//! Signals: counted exactly, heard through the bell, never ending a wait by themselves.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use switchboard_selector::{Events, Interest, Selector, Signal, ready};

use crate::common::{SOON, on_each, selector, tcp_pair};

fn raise(signal: i32) {
    // SAFETY: a plain call; a handler is installed for the signals used here.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

#[test]
fn f7_ten_thousand_signals_are_counted_exactly() {
    const EACH: u64 = 5_000;
    on_each(|mechanism| {
        let mut selector = selector::<TcpStream>(mechanism);
        let signal = Signal::watch(libc::SIGUSR2, selector.bell()).unwrap();
        let raisers = [(); 2].map(|()| std::thread::spawn(|| (0..EACH).for_each(|_| raise(libc::SIGUSR2))));
        let mut events = Events::default();
        let mut count = 0;
        while count < 2 * EACH {
            selector.select(&mut events, Some(SOON)).unwrap();
            assert!(events.rung(), "only {count} signals were heard of");
            count += signal.take();
        }
        raisers.into_iter().for_each(|raiser| raiser.join().unwrap());
        assert_eq!((count + signal.take(), signal.number()), (2 * EACH, libc::SIGUSR2));
        signal.put_back(3);
        assert_eq!((signal.take(), signal.take()), (3, 0));
    });
}

#[test]
fn a_dropped_signal_counts_no_more_and_others_of_its_number_do() {
    let selector = Selector::<TcpStream>::new().unwrap();
    let [first, second] = [(); 2].map(|()| Signal::watch(libc::SIGWINCH, selector.bell()).unwrap());
    raise(libc::SIGWINCH);
    assert_eq!((first.take(), second.take()), (1, 1));
    drop(first);
    raise(libc::SIGWINCH);
    assert_eq!(second.take(), 1);
}

#[test]
fn signals_that_cannot_be_watched_are_invalid_input() {
    let bell = Selector::<TcpStream>::new().unwrap().bell();
    let faults = [libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGBUS];
    let numbers = [libc::SIGKILL, libc::SIGSTOP, 0, -1, 32, 33, 65, 120, 1000, i32::MAX, i32::MIN];
    for number in numbers.into_iter().chain(faults) {
        let error = Signal::watch(number, bell.clone()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{number}: {error}");
        assert!(error.to_string().contains(&number.to_string()), "{error}");
    }
}

/// Runs `wait` while another thread interrupts this one with SIGUSR1, and says how long it took and how
/// many interruptions there were.
fn interrupted(wait: impl FnOnce()) -> (Duration, u64) {
    // The handler must be somebody's; its bell is not the one of the selector that waits.
    let other = Selector::<TcpStream>::new().unwrap();
    let signal = Signal::watch(libc::SIGUSR1, other.bell()).unwrap();
    // SAFETY: no preconditions.
    let waiting = unsafe { libc::pthread_self() };
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    let interrupting = std::thread::spawn(move || {
        while !told.load(Ordering::SeqCst) {
            // SAFETY: the thread joins this one before it ends.
            unsafe { libc::pthread_kill(waiting, libc::SIGUSR1) };
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let start = Instant::now();
    wait();
    let took = start.elapsed();
    over.store(true, Ordering::SeqCst);
    interrupting.join().unwrap();
    (took, signal.take())
}

#[test]
fn a_signal_does_not_end_a_wait_early() {
    const TIMEOUT: Duration = Duration::from_millis(200);
    on_each(|mechanism| {
        let (near, _far) = tcp_pair();
        let mut selector = selector::<TcpStream>(mechanism);
        let mut events = Events::default();
        let (took, times) = interrupted(|| selector.select(&mut events, Some(TIMEOUT)).unwrap());
        assert!(took >= TIMEOUT && times > 3, "select on {mechanism}: {took:?}, interrupted {times} times");
        assert!(events.is_empty() && !events.rung());
        let (took, times) = interrupted(|| {
            let answer = ready(&near, Interest::READ, Some(TIMEOUT)).unwrap();
            assert!(answer.is_empty());
        });
        assert!(took >= TIMEOUT && times > 3, "ready: {took:?}, interrupted {times} times");
    });
}
