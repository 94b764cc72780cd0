//! What the tests of servers share: loops with a deadline, a switch that ends a server, handlers, and clients.
#![allow(dead_code, reason = "each test file uses its part")]

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use switchboard::engine::Address;
use switchboard::net::{Stream, TcpStream};
use switchboard::server::{Client, Receipt, Server};
use switchboard::{EventLoop, sleep, timeout};

use crate::network::Network;

/// Runs a story to its end on a loop of this network.
#[track_caller]
pub(crate) fn tell<T>(network: &Network, story: impl Future<Output = io::Result<T>>) -> T {
    tell_on(&network.event_loop(), story)
}

/// The same, on this loop.
#[track_caller]
pub(crate) fn tell_on<T>(event_loop: &EventLoop, story: impl Future<Output = io::Result<T>>) -> T {
    let told = event_loop.block_on(async { timeout(DEADLINE, story).await }).unwrap();
    told.expect("the story did not end in time").unwrap()
}

/// A server on a free port, and where.
pub(crate) async fn bind() -> io::Result<(Server, SocketAddr)> {
    let server = Server::bind("127.0.0.1:0").await?;
    let address = address_of(&server);
    Ok((server, address))
}

pub(crate) fn address_of(server: &Server) -> SocketAddr {
    match &server.addresses()[0] {
        Address::Ip(address) => *address,
        Address::Unix(_) => panic!("not an IP address"),
    }
}

/// Thrown once, from whatever thread; until then, those who wait for it wait.
#[derive(Clone, Default)]
pub(crate) struct Switch {
    state: Arc<Mutex<(bool, Vec<Waker>)>>,
}

impl Switch {
    pub(crate) fn throw(&self) {
        let wakers = {
            let mut state = self.state.lock().unwrap();
            state.0 = true;
            std::mem::take(&mut state.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_thrown(&self) -> bool {
        self.state.lock().unwrap().0
    }

    /// Waits for it. Nothing is borrowed, so that it can be what ends a server.
    pub(crate) fn thrown(&self) -> impl Future<Output = ()> + use<> {
        let this = self.clone();
        poll_fn(move |cx| {
            let mut state = this.state.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1.retain(|other| !other.will_wake(cx.waker()));
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
    }
}

/// Sends back what it receives.
pub(crate) async fn echo(mut stream: Stream, _: Client) -> io::Result<()> {
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            return Ok(());
        }
        stream.send_all(data).await?;
    }
}

/// The failures that a loop reports from now on.
pub(crate) fn failures(event_loop: &EventLoop) -> Rc<RefCell<Vec<String>>> {
    let failures = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&failures);
    event_loop.on_failure(move |failure| sink.borrow_mut().push(failure.to_string()));
    failures
}

/// `accepted = finished + failed + cancelled`, and each of these.
#[track_caller]
pub(crate) fn assert_ends(receipt: &Receipt, finished: u64, failed: u64, cancelled: u64) {
    let ends = (receipt.finished, receipt.failed, receipt.cancelled);
    assert_eq!(ends, (finished, failed, cancelled), "{receipt}");
    assert_eq!(receipt.accepted, finished + failed + cancelled, "{receipt}");
    assert_eq!(receipt.left.len() as u64, cancelled.min(1000), "{receipt}");
}

/// Waits until something is so, on the loop's own clock.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let looking = async {
        while !so() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, looking).await.unwrap_or_else(|_| panic!("did not come about: {what}"));
}

/// Sends a few bytes and waits until they are back.
pub(crate) async fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).await?;
    assert!(back == bytes, "something else came back");
    Ok(())
}

/// Receives until the end.
pub(crate) async fn recv_to_end(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            return Ok(all);
        }
        all.extend_from_slice(&data);
    }
}

/// A client on a thread, which gives up rather than hang.
pub(crate) fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::spawn(work)
}

/// A connection of the standard library's, with a deadline on what it waits for.
pub(crate) fn connect(address: SocketAddr) -> std::net::TcpStream {
    let stream = std::net::TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends a few bytes and waits until they are back, with a connection of the standard library's.
pub(crate) fn exchange_with(stream: &mut std::net::TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back)?;
    assert!(back == bytes, "something else came back");
    Ok(())
}

/// Bytes that are not easily mistaken for others of the same stream, or for another's.
pub(crate) fn pattern(seed: usize, count: usize) -> Vec<u8> {
    (0..count).map(|at| ((at + seed) * 31 + at / 251 * 7 + at / 65_521 + seed / 256) as u8).collect()
}

/// Random enough to cut streams by; the same each time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 1 to `most`.
    pub(crate) fn roll(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize + 1
    }
}

/// How long anything may take, on any machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The real time.
pub(crate) fn real_now() -> Instant {
    Instant::now()
}
