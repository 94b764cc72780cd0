//! Completions as some kernels post them and the one this runs on may not.

use std::io;
use std::os::unix::net::UnixStream;

use super::operation::Operation;
use super::{Ring, probe};
use crate::reply::Outcome;
use crate::request::Request;
use crate::setup::Setup;

type TestRing = Ring<UnixStream, Vec<u8>>;

/// A ring whose group has one buffer with the kernel, number 0, and a receive that never reached it.
fn ring_and_receive() -> Option<(TestRing, Operation<UnixStream, Vec<u8>>)> {
    if let Err(error) = probe() {
        let required = std::env::var("SWITCHBOARD_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == "uring"), "uring is required: {error}");
        println!("skipped: {error}");
        return None;
    }
    let mut ring = TestRing::new(Setup { entries: 8, buffers: 2 }).unwrap();
    ring.provide(vec![0; 8]);
    let stream = UnixStream::pair().unwrap().0;
    let request = Request::Receive { stream, multishot: true, poll_first: false };
    let (operation, _) = Operation::begin(request, true, &mut ring.spare);
    Some((ring, operation))
}

const NUMBER_0: u32 = 1;
const MORE: u32 = 2;
const NON_EMPTY: u32 = 4;

#[test]
fn a_buffer_named_by_an_error_or_by_the_end_goes_back() {
    for result in [-libc::ECONNRESET, 0] {
        let Some((mut ring, mut operation)) = ring_and_receive() else { return };
        let outcome = operation.outcome(result, NUMBER_0, &mut ring.group);
        match outcome {
            Ok(Outcome::Received { buffer, count: 0, .. }) => assert!(result == 0 && buffer.is_empty()),
            Err(error) => assert_eq!(error.raw_os_error(), Some(-result)),
            outcome => panic!("{outcome:?}"),
        }
        assert_eq!((ring.provided(), ring.group.described()), (1, 2), "provided once, and once more");
    }
}

#[test]
fn a_buffer_named_with_bytes_is_handed_out_with_the_hint_of_more() {
    let Some((mut ring, mut operation)) = ring_and_receive() else { return };
    let outcome = operation.outcome(3, NUMBER_0 | MORE | NON_EMPTY, &mut ring.group);
    let Ok(Outcome::Received { buffer, count: 3, more: true }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((buffer.len(), ring.provided()), (8, 0));
}

#[test]
fn a_put_off_answer_is_the_one_that_counts() {
    let Some((mut ring, _)) = ring_and_receive() else { return };
    for (first, kind) in [(5, None), (-libc::EPIPE, Some(io::ErrorKind::BrokenPipe))] {
        let stream = UnixStream::pair().unwrap().0;
        let send = Request::Send { stream, parts: vec![vec![0; 5]], zero_copy: true };
        let (mut operation, _) = Operation::begin(send, true, &mut ring.spare);
        assert!(operation.put_off(first));
        let outcome = operation.outcome(0, 0, &mut ring.group);
        assert_eq!(outcome.as_ref().err().map(io::Error::kind), kind);
        assert!(kind.is_some() || matches!(outcome, Ok(Outcome::Sent { count: 5 })));
    }
}

#[test]
fn a_dropped_ring_gives_its_registration_back() {
    let Some((first, _)) = ring_and_receive() else { return };
    let registers = first.queues.is_registered();
    drop(first);
    // More than a thread may have registered.
    for _ in 0..50 {
        let Some((ring, _)) = ring_and_receive() else { return };
        assert_eq!(ring.queues.is_registered(), registers);
    }
}
