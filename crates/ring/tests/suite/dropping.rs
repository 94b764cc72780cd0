//! A ring dropped in the middle: everything is cancelled, waited for, and given up in that order.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};
use switchboard_ring::{PollEvents, Request, Setup};

use crate::common::{Shared, TestRing, arm, descriptors, pair, receive, ring, shared};
use crate::reserved::ReservedPort;

/// Drops the ring, which must wait for the kernel, but not for its patience to end.
fn drop_promptly(ring: TestRing) {
    let start = Instant::now();
    drop(ring);
    assert!(start.elapsed() < Duration::from_millis(900), "it gave up: {:?}", start.elapsed());
}

#[test]
fn g5_a_ring_dropped_with_receives_that_never_complete_takes_them_back() {
    for multishot in [None, Some(false), Some(true)] {
        let Some(mut ring) = ring(Setup::default()) else { return };
        ring.provide(vec![0; 64]);
        let (near, mut far) = UnixStream::pair().unwrap();
        let mine = near.try_clone().unwrap();
        let near = shared(near);
        let weak = Rc::downgrade(&near.0);
        let request = match multishot {
            None => Request::ReceiveInto { stream: near, buffer: vec![0; 64] },
            Some(multishot) => Request::Receive { stream: near, multishot, poll_first: false },
        };
        arm(&mut ring, request);
        assert!(weak.upgrade().is_some());
        drop_promptly(ring);
        assert!(weak.upgrade().is_none(), "the request was leaked");
        far.write_all(b"mine").unwrap();
        let mut bytes = [0; 4];
        (&mine).read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"mine", "the operation lived on and took the bytes");
    }
}

#[test]
fn g5_a_ring_dropped_with_pending_connects_accepts_and_polls_takes_them_back() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let to: SockAddr = listener.local_addr().unwrap();
    let mut streams = Vec::new();
    // The queue of a listener is soon full; whoever comes then waits.
    for _ in 0..4 {
        let stream = shared(Socket::new(Domain::IPV4, Type::STREAM, None).unwrap());
        streams.push(Rc::downgrade(&stream.0));
        ring.push(Request::Connect { stream, to: Box::new(to.clone()) });
    }
    let (near, _far) = pair();
    streams.push(Rc::downgrade(&near.0));
    for multishot in [false, true] {
        let events = PollEvents::PRIORITY;
        ring.push(Request::Poll { descriptor: near.clone(), events, multishot });
    }
    drop(near);
    let quiet = shared(TcpListener::bind("127.0.0.1:0").unwrap());
    for multishot in [false, true] {
        ring.push(Request::Accept { listener: quiet.clone(), multishot, poll_first: multishot });
    }
    ring.enter(Some(Duration::from_millis(100))).unwrap();
    while ring.reply().is_some() {}
    assert!(ring.in_flight() >= 5, "no connect is pending: only {} operations are", ring.in_flight());
    drop_promptly(ring);
    assert!(streams.iter().all(|stream| stream.upgrade().is_none()));
    assert_eq!(Rc::strong_count(&quiet.0), 1);
}

#[test]
fn e16_a_port_is_free_as_soon_as_the_ring_that_listened_on_it_is_gone() {
    let port = ReservedPort::new();
    let address = port.address();
    for round in 0..100 {
        let Some(mut ring) = ring(Setup { entries: 8, buffers: 1 }) else { return };
        let listener = TcpListener::bind(address).unwrap();
        let multishot = round % 2 == 0;
        arm(&mut ring, Request::Accept { listener: shared(listener), multishot, poll_first: false });
        assert!(TcpListener::bind(address).is_err());
        drop(ring);
        TcpListener::bind(address).expect("the kernel still has the listener");
    }
}

#[test]
fn e16_a_port_is_free_as_soon_as_its_last_reply_is_dropped() {
    let port = ReservedPort::new();
    let address = port.address();
    for round in 0..100 {
        let Some(mut ring) = ring(Setup { entries: 8, buffers: 1 }) else { return };
        let listener = TcpListener::bind(address).unwrap();
        let multishot = round % 2 == 0;
        let accept = Request::Accept { listener: shared(listener), multishot, poll_first: false };
        let token = arm(&mut ring, accept);
        ring.cancel(token);
        drop(crate::common::soon(&mut ring));
        TcpListener::bind(address).expect("the kernel still has the listener");
    }
}

#[test]
fn what_never_left_the_backlog_never_happens() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let (near, mut far) = pair();
    ring.push(Request::Send { stream: near, parts: vec![b"x".to_vec()], zero_copy: false });
    drop_promptly(ring);
    assert_eq!(far.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn g1_no_buffer_is_written_to_after_the_ring_is_gone() {
    const SIZE: usize = 4096;
    for round in 0..200_usize {
        let Some(mut ring) = ring(Setup { entries: 8, buffers: 16 }) else { return };
        (0..16).for_each(|_| ring.provide(vec![0; SIZE]));
        let mut pairs: Vec<_> = (0..16)
            .map(|_| {
                let (near, far) = UnixStream::pair().unwrap();
                let mine = near.try_clone().unwrap();
                (shared(near), mine, far)
            })
            .collect();
        for (place, (near, _, _)) in pairs.iter().enumerate() {
            ring.push(match place % 3 {
                0 => receive(near, false),
                1 => receive(near, true),
                _ => Request::ReceiveInto { stream: near.clone(), buffer: vec![0; SIZE] },
            });
        }
        if round % 4 > 0 {
            ring.enter(Some(Duration::ZERO)).unwrap();
        }
        for (_, _, far) in pairs.iter_mut().skip(round % 5).step_by(5) {
            far.write_all(&[0x55; 100]).unwrap();
        }
        if round % 3 == 0 {
            ring.enter(Some(Duration::ZERO)).unwrap();
        }
        drop_promptly(ring);
        let canaries: Vec<Vec<u8>> = (0..64).map(|_| vec![0xAA; SIZE]).collect();
        for (near, mine, far) in &mut pairs {
            far.write_all(&[0x55; SIZE]).unwrap();
            assert_eq!(Rc::strong_count(&near.0), 1);
            mine.set_nonblocking(true).unwrap();
            let mut bytes = vec![0; 2 * SIZE];
            assert!(mine.read(&mut bytes).unwrap() >= SIZE, "somebody else read it");
        }
        assert!(canaries.iter().flatten().all(|byte| *byte == 0xAA), "written to in round {round}");
    }
}

#[test]
fn a_hundred_rings_leave_no_descriptor_behind() {
    crate::alone::alone("dropping::a_hundred_rings_leave_no_descriptor_behind", &[], || {
        let Some(first) = ring(Setup::default()) else { return };
        drop(first);
        let before = descriptors();
        // More at once than a thread can register.
        let rings: Vec<_> = (0..100).filter_map(|_| ring(Setup { entries: 8, buffers: 8 })).collect();
        let mut served = 0;
        let mut end = |mut ring: TestRing| {
            let (near, mut far): (Shared, UnixStream) = pair();
            far.write_all(b"x").unwrap();
            ring.provide(vec![0; 8]);
            ring.push(receive(&near, false));
            served += usize::from(!crate::common::received(crate::common::soon(&mut ring)).is_empty());
        };
        rings.into_iter().for_each(&mut end);
        (0..100).filter_map(|_| ring(Setup { entries: 8, buffers: 8 })).for_each(&mut end);
        assert_eq!(served, 200);
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn a_panic_in_the_middle_drops_the_ring_like_anybody_else() {
    let (near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let ended = std::panic::catch_unwind(move || {
        let mut ring = ring(Setup::default())?;
        let request = Request::ReceiveInto { stream: shared(near), buffer: vec![0; 64] };
        arm(&mut ring, request);
        std::panic::resume_unwind(Box::new("on purpose"));
        #[expect(unreachable_code, reason = "tells the type")]
        Some(())
    });
    if let Ok(skipped) = ended {
        assert!(skipped.is_none());
        return;
    }
    match (&far).read(&mut [0; 1]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the descriptor is open still"),
        other => panic!("{other:?}"),
    }
}
