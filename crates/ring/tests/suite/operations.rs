//! Every operation does what it says, and gives back what it was given.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_getfd};
use socket2::{Domain, SockAddr, Socket, Type};
use switchboard_ring::{Outcome, PollEvents, Request, Setup};

use crate::alone::alone;
use crate::common::{SOON, arm, errno, fillable, now, pair, receive, received, ring, shared, soon, tcp_pair};
use crate::reserved::ReservedPort;

#[test]
fn accept_tells_the_peer() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let listener = shared(listener);
    for poll_first in [false, true] {
        let accept = Request::Accept { listener: listener.clone(), multishot: false, poll_first };
        let token = arm(&mut ring, accept);
        let far = TcpStream::connect(to).unwrap();
        let reply = soon(&mut ring);
        assert_eq!(reply.token, token);
        assert!(matches!(reply.request, Some(Request::Accept { .. })));
        let Ok(Outcome::Accepted { descriptor, peer, .. }) = reply.outcome else { panic!("{reply:?}") };
        let peer = peer.unwrap().as_socket().unwrap();
        assert_eq!(peer, far.local_addr().unwrap());
        let socket = Socket::from(descriptor);
        assert!(socket.nonblocking().unwrap());
        assert!(fcntl_getfd(&socket).unwrap().contains(FdFlags::CLOEXEC));
    }
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn a_multishot_accept_goes_on_until_it_is_cancelled() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let listener = shared(listener);
    let token = arm(&mut ring, Request::Accept { listener, multishot: true, poll_first: true });
    for _ in 0..20 {
        let far = TcpStream::connect(to).unwrap();
        let reply = soon(&mut ring);
        assert!(reply.request.is_none() && reply.token == token);
        let Ok(Outcome::Accepted { descriptor, peer: None, .. }) = reply.outcome else { panic!("{reply:?}") };
        let near = TcpStream::from(descriptor);
        assert_eq!(near.peer_addr().unwrap(), far.local_addr().unwrap());
    }
    ring.cancel(token);
    let reply = soon(&mut ring);
    assert_eq!(errno(&reply.outcome), Some(libc::ECANCELED));
    assert!(reply.request.is_some() && !ring.is_in_flight(token));
}

#[test]
fn receive_brings_bytes_in_a_buffer_of_the_group_and_then_the_end() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let (near, mut far) = pair();
    for poll_first in [false, true] {
        ring.provide(vec![0; 8]);
        let request = Request::Receive { stream: near.clone(), multishot: false, poll_first };
        arm(&mut ring, request);
        assert_eq!(ring.provided(), 1);
        far.write_all(b"hello, world").unwrap();
        let reply = soon(&mut ring);
        assert!(reply.request.is_some());
        assert_eq!(received(reply), b"hello, w", "all of the buffer is used");
        assert_eq!(ring.provided(), 0);
        ring.provide(vec![0; 8]);
        ring.push(receive(&near, false));
        assert_eq!(received(soon(&mut ring)), b"orld");
    }
    ring.provide(vec![0; 8]);
    drop(far);
    ring.push(receive(&near, false));
    let reply = soon(&mut ring);
    assert!(matches!(reply.outcome, Ok(Outcome::Received { count: 0, .. })));
    assert_eq!(ring.provided(), 1, "the end of a stream takes no buffer");
    assert_eq!(fillable(&mut ring), 1);
}

#[test]
fn a_multishot_receive_brings_what_comes_until_the_end() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let (near, mut far) = pair();
    (0..4).for_each(|_| ring.provide(vec![0; 64]));
    let token = arm(&mut ring, receive(&near, true));
    for round in 0..20_u8 {
        far.write_all(&[round; 10]).unwrap();
        let reply = soon(&mut ring);
        assert!(reply.request.is_none() && reply.token == token);
        let Ok(Outcome::Received { buffer, count: 10, .. }) = reply.outcome else { panic!("{reply:?}") };
        assert_eq!(buffer[..10], [round; 10]);
        ring.provide(buffer);
    }
    drop(far);
    let reply = soon(&mut ring);
    assert!(reply.request.is_some());
    assert_eq!(received(reply), b"");
    assert_eq!((ring.provided(), ring.in_flight()), (4, 0));
}

#[test]
fn receive_into_fills_the_callers_buffer_and_gives_it_back_when_cancelled() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let (near, mut far) = pair();
    let buffer = vec![7; 100];
    let place = buffer.as_ptr();
    let token = arm(&mut ring, Request::ReceiveInto { stream: near.clone(), buffer });
    let Some(Request::ReceiveInto { buffer, .. }) = ring.request(token) else { panic!("not in flight") };
    assert!(buffer.is_empty(), "what the kernel may write to is not shown");
    far.write_all(b"abc").unwrap();
    let Ok(Outcome::Received { buffer, count: 3, .. }) = soon(&mut ring).outcome else { panic!() };
    assert!(buffer.as_ptr() == place && buffer.len() == 100 && buffer.starts_with(b"abc\x07"));

    let token = arm(&mut ring, Request::ReceiveInto { stream: near, buffer });
    ring.cancel(token);
    let reply = soon(&mut ring);
    assert_eq!(errno(&reply.outcome), Some(libc::ECANCELED));
    let Some(Request::ReceiveInto { buffer, .. }) = reply.request else { panic!("{reply:?}") };
    assert!(buffer.as_ptr() == place && buffer.len() == 100);
}

#[test]
fn send_takes_parts_in_their_order_and_gives_them_back() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let (near, mut far) = tcp_pair();
    let near = shared(near);
    for zero_copy in [false, true] {
        for parts in [vec![b"one".to_vec()], vec![b"one".to_vec(), Vec::new(), b" two".to_vec()]] {
            let expected = parts.concat();
            ring.push(Request::Send { stream: near.clone(), parts: parts.clone(), zero_copy });
            let reply = soon(&mut ring);
            let Ok(Outcome::Sent { count }) = reply.outcome else { panic!("{reply:?}") };
            assert_eq!(count, expected.len());
            let Some(Request::Send { parts: back, .. }) = reply.request else { panic!() };
            assert_eq!(back, parts);
            let mut bytes = vec![0; count];
            far.read_exact(&mut bytes).unwrap();
            assert_eq!(bytes, expected);
        }
    }
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn a_send_of_more_parts_than_the_kernel_takes_sends_the_first() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let (near, _far) = tcp_pair();
    ring.push(Request::Send { stream: shared(near), parts: vec![vec![1; 2]; 3000], zero_copy: false });
    let reply = soon(&mut ring);
    assert!(matches!(reply.outcome, Ok(Outcome::Sent { count: 2048 })), "{reply:?}");
}

#[test]
fn a_send_to_nobody_is_an_error_and_no_signal() {
    alone("operations::a_send_to_nobody_is_an_error_and_no_signal", &[], || {
        let Some(mut ring) = ring(Setup::default()) else { return };
        // Rust ignores the signal by default; a host written in another language may not.
        // SAFETY: the default action needs nothing.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        for parts in [vec![b"x".to_vec()], vec![b"x".to_vec(); 2]] {
            let (near, far) = pair();
            drop(far);
            ring.push(Request::Send { stream: near, parts, zero_copy: false });
            assert_eq!(errno(&soon(&mut ring).outcome), Some(libc::EPIPE));
        }
    });
}

#[test]
fn connect_reaches_a_listener_and_is_refused_without_one() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let port = ReservedPort::new();
    let to = SockAddr::from(port.address());
    let listener = TcpListener::bind(port.address()).unwrap();
    let stream = || shared(Socket::new(Domain::IPV4, Type::STREAM, None).unwrap());
    ring.push(Request::Connect { stream: stream(), to: Box::new(to.clone()) });
    let reply = soon(&mut ring);
    assert!(matches!(reply.outcome, Ok(Outcome::Connected)), "{reply:?}");
    let Some(Request::Connect { stream: near, to: back }) = reply.request else { panic!() };
    assert_eq!(back.as_socket(), to.as_socket());
    listener.accept().unwrap();
    drop((near, listener));
    ring.push(Request::Connect { stream: stream(), to: Box::new(to) });
    assert_eq!(errno(&soon(&mut ring).outcome), Some(libc::ECONNREFUSED));
}

#[test]
fn poll_tells_once_and_multishot_at_every_edge() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let (near, mut far) = pair();
    let poll = |multishot| Request::Poll { descriptor: near.clone(), events: PollEvents::READ, multishot };
    arm(&mut ring, poll(false));
    far.write_all(b"x").unwrap();
    let reply = soon(&mut ring);
    assert!(reply.request.is_some());
    let Ok(Outcome::Ready { events }) = reply.outcome else { panic!("{reply:?}") };
    assert!(events.contains(PollEvents::READ) && !events.contains(PollEvents::WRITE), "{events:?}");

    ring.push(poll(true));
    for _ in 0..3 {
        let reply = soon(&mut ring);
        assert!(reply.request.is_none(), "{reply:?}");
        assert!(now(&mut ring).is_empty(), "told again without an edge");
        far.write_all(b"x").unwrap();
    }
    drop(far);
    let deadline = Instant::now() + SOON;
    loop {
        let Ok(Outcome::Ready { events }) = soon(&mut ring).outcome else { panic!() };
        if events.contains(PollEvents::HANG_UP) {
            break;
        }
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn a_descriptor_stays_open_until_the_final_reply() {
    let Some(mut ring) = ring(Setup::default()) else { return };
    let (near, mut far) = pair();
    let weak = Rc::downgrade(&near.0);
    ring.provide(vec![0; 8]);
    let token = arm(&mut ring, receive(&near, false));
    drop(near);
    assert!(weak.upgrade().is_some());
    ring.cancel(token);
    ring.enter(Some(SOON)).unwrap();
    assert!(weak.upgrade().is_some() && ring.is_in_flight(token), "only the reply ends it");
    drop(ring.reply().unwrap());
    assert!(weak.upgrade().is_none());
    far.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(far.read(&mut [0; 8]).unwrap(), 0, "the peer sees the end");
}
