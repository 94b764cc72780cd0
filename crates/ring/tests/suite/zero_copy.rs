//! Zero copy: the parts are the network's until it says so, and nobody else's.

use std::cell::Cell;
use std::io::Read;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use switchboard_ring::{Outcome, Request, Ring, Setup};

use crate::alone::alone_and_leaking;
use crate::common::{Shared, is_here, shared, soon};

/// A part that counts how often such parts were dropped.
struct Part {
    bytes: Vec<u8>,
    dropped: Rc<Cell<usize>>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // What is given back too early is overwritten at once.
        self.bytes.fill(0xEE);
        self.dropped.set(self.dropped.get() + 1);
    }
}

/// Much more than the slow peer takes, and less than a send queue holds by default.
const TOTAL: usize = 288 * 1024;

fn pattern() -> Vec<u8> {
    (0..TOTAL).map(|place| (place * 31 + place / 251) as u8).collect()
}

/// A stream whose send queue holds a lot, to a peer that takes little as long as it does not read.
fn slow_pair() -> (Shared, TcpStream) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.set_recv_buffer_size(64 * 1024).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    listener.listen(1).unwrap();
    let near = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    near.set_send_buffer_size(212_992).unwrap();
    near.connect(&listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    (shared(near), TcpStream::from(far))
}

/// A send in flight whose parts the network still needs.
struct Sending {
    ring: Ring<Shared, Part>,
    far: TcpStream,
    dropped: Rc<Cell<usize>>,
}

fn sending(parts: usize) -> Option<Sending> {
    if !is_here() {
        return None;
    }
    let mut ring = Ring::new(Setup::default()).unwrap();
    let (near, far) = slow_pair();
    let dropped = Rc::new(Cell::new(0));
    let part = |bytes: &[u8]| Part { bytes: bytes.to_vec(), dropped: dropped.clone() };
    let parts = pattern().chunks(TOTAL / parts).map(part).collect();
    ring.push(Request::Send { stream: near, parts, zero_copy: true });
    let deadline = Instant::now() + Duration::from_millis(100);
    while Instant::now() < deadline {
        ring.enter(Some(Duration::from_millis(20))).unwrap();
    }
    let sent = ring.counts().completed;
    assert_eq!(sent, 1, "the send itself is over, and the network holds on to the parts");
    Some(Sending { ring, far, dropped })
}

/// Reads all there is to come and compares.
fn compare(far: &mut TcpStream, so_far: &mut Vec<u8>) {
    let start = so_far.len();
    so_far.resize(TOTAL, 0);
    far.read_exact(&mut so_far[start..]).unwrap();
    let first = so_far.iter().zip(&pattern()).position(|(came, sent)| came != sent);
    assert_eq!(first, None, "bytes were changed after they were sent");
}

#[test]
fn g11_a_zero_copy_send_answers_once_when_the_network_is_done_with_the_parts() {
    for parts in [1, 3] {
        let Some(Sending { mut ring, mut far, dropped }) = sending(parts) else { return };
        assert!(ring.reply().is_none() && ring.in_flight() == 1 && dropped.get() == 0);
        let mut bytes = vec![0; 10_000];
        far.read_exact(&mut bytes).unwrap();
        ring.enter(Some(Duration::ZERO)).unwrap();
        assert!(ring.reply().is_none(), "parts were handed out while the peer has most of it to come");

        // The peer reads on until the network needs no more of the parts.
        far.set_nonblocking(true).unwrap();
        let deadline = Instant::now() + crate::common::SOON;
        let reply = loop {
            let mut some = [0; 16 * 1024];
            if let Ok(count) = far.read(&mut some) {
                bytes.extend_from_slice(&some[..count]);
            }
            ring.enter(Some(Duration::from_millis(1))).unwrap();
            if let Some(reply) = ring.reply() {
                break reply;
            }
            assert!(Instant::now() < deadline, "{} of {TOTAL} bytes came", bytes.len());
        };
        far.set_nonblocking(false).unwrap();
        let Ok(Outcome::Sent { count }) = reply.outcome else { panic!("not sent") };
        assert_eq!(count, TOTAL);
        assert!(dropped.get() == 0 && ring.in_flight() == 0);
        drop(reply.request);
        assert_eq!(dropped.get(), parts, "the parts came back with the reply");
        compare(&mut far, &mut bytes);
        assert!(ring.reply().is_none(), "one reply, not two");
    }
}

#[test]
fn a_ring_dropped_while_the_network_needs_the_parts_leaves_them_alone() {
    let name = "zero_copy::a_ring_dropped_while_the_network_needs_the_parts_leaves_them_alone";
    alone_and_leaking(name, || {
        for parts in [1, 3] {
            let Some(Sending { ring, mut far, dropped }) = sending(parts) else { return };
            let start = Instant::now();
            drop(ring);
            let passed = start.elapsed();
            assert!(passed >= Duration::from_millis(900) && passed < Duration::from_secs(5), "{passed:?}");
            assert_eq!(dropped.get(), 0, "parts were freed while the network reads them");
            let mut bytes = Vec::new();
            compare(&mut far, &mut bytes);
            assert_eq!(far.read(&mut [0; 1]).unwrap(), 0, "the descriptor was closed");
        }
    });
}

#[test]
fn a_zero_copy_send_that_fails_answers_at_once() {
    if !is_here() {
        return;
    }
    let mut ring = Ring::<Shared, Vec<u8>>::new(Setup::default()).unwrap();
    let unconnected = shared(Socket::new(Domain::IPV4, Type::STREAM, None).unwrap());
    for parts in [vec![vec![1; 10]], vec![vec![1; 10]; 2]] {
        ring.push(Request::Send { stream: unconnected.clone(), parts, zero_copy: true });
        let reply = soon(&mut ring);
        assert_eq!(crate::common::errno(&reply.outcome), Some(libc::EPIPE));
        let Some(Request::Send { parts, .. }) = reply.request else { panic!("no request") };
        assert!(parts.iter().all(|part| *part == [1; 10]));
    }
    assert_eq!(ring.in_flight(), 0);
}
