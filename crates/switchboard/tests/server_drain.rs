//! The end of a server, on every engine: in good order, in bounded time, and with a receipt that adds up.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock and threads")]

mod network;
mod service;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use network::reserved::ReservedPort;
use network::{Network, on_every_engine};
use service::{
    Switch, assert_ends, bind, echo, exchange, failures, pattern, recv_to_end, tell, tell_on, until,
};
use switchboard::net::{Listener, Stream, TcpStream};
use switchboard::server::{Client, Receipt, Server, Why};
use switchboard::{EventLoop, sleep, spawn, timeout, yield_now};

on_every_engine! {
    with_nobody_connected_a_drain_is_over_at_once,
    with_well_behaved_clients_a_drain_is_over_as_soon_as_they_are_gone,
    e17_a_drain_with_idle_busy_and_never_reading_clients_is_over_in_time,
    those_in_the_queue_when_the_drain_begins_are_served,
    those_in_the_queue_are_served_within_a_limit_too,
    with_no_grace_what_has_arrived_is_still_received_and_answered,
    many_tasks_of_a_handler_see_the_drain_and_none_of_them_spins,
    waiting_for_the_drain_may_be_given_up_any_number_of_times,
    a_task_that_outlives_its_handler_sees_the_drain,
    a_handler_that_ignores_everything_is_cancelled,
    a_handler_that_panics_during_the_drain_has_failed,
    what_was_not_sent_and_the_age_are_on_the_receipt,
    the_same_port_can_be_served_again_at_once,
    nothing_is_left_to_be_closed_after_a_drain,
    two_servers_of_one_loop_drain_each_in_its_own_time,
}

/// The time of the loop that a story is told on.
fn now() -> Instant {
    CLOCK.with_borrow(|clock| clock.as_ref().expect("a story that is timed").now())
}

thread_local! {
    static CLOCK: RefCell<Option<Rc<EventLoop>>> = const { RefCell::new(None) };
}

/// Tells a story that asks for the time.
#[track_caller]
fn tell_timed<T>(network: &Network, story: impl Future<Output = io::Result<T>>) -> T {
    let event_loop = Rc::new(network.event_loop());
    CLOCK.set(Some(Rc::clone(&event_loop)));
    let _stops = Stops;
    tell_on(&event_loop, story)
}

/// Also when the story fails: a loop must not be the last thing of its thread.
struct Stops;

impl Drop for Stops {
    fn drop(&mut self) {
        CLOCK.set(None);
    }
}

/// A drain of a server whose clients did this, and how long it took.
async fn drained(
    over: &Switch,
    serving: switchboard::Task<io::Result<Receipt>>,
) -> io::Result<(Receipt, Duration)> {
    let begun = now();
    over.throw();
    let receipt = serving.await?;
    Ok((receipt, now() - begun))
}

/// Holds on an engine in memory exactly, and on a real one within what a busy machine adds.
#[track_caller]
fn assert_took(network: &Network, took: Duration, exactly: Duration) {
    let slack = if network.is_real() { Duration::from_millis(250) } else { Duration::from_millis(1) };
    assert!(took >= exactly && took <= exactly + slack, "{}: {took:?}, not {exactly:?}", network.name());
}

fn with_nobody_connected_a_drain_is_over_at_once(network: &Network) {
    let (receipt, took) = tell_timed(network, async {
        let (server, _) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.grace(Duration::from_secs(9)).until(over.thrown()).serve(echo));
        yield_now().await;
        drained(&over, serving).await
    });
    assert_took(network, took, Duration::ZERO);
    assert_ends(&receipt, 0, 0, 0);
}

fn with_well_behaved_clients_a_drain_is_over_as_soon_as_they_are_gone(network: &Network) {
    let (receipt, took) = tell_timed(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.grace(Duration::from_secs(9)).until(over.thrown()).serve(echo));
        let clients: Vec<_> = (0..20)
            .map(|seed| {
                let over = over.thrown();
                spawn(async move {
                    let mut client = TcpStream::connect(address).await?;
                    exchange(&mut client, &pattern(seed, 1_000)).await?;
                    over.await;
                    sleep(Duration::from_millis(30)).await;
                    exchange(&mut client, &pattern(seed, 1_000)).await
                })
            })
            .collect();
        until("exchanges", || true).await;
        sleep(Duration::from_millis(50)).await;
        let drained = drained(&over, serving).await;
        for client in clients {
            client.await?;
        }
        drained
    });
    assert_ends(&receipt, 20, 0, 0);
    assert!(took >= Duration::from_millis(30) && took < Duration::from_millis(330), "{took:?}");
}

/// One client that says nothing, one that always talks, and one that is sent more and more and never reads.
fn e17_a_drain_with_idle_busy_and_never_reading_clients_is_over_in_time(network: &Network) {
    for grace in [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(500)] {
        let (receipt, took) = tell_timed(network, async {
            let (server, address) = bind().await?;
            let over = Switch::default();
            let server = server.grace(grace).until(over.thrown());
            let serving = spawn(server.serve(async |mut stream: Stream, client: Client| {
                if &*stream.recv().await? != b"f" {
                    return echo(stream, client).await;
                }
                loop {
                    stream.send_all(vec![7; 100_000]).await?;
                }
            }));
            let mut idle = TcpStream::connect(address).await?;
            let mut never_reads = TcpStream::connect(address).await?;
            idle.write_all(b"h").await?;
            never_reads.write_all(b"f").await?;
            let busy = spawn(async move {
                let mut client = TcpStream::connect(address).await?;
                client.write_all(b"h").await?;
                while exchange(&mut client, b"again").await.is_ok() {}
                io::Result::Ok(())
            });
            sleep(Duration::from_millis(50)).await;
            let drained = drained(&over, serving).await;
            busy.await?;
            drop((idle, never_reads));
            drained
        });
        assert_ends(&receipt, 2, 0, 1);
        assert_eq!(receipt.left[0].why, Why::Drain);
        assert!(receipt.left[0].unsent >= 100_000, "{receipt}");
        // The idle one does not even answer the end of its connection, so that all of the time is used.
        assert_took(network, took, grace + Duration::from_millis(200));
    }
}

/// Clients that have connected and spoken, but were not accepted.
async fn queue(address: std::net::SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    let mut clients = Vec::new();
    for seed in 0..count {
        let mut client = TcpStream::connect(address).await?;
        client.write_all(&pattern(seed, 1_000)).await?;
        client.shutdown().await?;
        clients.push(client);
    }
    Ok(clients)
}

async fn assert_echoed(clients: Vec<TcpStream>) -> io::Result<()> {
    for (seed, mut client) in clients.into_iter().enumerate() {
        assert!(recv_to_end(&mut client).await? == pattern(seed, 1_000), "client {seed}");
    }
    Ok(())
}

fn those_in_the_queue_when_the_drain_begins_are_served(network: &Network) {
    for grace in [Duration::ZERO, Duration::from_millis(500)] {
        let receipt = tell(network, async {
            let (server, address) = bind().await?;
            let clients = queue(address, 200).await?;
            // The drain begins before anybody is accepted.
            let serving = spawn(server.grace(grace).until(async {}).serve(echo));
            assert_echoed(clients).await?;
            serving.await
        });
        assert_ends(&receipt, 200, 0, 0);
        assert_eq!((receipt.received, receipt.sent), (200_000, 200_000));
    }
}

fn those_in_the_queue_are_served_within_a_limit_too(network: &Network) {
    let receipt = tell(network, async {
        let (server, address) = bind().await?;
        let second = Listener::bind("127.0.0.1:0").await?;
        let clients = queue(address, 100).await?;
        let server = server.and(second).limit(2).grace(Duration::from_secs(5)).until(async {});
        let serving = spawn(server.serve(echo));
        assert_echoed(clients).await?;
        serving.await
    });
    assert_ends(&receipt, 100, 0, 0);
    assert_eq!(receipt.most_at_once, 2);
}

fn with_no_grace_what_has_arrived_is_still_received_and_answered(network: &Network) {
    let receipt = tell(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let server = server.grace(Duration::ZERO).until(over.thrown());
        let serving = spawn(server.serve(async |mut stream: Stream, client: Client| {
            let mut hello = [0; 5];
            stream.read_exact(&mut hello).await?;
            client.draining().await;
            // What has arrived meanwhile: all of it, then the end.
            echo(stream, client).await
        }));
        let mut client = TcpStream::connect(address).await?;
        client.write_all(b"hello").await?;
        sleep(Duration::from_millis(20)).await;
        client.write_all(&pattern(3, 50_000)).await?;
        sleep(Duration::from_millis(20)).await;
        over.throw();
        assert!(recv_to_end(&mut client).await? == pattern(3, 50_000));
        drop(client);
        serving.await
    });
    assert_ends(&receipt, 1, 0, 0);
}

fn many_tasks_of_a_handler_see_the_drain_and_none_of_them_spins(network: &Network) {
    let polls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&polls);
    let receipt = tell(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving =
            spawn(server.until(over.thrown()).serve(async move |_stream: Stream, client: Client| {
                let client = Rc::new(client);
                let tasks: Vec<_> = (0..50)
                    .map(|_| {
                        let (client, polls) = (Rc::clone(&client), Rc::clone(&counted));
                        spawn(async move {
                            let mut draining = pin!(client.draining());
                            poll_fn(|cx| {
                                polls.set(polls.get() + 1);
                                draining.as_mut().poll(cx)
                            })
                            .await;
                            assert!(client.is_draining());
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await;
                }
            }));
        let client = TcpStream::connect(address).await?;
        sleep(Duration::from_millis(50)).await;
        assert_eq!(polls.get(), 50, "woken for nothing");
        over.throw();
        until("all have seen it", || polls.get() == 100).await;
        drop(client);
        serving.await
    });
    assert_ends(&receipt, 1, 0, 0);
}

fn waiting_for_the_drain_may_be_given_up_any_number_of_times(network: &Network) {
    let receipt = tell(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.until(over.thrown()).serve(async |_stream: Stream, client: Client| {
            // Each by another waker, of which none may be kept.
            let mut wakers = Vec::new();
            for _ in 0..1_000 {
                let (waker, count) = counted_waker();
                let mut draining = pin!(client.draining());
                let polled = draining.as_mut().poll(&mut std::task::Context::from_waker(&waker));
                assert!(polled.is_pending());
                wakers.push(count);
            }
            yield_now().await;
            let kept = wakers.iter().filter(|count| std::sync::Arc::strong_count(count) > 1).count();
            assert_eq!(kept, 0, "wakers of waits that were given up");
            client.draining().await;
        }));
        let client = TcpStream::connect(address).await?;
        sleep(Duration::from_millis(20)).await;
        over.throw();
        drop(client);
        serving.await
    });
    assert_ends(&receipt, 1, 0, 0);
}

/// A waker, and what tells whether it is still held.
fn counted_waker() -> (std::task::Waker, std::sync::Arc<Silent>) {
    let silent = std::sync::Arc::new(Silent);
    (std::sync::Arc::clone(&silent).into(), silent)
}

struct Silent;

impl std::task::Wake for Silent {
    fn wake(self: std::sync::Arc<Self>) {}
}

fn a_task_that_outlives_its_handler_sees_the_drain(network: &Network) {
    tell(network, async {
        let (server, address) = bind().await?;
        let (over, seen) = (Switch::default(), Switch::default());
        let saw = seen.clone();
        let serving =
            spawn(server.until(over.thrown()).serve(async move |_stream: Stream, client: Client| {
                let saw = saw.clone();
                spawn(async move {
                    client.draining().await;
                    saw.throw();
                })
                .detach();
            }));
        let mut client = TcpStream::connect(address).await?;
        assert!(recv_to_end(&mut client).await?.is_empty());
        sleep(Duration::from_millis(20)).await;
        assert!(!seen.is_thrown());
        over.throw();
        assert_ends(&serving.await?, 1, 0, 0);
        timeout(Duration::from_secs(5), seen.thrown()).await.expect("the drain was not seen");
        Ok(())
    });
}

fn a_handler_that_ignores_everything_is_cancelled(network: &Network) {
    let grace = Duration::from_millis(100);
    let event_loop = network.event_loop();
    let failures = failures(&event_loop);
    drop(event_loop);
    let (receipt, took) = tell_timed(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let server = server.grace(grace).until(over.thrown());
        let serving = spawn(server.serve(async |_stream: Stream, _| pending::<()>().await));
        let mut clients = queue(address, 5).await?;
        sleep(Duration::from_millis(50)).await;
        let drained = drained(&over, serving).await?;
        for client in &mut clients {
            // It was cut off: that is no clean end where it had sent what nobody received.
            drop(recv_to_end(client).await);
        }
        Ok(drained)
    });
    assert_ends(&receipt, 0, 0, 5);
    assert_took(network, took, grace + Duration::from_millis(200));
    assert!(receipt.left.iter().all(|left| left.why == Why::Drain && left.age >= grace), "{receipt}");
    assert!(failures.borrow().is_empty());
}

fn a_handler_that_panics_during_the_drain_has_failed(network: &Network) {
    let event_loop = network.event_loop();
    let failures = failures(&event_loop);
    let receipt = tell_on(&event_loop, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.until(over.thrown()).serve(async |stream: Stream, client: Client| {
            if client.peer() != &stream.peer_addr()? {
                return io::Result::<()>::Err(io::Error::other("another's peer"));
            }
            client.draining().await;
            panic!("at the drain");
        }));
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(address).await?);
        }
        sleep(Duration::from_millis(20)).await;
        over.throw();
        for client in &mut clients {
            assert!(recv_to_end(client).await?.is_empty());
        }
        drop(clients);
        serving.await
    });
    assert_ends(&receipt, 0, 3, 0);
    assert_eq!(failures.borrow().len(), 3);
    assert!(failures.borrow().iter().all(|failure| failure.contains("at the drain")));
}

fn what_was_not_sent_and_the_age_are_on_the_receipt(network: &Network) {
    let receipt = tell(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let server = server.grace(Duration::ZERO).until(over.thrown());
        let serving =
            spawn(server.serve(async |mut stream: Stream, _| stream.send_all(vec![1; 50_000_000]).await));
        let client = TcpStream::connect(address).await?;
        sleep(Duration::from_millis(100)).await;
        over.throw();
        let receipt = serving.await?;
        drop(client);
        Ok(receipt)
    });
    assert_ends(&receipt, 0, 0, 1);
    let left = &receipt.left[0];
    // All of it, but for what the client's kernel has taken over.
    assert!((30_000_000..=50_000_000).contains(&left.unsent), "{receipt}");
    assert!(left.age >= Duration::from_millis(300) && left.age < Duration::from_secs(5), "{receipt}");
}

fn the_same_port_can_be_served_again_at_once(network: &Network) {
    tell(network, async {
        let port = ReservedPort::new();
        let address = port.address();
        let mut server = Server::bind(address).await?;
        for round in 0..5 {
            let over = Switch::default();
            let serving = spawn(server.grace(Duration::ZERO).until(over.thrown()).serve(echo));
            let mut client = TcpStream::connect(address).await?;
            exchange(&mut client, &pattern(round, 1_000)).await?;
            over.throw();
            // The server ends first, so that its side is the one that stays in TIME_WAIT.
            assert!(recv_to_end(&mut client).await?.is_empty());
            drop(client);
            assert_ends(&serving.await?, 1, 0, 0);
            server = Server::bind(address).await?;
        }
        Ok(())
    });
}

/// Not even with a client that does not answer the end of its connection.
fn nothing_is_left_to_be_closed_after_a_drain(network: &Network) {
    let receipt = tell_timed(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.grace(Duration::ZERO).until(over.thrown()).serve(echo));
        let client = TcpStream::connect(address).await?;
        sleep(Duration::from_millis(50)).await;
        let (receipt, _) = drained(&over, serving).await?;
        yield_now().await;
        yield_now().await;
        let closing =
            CLOCK.with_borrow(|clock| clock.as_ref().map(|event_loop| event_loop.engine().closing()));
        assert_eq!(closing, Some(0));
        drop(client);
        Ok(receipt)
    });
    assert_ends(&receipt, 1, 0, 0);
}

/// One may wait a moment for what closes on the loop on the other's behalf, but for no longer than its own drain may take.
fn two_servers_of_one_loop_drain_each_in_its_own_time(network: &Network) {
    let (receipt, took) = tell_timed(network, async {
        let ((one, at_one), (other, at_other)) = (bind().await?, bind().await?);
        let one = one.grace(Duration::from_millis(100));
        let (over, other_over) = (Switch::default(), Switch::default());
        let one = spawn(one.until(over.thrown()).serve(echo));
        let other = spawn(other.until(other_over.thrown()).serve(async |_: Stream, _| {}));
        let mut client = TcpStream::connect(at_one).await?;
        exchange(&mut client, b"hello").await?;
        drop(client);
        // The other's client was let go, and does not close.
        let stays = TcpStream::connect(at_other).await?;
        sleep(Duration::from_millis(50)).await;
        let drained = drained(&over, one).await;
        drop(stays);
        other_over.throw();
        assert_ends(&other.await?, 1, 0, 0);
        drained
    });
    assert_ends(&receipt, 1, 0, 0);
    assert!(took <= Duration::from_millis(350 + 250), "{took:?}");
}
