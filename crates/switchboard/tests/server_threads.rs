//! A server on several threads: connections are dealt out in turn, and none is lost on the way.
#![allow(clippy::disallowed_methods, reason = "clients are threads with real sockets")]

mod network;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;
use std::{io, rc::Rc};

use switchboard::net::{Address, Stream};
use switchboard::server::{Client, Receipt, Server};

type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

/// Echoes, and counts on which thread.
async fn echo(counts: &Counts, mut stream: Stream) -> io::Result<()> {
    let thread: ThreadId = thread::current().id();
    *counts.lock().unwrap().entry(format!("{thread:?}")).or_default() += 1;
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            return Ok(());
        }
        stream.send_all(data).await?;
    }
}

fn exchange(address: SocketAddr, bytes: usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let sent: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
    let mut writer = stream.try_clone().unwrap();
    let copy = sent.clone();
    let sending = thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    sending.join().unwrap();
    assert!(received == sent);
}

/// Serves on so many threads, until `clients` returns.
fn serve(
    network: &network::Network,
    threads: usize,
    limit: usize,
    clients: impl FnOnce(SocketAddr) + Send + 'static,
) -> (io::Result<Receipt>, Counts) {
    let event_loop = network.event_loop();
    let counts = Counts::default();
    let seen = Arc::clone(&counts);
    let ended = event_loop.block_on(async move {
        let server = Server::bind("127.0.0.1:0").await?.limit(limit).grace(Duration::from_secs(5));
        let Address::Ip(address) = server.addresses()[0].clone() else { panic!("no IP address") };
        let done = switchboard::spawn_blocking(move || clients(address));
        server
            .until(done)
            .serve_threads(threads, move || {
                let counts = Arc::clone(&seen);
                async move |stream: Stream, _: Client| echo(&counts, stream).await
            })
            .await
    });
    (ended.unwrap(), counts)
}

#[test]
fn connections_are_dealt_out_in_turn_and_all_are_served() {
    for network in network::real() {
        let (receipt, counts) = serve(&network, 3, usize::MAX, |address| {
            let clients: Vec<_> =
                (0..30).map(|_| thread::spawn(move || exchange(address, 100_000))).collect();
            clients.into_iter().for_each(|client| client.join().unwrap());
        });
        let receipt = receipt.unwrap();
        let counts: Vec<_> = counts.lock().unwrap().values().copied().collect();
        assert_eq!(counts, [10, 10, 10], "{}", network.name());
        assert_eq!((receipt.accepted, receipt.finished, receipt.failed), (30, 30, 0));
        assert_eq!((receipt.received, receipt.sent), (3_000_000, 3_000_000));
    }
}

#[test]
fn the_limit_is_one_for_all_threads() {
    for network in network::real() {
        let (receipt, _) = serve(&network, 3, 2, |address| {
            let clients: Vec<_> = (0..20).map(|_| thread::spawn(move || exchange(address, 10_000))).collect();
            clients.into_iter().for_each(|client| client.join().unwrap());
        });
        let receipt = receipt.unwrap();
        assert_eq!((receipt.accepted, receipt.finished), (20, 20));
        assert!(receipt.most_at_once <= 2, "{receipt}");
    }
}

#[test]
fn those_who_are_being_served_when_it_ends_are_served_to_their_end() {
    for network in network::real() {
        let (tell, told) = std::sync::mpsc::channel();
        let (receipt, _) = serve(&network, 3, usize::MAX, move |address| {
            let mut streams: Vec<_> = (0..9).map(|_| TcpStream::connect(address).unwrap()).collect();
            for stream in &mut streams {
                stream.write_all(b"begun ").unwrap();
                stream.read_exact(&mut [0; 6]).unwrap();
            }
            tell.send(thread::spawn(move || {
                // The server drains when this function has returned.
                for mut stream in streams {
                    stream.write_all(b"and ended").unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                    let mut received = String::new();
                    stream.read_to_string(&mut received).unwrap();
                    assert_eq!(received, "and ended");
                }
            }))
            .unwrap();
        });
        told.recv().unwrap().join().unwrap();
        let receipt = receipt.unwrap();
        assert_eq!((receipt.accepted, receipt.finished, receipt.cancelled), (9, 9, 0), "{receipt}");
    }
}

#[test]
fn a_failure_on_any_thread_is_told_to_the_handler_of_the_loop_that_accepts() {
    for network in network::real() {
        let event_loop = network.event_loop();
        let failures = Rc::new(Cell::new(0));
        let counter = Rc::clone(&failures);
        event_loop.on_failure(move |_| counter.set(counter.get() + 1));
        let ended = event_loop.block_on(async {
            let server = Server::bind("127.0.0.1:0").await?;
            let Address::Ip(address) = server.addresses()[0].clone() else { panic!("no IP address") };
            let clients = switchboard::spawn_blocking(move || {
                for _ in 0..6 {
                    let mut stream = TcpStream::connect(address).unwrap();
                    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
                }
            });
            let failing = || async |_: Stream, _: Client| Err::<(), _>("on purpose");
            server.until(clients).serve_threads(3, failing).await
        });
        let receipt = ended.unwrap().unwrap();
        assert_eq!((receipt.accepted, receipt.failed), (6, 6));
        // Word of the last ones may be on its way.
        event_loop.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(failures.get(), 6);
    }
}

/// A failure that is on its way between the threads when the loop ends is told all the same.
#[test]
fn a_failure_on_another_thread_is_told_although_no_pass_follows() {
    for network in network::real() {
        let event_loop = network.event_loop();
        let failures = Rc::new(Cell::new(0));
        let counter = Rc::clone(&failures);
        event_loop.on_failure(move |_| counter.set(counter.get() + 1));
        let begun = Arc::new(AtomicUsize::new(0));
        let ended = event_loop.block_on(async {
            let server = Server::bind("127.0.0.1:0").await?;
            let Address::Ip(address) = server.addresses()[0].clone() else { panic!("no IP address") };
            let count = Arc::clone(&begun);
            let _serving = switchboard::spawn(server.serve_threads(2, move || {
                let count = Arc::clone(&count);
                async move |mut stream: Stream, _: Client| {
                    count.fetch_add(1, Ordering::Relaxed);
                    while let Ok(data) = stream.recv().await
                        && &*data != b"!"
                    // one byte comes in one piece
                    {
                        stream.send_all(data).await.unwrap();
                    }
                    Err::<(), _>("on purpose")
                }
            }));
            let mut clients: Vec<_> = (0..4).map(|_| TcpStream::connect(address).unwrap()).collect();
            clients.iter().for_each(|client| client.set_read_timeout(Some(network::DEADLINE)).unwrap());
            while begun.load(Ordering::Relaxed) < 4 {
                switchboard::sleep(Duration::from_millis(1)).await;
            }
            // The second and the fourth are with the other thread; this one does nothing from here on.
            clients[1].write_all(b"!").unwrap();
            assert_eq!(clients[1].read(&mut [0; 1]).unwrap(), 0);
            clients[3].write_all(b"after that").unwrap();
            clients[3].read_exact(&mut [0; 10]).unwrap();
            io::Result::Ok(())
        });
        ended.unwrap().unwrap();
        drop(event_loop);
        assert_eq!(failures.get(), 1, "{}", network.name());
    }
}

/// A connection dealt to a thread that never begins would never be served, and the drain would never end.
#[test]
fn threads_that_cannot_begin_are_a_clear_error() {
    let event_loop = network::Network::POLL.event_loop();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let ended = event_loop.block_on(async {
        // As many as there are helpers.
        let busy = (0..64).map(|_| {
            let released = Arc::clone(&released);
            switchboard::spawn_blocking(move || released.lock().unwrap().recv().is_ok())
        });
        let _busy: Vec<_> = busy.collect();
        switchboard::yield_now().await;
        let server = Server::bind("127.0.0.1:0").await?.until(async {});
        let serving = server.serve_threads(2, || async |_: Stream, _: Client| {});
        let error = switchboard::timeout(network::DEADLINE, serving).await?.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy, "{error}");
        io::Result::Ok(())
    });
    drop(release);
    ended.unwrap().unwrap();
}

#[test]
fn what_makes_no_sense_is_a_clear_error() {
    for (threads, kind) in [(0, io::ErrorKind::InvalidInput), (49, io::ErrorKind::InvalidInput)] {
        let (receipt, _) = serve(&network::Network::POLL, threads, usize::MAX, |_| {});
        assert_eq!(receipt.unwrap_err().kind(), kind);
    }
    let (receipt, _) = serve(&network::Network::SIM, 2, usize::MAX, |_| {});
    assert_eq!(receipt.unwrap_err().kind(), io::ErrorKind::Unsupported);
}
