//! Streams and listeners for tests, and futures that are given up in their middle.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use switchboard::net::{Listener, Stream, TcpListener, TcpStream};
use switchboard::{Address, EventLoop, timeout};

use super::{DEADLINE, Network};

impl Network {
    /// Runs a future on a new loop, to its end, which comes in time.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let event_loop = self.event_loop();
        let output = block_on(&event_loop, future);
        event_loop.wind_up().unwrap();
        output
    }
}

/// The same on a loop that there is.
pub(crate) fn block_on<F: Future>(event_loop: &EventLoop, future: F) -> F::Output {
    let limited = event_loop.block_on(async { timeout(DEADLINE, future).await });
    limited.unwrap().expect("a test should end in time")
}

/// Two ends of a TCP connection.
pub(crate) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}

/// The same as plain streams.
pub(crate) async fn pair() -> (Stream, Stream) {
    let (near, far) = tcp_pair().await;
    (near.into(), far.into())
}

/// Two ends of a connection on a Unix socket outside the file system.
pub(crate) async fn unix_pair(listener: &Listener) -> (Stream, Stream) {
    let near = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

/// A listener outside the file system, where it is a real one.
pub(crate) async fn unix_listener(name: &str) -> Listener {
    let address: Address = format!("unix:@switchboard-{name}-{}", std::process::id()).parse().unwrap();
    Listener::bind(address).await.unwrap()
}

/// Gives a future up after so many steps; its output, if it was faster. Zero steps never poll it. An odd number ends
/// right after a poll, an even one when it was woken for the next: then what it waited for has come, and is not taken.
pub(crate) async fn given_up<F: Future>(steps: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = steps;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => {
                left -= 1;
                Poll::Pending
            }
        }
    })
    .await
}

/// Does a thing again and again, giving each attempt up one step later than the one before, until it is done.
pub(crate) async fn at_last<T, F: Future<Output = T>>(mut attempt: impl FnMut() -> F) -> T {
    for steps in 0.. {
        if let Some(output) = given_up(steps, attempt()).await {
            return output;
        }
    }
    unreachable!("steps do not run out")
}

/// What a peer that sends so much sends: bytes that tell where they belong.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Receives to the end of a stream.
pub(crate) async fn received(stream: &mut Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let lease = stream.recv().await.unwrap();
        if lease.is_empty() {
            return bytes;
        }
        bytes.extend_from_slice(&lease);
    }
}
