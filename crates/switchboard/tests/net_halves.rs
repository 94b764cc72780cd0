//! Halves, homes and ends of streams: what dropping each part of one does, wherever and whenever it is dropped.
#![allow(clippy::disallowed_methods, reason = "threads of tests are not the runtime's")]

mod network;

use std::io;
use std::thread;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use network::streams::{block_on, given_up, pair, received, tcp_pair};
use network::{Network, on_every_engine};
use rustix::fs::{OFlags, fcntl_getfl};
use switchboard::engine::Address;
use switchboard::net::{Listener, Stream, UdpSocket};
use switchboard::{EventLoop, spawn, timeout};

on_every_engine! {
    a_loop_that_is_dropped_drops_those_who_wait_in_it,
    e11_dropping_the_write_half_ends_our_side,
    e11_dropping_the_read_half_tells_the_peer_nothing,
    the_last_half_closes_the_connection,
    halves_of_one_stream_are_reunited_and_of_two_are_not,
    on_another_loop_a_socket_is_a_clear_error,
    on_another_thread_a_socket_is_a_clear_error_and_is_closed_when_dropped,
    a_wait_that_is_polled_on_another_loop_is_a_clear_error,
    what_outlives_its_loop_does_no_harm,
    options_are_those_of_the_system,
    peeking_leaves_the_bytes,
    a_listener_that_leaves_its_loop_listens_on_and_loses_nobody,
}

async fn is_silent(stream: &mut Stream) -> bool {
    timeout(Duration::from_millis(20), stream.recv()).await.is_err()
}

fn e11_dropping_the_write_half_ends_our_side(network: &Network) {
    network.block_on(async {
        let (near, mut far) = pair().await;
        let (mut reader, mut writer) = near.into_split();
        writer.send_all(b"last words").await.unwrap();
        drop(writer);
        assert_eq!(received(&mut far).await, b"last words");
        far.write_all(b"heard").await.unwrap();
        let mut heard = [0; 5];
        reader.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"heard");
    });
}

fn e11_dropping_the_read_half_tells_the_peer_nothing(network: &Network) {
    network.block_on(async {
        let (near, mut far) = pair().await;
        let (reader, mut writer) = near.into_split();
        drop(reader);
        assert!(is_silent(&mut far).await);
        far.write_all(b"to nobody").await.unwrap();
        assert!(is_silent(&mut far).await);
        writer.write_all(b"still here").await.unwrap();
        drop(writer);
        assert_eq!(received(&mut far).await, b"still here");
    });
}

fn the_last_half_closes_the_connection(network: &Network) {
    let event_loop = network.event_loop();
    for reader_first in [true, false] {
        block_on(&event_loop, async {
            let (near, mut far) = pair().await;
            let (reader, writer) = near.into_split();
            if reader_first {
                drop(reader);
                drop(writer);
            } else {
                drop(writer);
                drop(reader);
            }
            assert_eq!(received(&mut far).await, b"");
        });
    }
    event_loop.wind_up().unwrap();
    assert_eq!(event_loop.engine().closing(), 0);
}

fn halves_of_one_stream_are_reunited_and_of_two_are_not(network: &Network) {
    network.block_on(async {
        let ((one, mut far), (other, _other_far)) = (pair().await, pair().await);
        let ((one_reader, one_writer), (other_reader, other_writer)) = (one.into_split(), other.into_split());
        let (one_reader, other_writer) = Stream::reunite(one_reader, other_writer).unwrap_err();
        let mut one = Stream::reunite(one_reader, one_writer).unwrap();
        Stream::reunite(other_reader, other_writer).unwrap();
        one.write_all(b"whole").await.unwrap();
        drop(one);
        assert_eq!(received(&mut far).await, b"whole");
    });
}

/// Tries everything on a stream that belongs elsewhere.
async fn assert_elsewhere(stream: &mut Stream) {
    let clear = |error: io::Error| assert!(error.to_string().contains("outside its event loop"), "{error}");
    clear(stream.recv().await.unwrap_err());
    clear(stream.peek().await.unwrap_err());
    clear(stream.read(&mut [0; 1]).await.unwrap_err());
    clear(stream.send_all(b"x").await.unwrap_err());
    clear(stream.write(b"x").await.unwrap_err());
    clear(stream.write_all(b"x").await.unwrap_err());
    clear(stream.shutdown().await.unwrap_err());
    clear(AsyncReadExt::read(stream, &mut [0; 1]).await.unwrap_err());
    clear(AsyncWriteExt::close(stream).await.unwrap_err());
    clear(stream.local_addr().unwrap_err());
    clear(stream.peer_addr().unwrap_err());
}

fn on_another_loop_a_socket_is_a_clear_error(network: &Network) {
    let (home, other) = (network.event_loop(), network.event_loop());
    let (mut near, mut far, listener, datagrams) = block_on(&home, async {
        let (near, far) = pair().await;
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        (near, far, listener, UdpSocket::bind("127.0.0.1:0").await.unwrap())
    });
    block_on(&other, async {
        // These have the same names there.
        let (mut other_near, mut other_far) = pair().await;
        assert_elsewhere(&mut near).await;
        listener.accept().await.unwrap_err();
        listener.local_addr().unwrap_err();
        datagrams.recv_from(1).await.unwrap_err();
        datagrams.send_to(b"x", "127.0.0.1:1").await.unwrap_err();
        assert!(is_silent(&mut other_far).await);
        other_near.write_all(b"theirs").await.unwrap();
        drop(other_near);
        assert_eq!(received(&mut other_far).await, b"theirs");
    });
    block_on(&home, async {
        near.write_all(b"ours").await.unwrap();
        let mut ours = [0; 4];
        far.read_exact(&mut ours).await.unwrap();
        assert_eq!(&ours, b"ours");
    });
    // Dropped on the other loop, it is closed on its own.
    block_on(&other, async { drop(near) });
    block_on(&home, async { assert_eq!(received(&mut far).await, b"") });
}

fn on_another_thread_a_socket_is_a_clear_error_and_is_closed_when_dropped(network: &Network) {
    let home = network.event_loop();
    let (mut near, mut far) = block_on(&home, pair());
    let there = thread::spawn(move || {
        let other = EventLoop::new().unwrap();
        block_on(&other, async { assert_elsewhere(&mut near).await });
    });
    there.join().unwrap();
    block_on(&home, async { assert_eq!(received(&mut far).await, b"") });
}

fn a_wait_that_is_polled_on_another_loop_is_a_clear_error(network: &Network) {
    let (home, other) = (network.event_loop(), network.event_loop());
    let (mut near, mut far) = block_on(&home, pair());
    {
        let mut receiving = Box::pin(near.recv());
        block_on(&home, async { assert!(given_up(1, &mut receiving).await.is_none()) });
        let error = block_on(&other, &mut receiving).unwrap_err();
        assert!(error.to_string().contains("outside its event loop"), "{error}");
    }
    block_on(&home, async {
        far.write_all(b"not lost").await.unwrap();
        let mut all = [0; 8];
        near.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"not lost");
    });
}

fn a_loop_that_is_dropped_drops_those_who_wait_in_it(network: &Network) {
    let event_loop = network.event_loop();
    let held = std::rc::Rc::new(());
    let _far = block_on(&event_loop, async {
        let (mut sender, far) = pair().await;
        let (mut receiver, other) = pair().await;
        let (mut writer, another) = pair().await;
        let (one, two, three) = (held.clone(), held.clone(), held.clone());
        spawn(async move { (sender.send_all(vec![0; 20 << 20]).await.ok(), one).0 }).detach();
        spawn(async move { (receiver.recv().await.ok().map(drop), two).0 }).detach();
        spawn(async move { (writer.write_all(&vec![0; 20 << 20]).await.ok(), three).0 }).detach();
        switchboard::yield_now().await;
        switchboard::yield_now().await;
        (far, other, another)
    });
    assert_eq!(std::rc::Rc::strong_count(&held), 4);
    drop(event_loop);
    assert_eq!(std::rc::Rc::strong_count(&held), 1);
}

fn what_outlives_its_loop_does_no_harm(network: &Network) {
    let event_loop = network.event_loop();
    let (mut near, far, mut waiting, lease) = block_on(&event_loop, async {
        let (near, mut far) = pair().await;
        far.write_all(b"k").await.unwrap();
        let (mut other, other_far) = pair().await;
        let waiting = Box::pin(async move {
            let _other_far = other_far;
            other.recv().await
        });
        let mut waiting = waiting;
        given_up(1, &mut waiting).await;
        let mut near = near;
        let lease = near.recv().await.unwrap();
        (near, far, waiting, lease)
    });
    drop(event_loop);
    assert_eq!(&*lease, b"k");
    let next = network.event_loop();
    block_on(&next, async {
        assert_elsewhere(&mut near).await;
        assert!(waiting.as_mut().await.is_err());
    });
    drop((near, waiting));
    drop(next);
    drop((far, lease));
}

fn options_are_those_of_the_system(network: &Network) {
    network.block_on(async {
        let (near, far) = tcp_pair().await;
        assert!(!near.nodelay().unwrap());
        near.set_nodelay(true).unwrap();
        assert!(near.nodelay().unwrap() && !far.nodelay().unwrap());
        assert_eq!(near.keepalive().unwrap(), None);
        near.set_keepalive(Some(Duration::from_secs(30))).unwrap();
        assert_eq!(near.keepalive().unwrap(), Some(Duration::from_secs(30)));
        near.set_keepalive(None).unwrap();
        assert_eq!(near.keepalive().unwrap(), None);
        assert_eq!(near.local_addr().unwrap(), far.peer_addr().unwrap());
        assert_eq!(near.peer_addr().unwrap(), far.local_addr().unwrap());
    });
}

/// Looks until this is there: it may come in pieces.
async fn peek_until(stream: &mut Stream, wanted: &[u8]) {
    let mut there = stream.peek().await.unwrap();
    while there.len() < wanted.len() {
        assert!(!there.is_empty() && wanted.starts_with(&there));
        there = stream.peek().await.unwrap();
    }
    assert_eq!(&*there, wanted);
}

fn peeking_leaves_the_bytes(network: &Network) {
    network.block_on(async {
        let (mut near, mut far) = pair().await;
        let sending = spawn(async move {
            far.write_all(b"look").await.unwrap();
            far
        });
        peek_until(&mut near, b"look").await;
        peek_until(&mut near, b"look").await;
        let mut two = [0; 2];
        near.read_exact(&mut two).await.unwrap();
        peek_until(&mut near, b"ok").await;
        near.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"ok");
        drop(sending.await);
        assert!(near.peek().await.unwrap().is_empty());
        assert!(near.recv().await.unwrap().is_empty());
    });
}

fn a_listener_that_leaves_its_loop_listens_on_and_loses_nobody(network: &Network) {
    let event_loop = network.event_loop();
    let listener = block_on(&event_loop, async { Listener::bind("127.0.0.1:0").await.unwrap() });
    let address = block_on(&event_loop, async { listener.local_addr().unwrap() });
    // Somebody wanted a connection, and gave up before there was one.
    block_on(&event_loop, async {
        let given_up = listener.accept();
        assert!(futures_lite::future::poll_once(given_up).await.is_none());
        switchboard::sleep(Duration::from_millis(1)).await;
    });
    let early = network.is_real().then(|| std::net::TcpStream::connect(address.to_string()).unwrap());
    let released = block_on(&event_loop, listener.into_descriptor());
    let Some(early) = early else {
        let error = released.expect_err("what is simulated is no descriptor");
        return assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
    };
    let (listener, accepted) = released.unwrap();
    let accepted: Vec<_> = accepted.into_iter().map(|(_, peer)| peer).collect();
    // What the loop had may end with it.
    drop(event_loop);
    let listener = std::net::TcpListener::from(listener);
    assert!(fcntl_getfl(&listener).unwrap().contains(OFlags::NONBLOCK));
    let peer = match accepted[..] {
        [] => accept(&listener).1,
        [Address::Ip(peer)] => peer,
        _ => panic!("one had come, and there are {accepted:?}"),
    };
    assert_eq!(peer, early.local_addr().unwrap(), "who had come before");
    let late = std::net::TcpStream::connect(address.to_string()).unwrap();
    assert_eq!(accept(&listener).1, late.local_addr().unwrap());
}

/// On a listener in non-blocking mode, on which somebody is about to be.
fn accept(listener: &std::net::TcpListener) -> (std::net::TcpStream, std::net::SocketAddr) {
    let begun = std::time::Instant::now();
    loop {
        match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                assert!(begun.elapsed() < network::DEADLINE, "nobody comes");
                thread::yield_now();
            }
            accepted => return accepted.unwrap(),
        }
    }
}
