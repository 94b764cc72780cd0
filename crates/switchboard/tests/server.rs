//! Servers, on every engine: a handler for each connection, and what becomes of one that fails.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock and threads")]

mod network;
mod service;

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use network::reserved::ReservedPort;
use network::{Network, on_every_engine};
use service::{
    Dice, Switch, assert_ends, beside, bind, connect, echo, exchange, exchange_with, failures, pattern,
    recv_to_end, tell, tell_on, until,
};
use switchboard::net::{Listener, Stream, TcpStream};
use switchboard::server::{Client, Server};
use switchboard::{Address, spawn, timeout, yield_now};

on_every_engine! {
    two_hundred_clients_on_one_loop_get_their_own_bytes_back,
    a_server_may_be_a_task_and_share_its_loop_with_another_and_with_their_clients,
    a_handler_may_leave_the_halves_of_its_stream_to_tasks,
    each_failure_of_a_handler_is_reported_once_and_the_others_live_on,
    what_a_handler_returns_is_dropped_and_may_panic_then,
    dropping_the_serving_cancels_all_handlers_and_closes_their_connections,
    dropping_the_serving_ends_the_wait_for_the_drain,
    an_until_that_fails_makes_serving_fail_after_the_drain,
    never_more_than_the_limit_are_served_and_nobody_is_refused,
    two_listeners_take_turns_within_a_limit_of_one,
    a_busy_listener_leaves_room_for_a_quiet_one,
    the_receipt_counts_bytes_both_ways,
}

/// Sends bytes in random pieces while it receives them, and compares.
async fn converse(address: std::net::SocketAddr, seed: usize, size: usize) -> io::Result<()> {
    let stream: Stream = TcpStream::connect(address).await?.into();
    let (mut reader, mut writer) = stream.into_split();
    let sent = pattern(seed, size);
    let copy = sent.clone();
    let sending = spawn(async move {
        let (mut dice, mut rest) = (Dice::new(seed as u64 + 1), &copy[..]);
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(dice.roll(5_000).min(rest.len()));
            writer.write_all(piece).await?;
            rest = others;
        }
        writer.shutdown().await
    });
    let mut received = Vec::new();
    loop {
        let data = reader.recv().await?;
        if data.is_empty() {
            break;
        }
        received.extend_from_slice(&data);
    }
    sending.await?;
    assert!(received == sent, "client {seed}: something else came back");
    Ok(())
}

/// One crowd at a time: descriptors are the whole process's, and select takes only those below 1024.
fn crowd() -> MutexGuard<'static, ()> {
    static CROWD: Mutex<()> = Mutex::new(());
    CROWD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn two_hundred_clients_on_one_loop_get_their_own_bytes_back(network: &Network) {
    let _crowd = crowd();
    let receipt = tell(network, async {
        let (server, address) = bind().await?;
        let clients = Switch::default();
        let serving = spawn(server.until(clients.thrown()).serve(echo));
        let all: Vec<_> = (0..200).map(|seed| spawn(converse(address, seed, 100_000))).collect();
        for client in all {
            client.await?;
        }
        clients.throw();
        serving.await
    });
    assert_ends(&receipt, 200, 0, 0);
    assert_eq!((receipt.received, receipt.sent), (20_000_000, 20_000_000));
}

/// The same with clients that nothing of ours runs in.
#[test]
fn two_hundred_clients_on_threads_get_their_own_bytes_back() {
    let _crowd = crowd();
    for network in network::real() {
        let receipt = tell(&network, async {
            let (server, address) = bind().await?;
            let over = Switch::default();
            let end = over.clone();
            let clients = beside(move || {
                let all: Vec<_> =
                    (0..200).map(|seed| beside(move || converse_beside(address, seed))).collect();
                let ends: Vec<_> = all.into_iter().map(|client| client.join()).collect();
                end.throw();
                assert!(ends.iter().all(|end| end.is_ok()), "a client failed");
            });
            let receipt = server.until(over.thrown()).serve(echo).await?;
            clients.join().unwrap();
            Ok(receipt)
        });
        assert_ends(&receipt, 200, 0, 0);
        assert_eq!((receipt.received, receipt.sent), (20_000_000, 20_000_000), "{}", network.name());
    }
}

fn converse_beside(address: std::net::SocketAddr, seed: usize) {
    let mut stream = connect(address);
    let sent = pattern(seed, 100_000);
    let (copy, mut writer) = (sent.clone(), stream.try_clone().unwrap());
    let sending = beside(move || {
        let (mut dice, mut rest) = (Dice::new(seed as u64 + 1), &copy[..]);
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(dice.roll(20_000).min(rest.len()));
            writer.write_all(piece).unwrap();
            rest = others;
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    sending.join().unwrap();
    assert!(received == sent, "client {seed}: something else came back");
}

fn a_server_may_be_a_task_and_share_its_loop_with_another_and_with_their_clients(network: &Network) {
    tell(network, async {
        let (over, (one, at_one), (other, at_other)) = (Switch::default(), bind().await?, bind().await?);
        let one = spawn(one.until(over.thrown()).serve(echo));
        let other = spawn(other.until(over.thrown()).serve(async |mut stream: Stream, _| {
            let mut data = [0; 5];
            stream.read_exact(&mut data).await?;
            stream.write_all(&data.to_ascii_uppercase()).await
        }));
        let mut client = TcpStream::connect(at_one).await?;
        let mut shouter = TcpStream::connect(at_other).await?;
        exchange(&mut client, b"hello").await?;
        shouter.write_all(b"hello").await?;
        assert_eq!(recv_to_end(&mut shouter).await?, b"HELLO");
        drop((client, shouter));
        over.throw();
        assert_ends(&one.await?, 1, 0, 0);
        assert_ends(&other.await?, 1, 0, 0);
        Ok(())
    });
}

fn a_handler_may_leave_the_halves_of_its_stream_to_tasks(network: &Network) {
    let event_loop = network.event_loop();
    let failures = failures(&event_loop);
    let receipt = tell_on(&event_loop, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.until(over.thrown()).serve(async |stream: Stream, client: Client| {
            let (mut reader, mut writer) = stream.into_split();
            let copying = spawn(async move {
                loop {
                    let data = reader.recv().await?;
                    if data.is_empty() {
                        return io::Result::Ok(());
                    }
                    writer.send_all(data).await?;
                }
            });
            // One waits with its handler, the other is on its own.
            if client.peer().port().is_some_and(|port| port % 2 == 0) {
                return copying.await;
            }
            copying.detach();
            Ok(())
        }));
        for _ in 0..10 {
            let mut client = TcpStream::connect(address).await?;
            exchange(&mut client, &pattern(1, 50_000)).await?;
            client.shutdown().await?;
            assert!(recv_to_end(&mut client).await?.is_empty());
        }
        over.throw();
        serving.await
    });
    assert_ends(&receipt, 10, 0, 0);
    assert!(failures.borrow().is_empty(), "{failures:?}");
}

fn each_failure_of_a_handler_is_reported_once_and_the_others_live_on(network: &Network) {
    let event_loop = network.event_loop();
    let failures = failures(&event_loop);
    let receipt = tell_on(&event_loop, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.until(over.thrown()).serve(async |mut stream: Stream, _| {
            loop {
                let data = stream.recv().await?;
                match &*data {
                    b"" => return Ok(()),
                    b"e" => return Err(io::Error::other("as it was told")),
                    b"p" => panic!("a panic as it was told"),
                    _ => {}
                }
                let _panics = PanicsInDrop(&*data == b"d");
                stream.send_all(data).await?;
            }
        }));
        let mut witness = TcpStream::connect(address).await?;
        exchange(&mut witness, b"w").await?;
        for word in [&b"e"[..], b"p", b"d"] {
            let mut client = TcpStream::connect(address).await?;
            client.write_all(word).await?;
            recv_to_end(&mut client).await?;
            exchange(&mut witness, b"w").await?;
        }
        drop(witness);
        over.throw();
        serving.await
    });
    assert_ends(&receipt, 1, 3, 0);
    let failures = failures.borrow();
    assert_eq!(failures.len(), 3, "{failures:#?}");
    for (failure, said) in
        failures.iter().zip(["as it was told", "a panic as it was told", "a panic in drop"])
    {
        assert!(failure.contains(said), "{failure}");
        assert!(failure.contains("client 127.0.0.1:"), "it does not say whose it is: {failure}");
    }
}

struct PanicsInDrop(bool);

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        assert!(!self.0, "a panic in drop");
    }
}

fn what_a_handler_returns_is_dropped_and_may_panic_then(network: &Network) {
    let event_loop = network.event_loop();
    let failures = failures(&event_loop);
    let receipt = tell_on(&event_loop, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.until(over.thrown()).serve(async |mut stream: Stream, _| {
            match stream.recv().await.as_deref() {
                Ok(b"f") => Err("a failure of one's own"),
                Ok(b"p") => Ok(Box::new(PanicsInDrop(true))),
                _ => Ok(Box::new(PanicsInDrop(false))),
            }
        }));
        for word in [&b"-"[..], b"f", b"p"] {
            let mut client = TcpStream::connect(address).await?;
            client.write_all(word).await?;
            assert!(recv_to_end(&mut client).await?.is_empty());
        }
        over.throw();
        serving.await
    });
    // Whoever returned has finished, whatever becomes of the value.
    assert_ends(&receipt, 2, 1, 0);
    let failures = failures.borrow();
    assert_eq!(failures.len(), 2, "{failures:#?}");
    assert!(failures[0].contains("a failure of one's own") && failures[1].contains("a panic in drop"));
}

fn dropping_the_serving_cancels_all_handlers_and_closes_their_connections(network: &Network) {
    let event_loop = network.event_loop();
    let failures = failures(&event_loop);
    let port = ReservedPort::new();
    tell_on(&event_loop, async {
        let (server, address) = (Server::bind(port.address()).await?, port.address());
        let alive = Rc::new(Cell::new(0));
        let count = Rc::clone(&alive);
        let serving = spawn(server.serve(async move |mut stream: Stream, _| {
            let _alive = Alive::new(&count);
            stream.recv().await.map(drop)
        }));
        let mut clients = Vec::new();
        for _ in 0..10 {
            clients.push(TcpStream::connect(address).await?);
        }
        until("ten handlers", || alive.get() == 10).await;
        drop(serving);
        assert_eq!(alive.get(), 0, "they are cancelled at once");
        for client in &mut clients {
            assert!(recv_to_end(client).await?.is_empty());
        }
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        Ok(())
    });
    assert!(failures.borrow().is_empty(), "{failures:?}");
}

/// Counts those who live.
struct Alive(Rc<Cell<usize>>);

impl Alive {
    fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What a handler left behind would wait for ever: no drain will ever come.
fn dropping_the_serving_ends_the_wait_for_the_drain(network: &Network) {
    tell(network, async {
        let (server, address) = bind().await?;
        let (begun, ended) = (Rc::new(Cell::new(false)), Switch::default());
        let (seen, told) = (Rc::clone(&begun), ended.clone());
        let serving = spawn(server.serve(async move |stream: Stream, client: Client| {
            let told = told.clone();
            let left_behind = async move {
                client.draining().await;
                assert!(client.is_draining());
                told.throw();
            };
            spawn(left_behind).detach();
            seen.set(true);
            drop(stream);
        }));
        drop(TcpStream::connect(address).await?);
        until("a handler has run", || begun.get()).await;
        yield_now().await;
        drop(serving);
        ended.thrown().await;
        Ok(())
    });
}

fn an_until_that_fails_makes_serving_fail_after_the_drain(network: &Network) {
    tell(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let thrown = over.thrown();
        let end = async {
            thrown.await;
            io::Result::<()>::Err(io::Error::other("no signal can be had"))
        };
        let drained = Rc::new(Cell::new(false));
        let seen = Rc::clone(&drained);
        let serving = spawn(server.until(end).serve(async move |mut stream: Stream, client: Client| {
            client.draining().await;
            stream.write_all(b"bye").await?;
            seen.set(true);
            io::Result::Ok(())
        }));
        let mut client = TcpStream::connect(address).await?;
        over.throw();
        assert_eq!(recv_to_end(&mut client).await?, b"bye");
        drop(client);
        let error = serving.join().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("no signal can be had"), "{error}");
        assert!(drained.get());
        Ok(())
    });
}

fn never_more_than_the_limit_are_served_and_nobody_is_refused(network: &Network) {
    let receipt = tell(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let (alive, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (count, high) = (Rc::clone(&alive), Rc::clone(&most));
        let server = server.limit(3).until(over.thrown());
        let serving = spawn(server.serve(async move |stream: Stream, client: Client| {
            let _alive = Alive::new(&count);
            high.set(high.get().max(count.get()));
            echo(stream, client).await
        }));
        let clients: Vec<_> = (0..30)
            .map(|seed| {
                spawn(async move {
                    let mut client = TcpStream::connect(address).await?;
                    for _ in 0..5 {
                        exchange(&mut client, &pattern(seed, 1_000)).await?;
                    }
                    io::Result::Ok(())
                })
            })
            .collect();
        for client in clients {
            client.await?;
        }
        assert_eq!(most.get(), 3);
        over.throw();
        serving.await
    });
    assert_ends(&receipt, 30, 0, 0);
    assert_eq!(receipt.most_at_once, 3);
}

/// Who of two listeners was served, in order, with room for so many at once, and so many clients at each.
async fn turns(limit: usize, clients: [usize; 2]) -> io::Result<Vec<usize>> {
    let order = Rc::new(RefCell::new(Vec::new()));
    let (server, one) = bind().await?;
    let second = Listener::bind("127.0.0.1:0").await?;
    let other = second.local_addr()?;
    let (sink, over) = (Rc::clone(&order), Switch::default());
    let mut waiting = Vec::new();
    for (at, count) in [(one.into(), clients[0]), (other, clients[1])] {
        for _ in 0..count {
            waiting.push(TcpStream::connect(&at).await?);
        }
    }
    let server = server.and(second).limit(limit).until(over.thrown());
    let serving = spawn(server.serve(async move |mut stream: Stream, _| {
        let at = stream.local_addr()?.port();
        sink.borrow_mut().push(usize::from(at != Some(one.port())));
        stream.write_all(b"hello").await
    }));
    for client in &mut waiting {
        assert_eq!(recv_to_end(client).await?, b"hello");
    }
    drop(waiting);
    over.throw();
    let receipt = serving.await?;
    assert_ends(&receipt, (clients[0] + clients[1]) as u64, 0, 0);
    assert!(receipt.most_at_once <= limit);
    Ok(order.take())
}

fn two_listeners_take_turns_within_a_limit_of_one(network: &Network) {
    let order = tell(network, turns(1, [10, 10]));
    assert!(order.windows(2).all(|two| two[0] != two[1]), "{order:?}");
}

fn a_busy_listener_leaves_room_for_a_quiet_one(network: &Network) {
    let _crowd = crowd();
    let order = tell(network, turns(usize::MAX, [300, 3]));
    let last = order.iter().rposition(|&at| at == 1).unwrap();
    assert!(last < 8, "the quiet one's last was served as number {last}");
}

fn the_receipt_counts_bytes_both_ways(network: &Network) {
    let receipt = tell(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.until(over.thrown()).serve(async |mut stream: Stream, _| {
            let mut four = [0; 4];
            stream.read_exact(&mut four).await?; // 4 in
            let mut left = 6; // 6 in
            while left > 0 {
                left -= stream.recv().await?.len();
            }
            stream.write_all(&[1; 100]).await?;
            stream.send_all(vec![2; 1_000_000]).await?;
            stream.write_all_vectored(&mut [io::IoSlice::new(&[3; 20]), io::IoSlice::new(&[4; 3])]).await
        }));
        for _ in 0..3 {
            let mut client = TcpStream::connect(address).await?;
            client.write_all(b"0123456789").await?;
            assert_eq!(recv_to_end(&mut client).await?.len(), 1_000_123);
        }
        over.throw();
        serving.await
    });
    assert_eq!((receipt.received, receipt.sent), (30, 3_000_369));
}

/// A descriptor is not enough to tell that nobody was served: an exchange is.
#[test]
fn a_server_on_two_listeners_serves_clients_of_both_from_threads() {
    for network in network::real() {
        tell(&network, async {
            let (server, one) = bind().await?;
            let second = Listener::bind("127.0.0.1:0").await?;
            let Address::Ip(other) = second.local_addr()? else { panic!("not an IP address") };
            let over = Switch::default();
            let end = over.clone();
            let server = server.and(second);
            let clients = beside(move || {
                let all: Vec<_> = (0..20)
                    .map(|seed| {
                        let address = if seed % 2 == 0 { one } else { other };
                        beside(move || exchange_with(&mut connect(address), &pattern(seed, 1_000)))
                    })
                    .collect();
                let ends: Vec<_> = all.into_iter().map(|client| client.join()).collect();
                end.throw();
                ends.into_iter().for_each(|end| end.unwrap().unwrap());
            });
            let receipt = timeout(Duration::from_secs(10), server.until(over.thrown()).serve(echo)).await;
            clients.join().unwrap();
            assert_ends(&receipt.expect("the server did not end")?, 20, 0, 0);
            Ok(())
        });
    }
}
