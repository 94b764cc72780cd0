//! What the tests share: a ring or a reason why not, connected pairs, and waiting with a deadline.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use switchboard_ring::{Outcome, Reply, Request, Ring, Setup, Token, probe};

/// How long a test waits for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A descriptor that several requests share, as an engine's sources are.
#[derive(Clone, Debug)]
pub(crate) struct Shared(pub(crate) Rc<OwnedFd>);

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

pub(crate) fn shared(descriptor: impl Into<OwnedFd>) -> Shared {
    Shared(Rc::new(descriptor.into()))
}

pub(crate) type TestRing = Ring<Shared, Vec<u8>>;
pub(crate) type TestReply = Reply<Shared, Vec<u8>>;

/// A ring, or `None` with the reason printed.
pub(crate) fn ring(setup: Setup) -> Option<TestRing> {
    is_here().then(|| Ring::new(setup).unwrap())
}

/// Whether io_uring works here. Says so if not.
pub(crate) fn is_here() -> bool {
    let answer = probe();
    if let Err(error) = &answer {
        let required = std::env::var("SWITCHBOARD_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == "uring"), "uring is required: {error}");
        println!("skipped: {error}");
    }
    answer.is_ok()
}

/// The next reply, which there must be before the deadline.
pub(crate) fn soon<D: AsFd + 'static, B: AsRef<[u8]> + 'static>(ring: &mut Ring<D, B>) -> Reply<D, B> {
    if let Some(reply) = ring.reply() {
        return reply;
    }
    let start = Instant::now();
    ring.enter(Some(SOON)).unwrap();
    ring.reply().unwrap_or_else(|| panic!("no reply within {:?}", start.elapsed()))
}

/// All the replies there are now.
pub(crate) fn now(ring: &mut TestRing) -> Vec<TestReply> {
    ring.enter(Some(Duration::ZERO)).unwrap();
    std::iter::from_fn(|| ring.reply()).collect()
}

/// Receives bytes, or says what came instead.
pub(crate) fn received(reply: TestReply) -> Vec<u8> {
    match reply.outcome {
        Ok(Outcome::Received { mut buffer, count, .. }) => {
            buffer.truncate(count);
            buffer
        }
        outcome => panic!("{outcome:?}"),
    }
}

/// The error number of a reply that is one.
pub(crate) fn errno(outcome: &io::Result<Outcome>) -> Option<i32> {
    outcome.as_ref().err().and_then(io::Error::raw_os_error)
}

pub(crate) fn receive(stream: &Shared, multishot: bool) -> Request<Shared, Vec<u8>> {
    Request::Receive { stream: stream.clone(), multishot, poll_first: false }
}

/// Pushes a receive that nothing is there for, and makes sure that the kernel has it.
pub(crate) fn arm(ring: &mut TestRing, request: Request<Shared, Vec<u8>>) -> Token {
    let token = ring.push(request);
    let replies = now(ring);
    assert!(replies.is_empty(), "it is over at once: {replies:?}");
    assert!(ring.is_in_flight(token));
    token
}

/// Both ends of a connection over loopback.
pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    (near, far)
}

/// A stream for the ring, and its peer.
pub(crate) fn pair() -> (Shared, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    far.set_read_timeout(Some(SOON)).unwrap();
    (shared(near), far)
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How many buffers the kernel can really fill: those it is out of are missed only when they are needed.
pub(crate) fn fillable(ring: &mut TestRing) -> usize {
    let (near, mut far) = pair();
    let mut buffers = Vec::new();
    loop {
        far.write_all(b"x").unwrap();
        ring.push(receive(&near, false));
        match soon(ring).outcome {
            Ok(Outcome::Received { buffer, .. }) => buffers.push(buffer),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => break,
            outcome => panic!("{outcome:?}"),
        }
    }
    let count = buffers.len();
    buffers.into_iter().for_each(|buffer| ring.provide(buffer));
    count
}
