//! What a server meets at its listeners, on every engine: connections that are gone, descriptors that run out, and a
//! listener that cannot go on.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;
mod service;

use std::io;
use std::rc::Rc;
use std::time::Duration;

use network::{Faults, Network, on_every_engine};
use rustix::io::Errno;
use service::{Switch, assert_ends, bind, echo, exchange, recv_to_end, tell_on};
use switchboard::net::{Listener, Stream, TcpStream};
use switchboard::server::{Client, Receipt};
use switchboard::{sleep, spawn};

on_every_engine! {
    connections_that_are_gone_before_they_are_accepted_end_nothing,
    e4_a_shortage_is_told_of_once_and_tried_again_by_one_timer,
    a_shortage_that_goes_on_while_some_are_served_is_one,
    a_shortage_during_the_drain_is_waited_for,
    a_listener_that_cannot_go_on_ends_the_server_after_a_drain,
    those_in_the_queue_of_another_listener_are_served_when_one_cannot_go_on,
    an_accept_that_always_fails_leaves_the_others_their_turn,
    a_queue_that_is_never_empty_does_not_put_the_end_off,
}

const GRACE: Duration = Duration::from_millis(100);

fn faulty<T>(network: &Network, story: impl AsyncFnOnce(&Faults) -> io::Result<T>) -> T {
    let (event_loop, faults) = network.faulty();
    let faults: Rc<Faults> = faults;
    tell_on(&event_loop, story(&faults))
}

fn connections_that_are_gone_before_they_are_accepted_end_nothing(network: &Network) {
    let receipt = faulty(network, async |faults| {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let gone = [Errno::CONNABORTED, Errno::PROTO, Errno::HOSTUNREACH, Errno::CONNABORTED, Errno::PERM];
        faults.accepts.borrow_mut().extend(gone);
        let serving = spawn(server.until(over.thrown()).serve(echo));
        for _ in 0..3 {
            let mut client = TcpStream::connect(address).await?;
            exchange(&mut client, b"hello").await?;
        }
        over.throw();
        serving.await
    });
    assert_ends(&receipt, 3, 0, 0);
    assert_eq!((receipt.lost, receipt.exhausted), (5, 0));
}

fn e4_a_shortage_is_told_of_once_and_tried_again_by_one_timer(network: &Network) {
    let receipt = faulty(network, async |faults| {
        let (server, address) = bind().await?;
        let second = Listener::bind("127.0.0.1:0").await?;
        let over = Switch::default();
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(TcpStream::connect(address).await?);
        }
        faults.every_accept.set(Some(Errno::MFILE));
        let serving = spawn(server.and(second).until(over.thrown()).serve(echo));
        sleep(Duration::from_millis(20)).await;
        assert_eq!(faults.accepts_asked.get(), 1, "nobody else is asked for");
        sleep(Duration::from_millis(500)).await;
        let asked = faults.accepts_asked.get();
        assert!((4..=6).contains(&asked), "tried {asked} times in half a second");
        faults.every_accept.set(None);
        // They are served because descriptors came free, not because somebody else came.
        for client in &mut clients {
            exchange(client, b"hello").await?;
        }
        drop(clients);
        over.throw();
        serving.await
    });
    assert_ends(&receipt, 20, 0, 0);
    assert_eq!((receipt.lost, receipt.exhausted), (0, 1));
}

/// Descriptors come free one by one: that is one shortage, and not as many as there are clients.
fn a_shortage_that_goes_on_while_some_are_served_is_one(network: &Network) {
    let receipt = faulty(network, async |faults| {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(TcpStream::connect(address).await?);
        }
        faults.every_accept.set(Some(Errno::MFILE));
        let serving = spawn(server.limit(1).until(over.thrown()).serve(echo));
        for mut client in clients {
            let asked = faults.accepts_asked.get();
            service::until("an attempt to accept", || faults.accepts_asked.get() > asked).await;
            faults.every_accept.set(None);
            exchange(&mut client, b"hello").await?;
            faults.every_accept.set(Some(Errno::NFILE));
        }
        // It is over when nobody has waited for a second; then there may be another one.
        faults.every_accept.set(None);
        sleep(Duration::from_millis(1250)).await;
        faults.accepts.borrow_mut().push_back(Errno::NOBUFS);
        for _ in 0..2 {
            exchange(&mut TcpStream::connect(address).await?, b"hello").await?;
        }
        over.throw();
        serving.await
    });
    assert_ends(&receipt, 7, 0, 0);
    assert_eq!(receipt.exhausted, 2);
}

fn a_shortage_during_the_drain_is_waited_for(network: &Network) {
    let receipt = faulty(network, async |faults| {
        let (server, address) = bind().await?;
        let mut clients = Vec::new();
        for _ in 0..5 {
            let mut client = TcpStream::connect(address).await?;
            client.write_all(b"hello").await?;
            client.shutdown().await?;
            clients.push(client);
        }
        faults.accepts.borrow_mut().extend([Errno::MFILE, Errno::MFILE]);
        let serving = spawn(server.until(async {}).serve(echo));
        for client in &mut clients {
            assert_eq!(recv_to_end(client).await?, b"hello");
        }
        drop(clients);
        serving.await
    });
    assert_ends(&receipt, 5, 0, 0);
    assert_eq!(receipt.exhausted, 1);
}

fn a_listener_that_cannot_go_on_ends_the_server_after_a_drain(network: &Network) {
    faulty(network, async |faults| {
        let (server, address) = bind().await?;
        let serving = spawn(server.grace(GRACE).serve(async |mut stream: Stream, client: Client| {
            stream.write_all(b"hello").await?;
            client.draining().await;
            sleep(Duration::from_millis(20)).await;
            stream.write_all(b"bye").await
        }));
        let mut client = TcpStream::connect(address).await?;
        let mut hello = [0; 5];
        client.read_exact(&mut hello).await?;
        faults.accepts.borrow_mut().push_back(Errno::BADF);
        let _witness = TcpStream::connect(address).await?;
        // The accept that waits is real, and the next one fails.
        assert_eq!(recv_to_end(&mut client).await?, b"bye");
        drop(client);
        let error = serving.join().await.unwrap().unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot accept on {address} any more: ")), "{error}");
        Ok(())
    });
}

fn those_in_the_queue_of_another_listener_are_served_when_one_cannot_go_on(network: &Network) {
    faulty(network, async |faults| {
        let (server, one) = bind().await?;
        let second = Listener::bind("127.0.0.1:0").await?;
        let other = second.local_addr()?;
        let mut clients = Vec::new();
        for at in 0..6 {
            let address = if at < 3 { one.into() } else { other.clone() };
            clients.push(TcpStream::connect(&address).await?);
        }
        // The first listener fails, and fails again in the drain.
        faults.accepts.borrow_mut().extend([Errno::INVAL, Errno::INVAL]);
        let serving =
            spawn(server.and(second).serve(async |mut stream: Stream, _| stream.write_all(b"hello").await));
        let mut served = 0;
        for client in &mut clients {
            served += usize::from(recv_to_end(client).await.is_ok_and(|data| data == b"hello"));
        }
        assert_eq!(served, 3);
        drop(clients);
        serving.join().await.unwrap().unwrap_err();
        Ok(())
    });
}

/// C11 of the field's bugs, at the gate: a loop that fails is as fair as one that succeeds.
fn an_accept_that_always_fails_leaves_the_others_their_turn(network: &Network) {
    let receipt: Receipt = faulty(network, async |faults| {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.until(over.thrown()).serve(echo));
        let mut client = TcpStream::connect(address).await?;
        exchange(&mut client, b"hello").await?;
        faults.every_accept.set(Some(Errno::CONNABORTED));
        let witness = TcpStream::connect(address).await?;
        for _ in 0..50 {
            exchange(&mut client, b"hello").await?;
        }
        faults.every_accept.set(None);
        drop((client, witness));
        over.throw();
        serving.await
    });
    assert_eq!((receipt.accepted, receipt.cancelled), (2, 0), "{receipt}");
    assert!(receipt.lost >= 50);
}

/// Whoever floods a server with connections must not keep it from ending.
fn a_queue_that_is_never_empty_does_not_put_the_end_off(network: &Network) {
    let receipt = faulty(network, async |faults| {
        let (server, _) = bind().await?;
        faults.every_accept.set(Some(Errno::CONNABORTED));
        server.grace(Duration::from_millis(1)).until(async {}).serve(echo).await
    });
    assert_ends(&receipt, 0, 0, 0);
    assert!(receipt.lost >= 50);
}
