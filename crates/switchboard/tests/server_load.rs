//! Servers under load, with clients on threads: nothing is lost at the end of a connection, or of the server.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock and threads")]

mod network;
mod service;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use network::Network;
use service::{
    DEADLINE, Dice, Switch, assert_ends, beside, bind, connect, echo, failures, pattern, real_now, tell,
    tell_on,
};
use switchboard::net::Stream;
use switchboard::server::{Client, Receipt, Server, Why};
use switchboard::{sleep, timeout};

/// One test on each real engine, each by its own name.
macro_rules! on_real_engines {
    ($($body:ident),* $(,)?) => {
        mod epoll { $(#[test] fn $body() { super::Network::EPOLL.run_test(super::$body); })* }
        mod poll { $(#[test] fn $body() { super::Network::POLL.run_test(super::$body); })* }
        mod select { $(#[test] fn $body() { super::Network::SELECT.run_test(super::$body); })* }
    };
}

on_real_engines! {
    e8_a_greeting_arrives_whole_although_the_client_sent_what_nobody_read,
    e8_a_greeting_arrives_whole_during_the_drain,
    a_drain_under_load_loses_no_byte_that_a_handler_received,
    c11_a_flood_leaves_others_their_turn,
}

/// One test at a time: each fills the machine alone, and says how long something may take then.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends 100 KB that nobody reads, and receives to the end: the greeting, or what came instead.
fn be_greeted(address: SocketAddr, greeting: &[u8]) -> Result<(), String> {
    let mut stream = connect(address);
    let mut writer = stream.try_clone().unwrap();
    let sending = beside(move || {
        // When the server has gone, it is too late for the rest, and no matter.
        drop(writer.write_all(&[b'x'; 100_000]));
    });
    let mut received = Vec::with_capacity(greeting.len());
    let read = stream.read_to_end(&mut received);
    sending.join().unwrap();
    match read {
        Ok(_) if received == greeting => Ok(()),
        outcome => Err(format!("{outcome:?} after {} bytes", received.len())),
    }
}

/// That many clients, so many at a time.
fn be_greeted_by_many(
    address: SocketAddr,
    clients: usize,
    at_once: usize,
    greeting: &Arc<Vec<u8>>,
) -> Vec<String> {
    let next = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..at_once)
        .map(|_| {
            let (next, greeting) = (Arc::clone(&next), Arc::clone(greeting));
            beside(move || {
                let mut failures = Vec::new();
                while next.fetch_add(1, Ordering::Relaxed) < clients {
                    failures.extend(be_greeted(address, &greeting).err());
                }
                failures
            })
        })
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
}

fn e8_a_greeting_arrives_whole_although_the_client_sent_what_nobody_read(network: &Network) {
    let _alone = alone();
    let greeting = Arc::new(pattern(7, 1 << 20));
    let begun = real_now();
    let receipt = tell(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let (end, expected) = (over.clone(), Arc::clone(&greeting));
        let clients = beside(move || {
            let failures = be_greeted_by_many(address, 1_000, 8, &expected);
            end.throw();
            failures
        });
        let sent = Arc::clone(&greeting);
        let handler = async move |mut stream: Stream, _: Client| stream.write_all(&sent).await;
        let receipt = server.until(over.thrown()).serve(handler).await?;
        let failures = clients.join().unwrap();
        assert!(failures.is_empty(), "{} of 1,000 were cut short, such as: {}", failures.len(), failures[0]);
        Ok(receipt)
    });
    assert_ends(&receipt, 1_000, 0, 0);
    assert_eq!(receipt.sent, 1_000 << 20);
    println!("{}: 1,000 greetings in {:?}", network.name(), begun.elapsed());
}

fn e8_a_greeting_arrives_whole_during_the_drain(network: &Network) {
    let _alone = alone();
    let greeting = Arc::new(pattern(7, 1 << 20));
    let receipt = tell(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let (expected, waiting, now) = (Arc::clone(&greeting), Arc::new(AtomicUsize::new(0)), over.clone());
        let seen = Arc::clone(&waiting);
        let clients = beside(move || be_greeted_by_many(address, 50, 50, &expected));
        // All of them have come, and sent what nobody reads, when the server is told to end.
        let all_here = beside(move || {
            let begun = real_now();
            while seen.load(Ordering::Relaxed) < 50 && begun.elapsed() < DEADLINE {
                std::thread::yield_now();
            }
            now.throw();
        });
        let sent = Arc::clone(&greeting);
        let handler = async move |mut stream: Stream, client: Client| {
            waiting.fetch_add(1, Ordering::Relaxed);
            client.draining().await;
            stream.write_all(&sent).await
        };
        let receipt = server.until(over.thrown()).serve(handler).await?;
        all_here.join().unwrap();
        let failures = clients.join().unwrap();
        assert!(failures.is_empty(), "{} of 50 were cut short, such as: {}", failures.len(), failures[0]);
        Ok(receipt)
    });
    assert_ends(&receipt, 50, 0, 0);
}

/// What a client saw of its conversation with an echo: bytes that came back, up to the end.
fn converse_until_the_end(address: SocketAddr, seed: usize) -> u64 {
    let mut stream = connect(address);
    let mut dice = Dice::new(seed as u64 + 1);
    let (mut sent, mut received) = (0, 0);
    loop {
        // Several messages on their way at once, and never more than fit the buffers.
        let message = pattern(seed + sent, dice.roll(20_000));
        let is_sent = stream.write_all(&message).is_ok();
        sent += message.len();
        let mut piece = [0; 30_000];
        let room = dice.roll(piece.len());
        match stream.read(&mut piece[..room]) {
            Ok(0) => return received,
            Ok(count) => received += count as u64,
            Err(error) => panic!("client {seed}: {error} after {received} of {sent} bytes"),
        }
        while !is_sent || sent as u64 - received > 60_000 {
            match stream.read(&mut piece) {
                Ok(0) => return received,
                Ok(count) => received += count as u64,
                Err(error) => panic!("client {seed}: {error} after {received} of {sent} bytes"),
            }
        }
    }
}

/// Most end when they are told the end; some call it a failure, and some wait for ever.
async fn end_in_three_ways(stream: Stream, client: Client, turn: usize) -> io::Result<()> {
    echo(stream, client).await?;
    match turn % 10 {
        0 => Err(io::Error::other("this one never ends well")),
        1 => std::future::pending().await,
        _ => Ok(()),
    }
}

fn a_drain_under_load_loses_no_byte_that_a_handler_received(network: &Network) {
    let _alone = alone();
    let grace = Duration::from_millis(150);
    let event_loop = network.event_loop();
    let failures = failures(&event_loop);
    let (receipt, came_back, took) = tell_on(&event_loop, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let server = server.grace(grace).until(over.thrown());
        let clients: Vec<_> =
            (0..50).map(|seed| beside(move || converse_until_the_end(address, seed))).collect();
        let turn = Arc::new(AtomicUsize::new(0));
        let come = Arc::clone(&turn);
        let drained = Arc::new(Mutex::new(None));
        let begun = Arc::clone(&drained);
        switchboard::spawn(async move {
            service::until("fifty clients", || come.load(Ordering::Relaxed) == 50).await;
            sleep(Duration::from_millis(200)).await;
            *begun.lock().unwrap() = Some(real_now());
            over.throw();
        })
        .detach();
        let handler = async move |stream: Stream, client: Client| {
            end_in_three_ways(stream, client, turn.fetch_add(1, Ordering::Relaxed)).await
        };
        let receipt = server.serve(handler).await?;
        let took = drained.lock().unwrap().expect("the drain was begun").elapsed();
        let came_back: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
        Ok((receipt, came_back, took))
    });
    assert_ends(&receipt, 40, 5, 5);
    assert_eq!(failures.borrow().len(), 5);
    assert_eq!(receipt.most_at_once, 50);
    assert!(receipt.left.iter().all(|left| left.why == Why::Drain && left.unsent == 0), "{receipt}");
    assert_eq!(receipt.received, receipt.sent, "{}: an echo sends what it received", network.name());
    assert_eq!(came_back, receipt.sent, "{}: bytes were lost on their way back", network.name());
    assert!(took < grace + Duration::from_millis(300), "{}: {took:?}", network.name());
}

/// One client that sends and receives as fast as it can, and one that asks and waits for the answer.
fn c11_a_flood_leaves_others_their_turn(network: &Network) {
    let _alone = alone();
    let (receipt, mut pings) = tell(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let (end, flooding) = (over.clone(), Switch::default());
        let (still, stop) = (flooding.clone(), flooding);
        let (begun, begins) = std::sync::mpsc::channel();
        let flood = beside(move || {
            let mut stream = connect(address);
            let mut reader = stream.try_clone().unwrap();
            let reading = beside(move || {
                let mut first = vec![0; 1 << 20];
                reader.read_exact(&mut first).unwrap();
                begun.send(()).unwrap();
                io::copy(&mut reader, &mut io::sink()).unwrap()
            });
            let piece = vec![7; 1 << 20];
            while !still.is_thrown() {
                stream.write_all(&piece).unwrap();
            }
            stream.shutdown(Shutdown::Write).unwrap();
            reading.join().unwrap()
        });
        let pings = beside(move || {
            let mut stream = connect(address);
            stream.set_nodelay(true).unwrap();
            begins.recv_timeout(DEADLINE).expect("there is no flood");
            let pings: Vec<Duration> = (0..300)
                .map(|_| {
                    let begun = real_now();
                    service::exchange_with(&mut stream, b"ping").unwrap();
                    begun.elapsed()
                })
                .collect();
            stop.throw();
            end.throw();
            pings
        });
        let receipt: Receipt = serve_within(server, &over).await?;
        flood.join().unwrap();
        Ok((receipt, pings.join().unwrap()))
    });
    assert_ends(&receipt, 2, 0, 0);
    pings.sort_unstable();
    // A machine that is busy with other tests takes its time, too; a server that serves a flood first takes seconds.
    let p99 = pings[pings.len() * 99 / 100];
    assert!(p99 < Duration::from_millis(250), "{}: p99 of a ping is {p99:?}", network.name());
}

async fn serve_within(server: Server, over: &Switch) -> io::Result<Receipt> {
    timeout(DEADLINE, server.until(over.thrown()).serve(echo)).await.expect("the server did not end")
}
