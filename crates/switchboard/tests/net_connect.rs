//! Connecting, on every engine: by name, in time, and with an error that names what was tried.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use network::reserved::ReservedPort;
use network::streams::{block_on, unix_listener};
use network::{Network, on_every_engine};
use switchboard::engine::Listen;
use switchboard::engine::sim::Network as World;
use switchboard::net::{Listener, Stream, TcpListener, TcpStream, UnixListener, UnixStream};
use switchboard::{EventLoop, sleep, spawn};

on_every_engine! {
    e7_a_refused_port_is_said_to_be_refused,
    e7_a_port_that_does_not_answer_is_given_up_in_time,
    e7_a_full_unix_socket_is_an_error_and_no_hang,
    a_unix_socket_that_is_not_there_is_not_found,
    a_stream_connects_to_whatever_a_target_is,
    what_is_no_address_of_tcp_is_wrong_use,
    a_deadline_bounds_the_looking_up_of_the_host,
}

/// A listener whose queue is full, so that who connects to it waits; and those who are in the queue.
async fn full(at: &str) -> (Listener, Vec<Stream>) {
    let listen = Listen { backlog: 0, ..Listen::at(at.parse().unwrap()) };
    let listener = Listener::open(listen).unwrap();
    let (to, mut queue) = (listener.local_addr().unwrap(), Vec::new());
    while let Ok(stream) = Stream::connect_timeout(&to, Duration::from_millis(30)).await {
        queue.push(stream);
        assert!(queue.len() < 100, "a queue without a bound");
    }
    (listener, queue)
}

fn e7_a_refused_port_is_said_to_be_refused(network: &Network) {
    network.block_on(async {
        // On all addresses: a host of that name may have several.
        let nobody = ReservedPort::at(Ipv6Addr::UNSPECIFIED.into());
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, nobody.address().port()));
        let error = TcpStream::connect(at).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let said = error.to_string();
        assert!(said.starts_with(&format!("cannot connect to {at}: Connection refused")), "{said}");
        let host = format!("localhost:{}", at.port());
        let error = TcpStream::connect_timeout(host.clone(), Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
        let said = error.to_string();
        assert!(said.starts_with(&format!("cannot connect to {host}: ")), "{said}");
        assert!(said.contains(&format!("{at}: Connection refused")), "{said}");
    });
}

fn e7_a_port_that_does_not_answer_is_given_up_in_time(network: &Network) {
    let event_loop = network.event_loop();
    block_on(&event_loop, async {
        let (listener, queue) = full("127.0.0.1:0").await;
        let to = listener.local_addr().unwrap();
        let begun = event_loop.engine().clock();
        let error = TcpStream::connect_timeout(to.to_string(), Duration::from_millis(50)).await.unwrap_err();
        let took = event_loop.engine().clock() - begun;
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), format!("cannot connect to {to} within 50ms: no answer"));
        assert!(took >= Duration::from_millis(50) && took < Duration::from_secs(2), "{took:?}");
        drop(queue);
    });
    event_loop.wind_up().unwrap();
}

fn e7_a_full_unix_socket_is_an_error_and_no_hang(network: &Network) {
    network.block_on(async {
        let name = format!("unix:@switchboard-full-{}-{}", network.name(), std::process::id());
        let (listener, queue) = full(&name).await;
        let error = Stream::connect(&listener.local_addr().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy, "{error}");
        assert!(error.to_string().starts_with(&format!("cannot connect to {name}: ")), "{error}");
        assert!(!queue.is_empty());
        listener.accept().await.unwrap();
        Stream::connect(&listener.local_addr().unwrap()).await.unwrap();
    });
}

fn a_unix_socket_that_is_not_there_is_not_found(network: &Network) {
    network.block_on(async {
        let error = UnixStream::connect("/nowhere/at/all.sock").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        assert!(error.to_string().starts_with("cannot connect to unix:/nowhere/at/all.sock: "), "{error}");
        let error = UnixListener::bind("/nowhere/at/all.sock").await;
        assert!(!network.is_real() || error.is_err());
    });
}

fn a_stream_connects_to_whatever_a_target_is(network: &Network) {
    network.block_on(async {
        let listeners = [
            Listener::bind("127.0.0.1:0").await.unwrap(),
            Listener::bind("[::1]:0").await.unwrap(),
            unix_listener(&format!("any-{}", network.name())).await,
        ];
        for listener in listeners {
            let at = listener.local_addr().unwrap().to_string();
            let mut near = Stream::connect(at.as_str()).await.unwrap();
            assert_eq!(near.peer_addr().unwrap().to_string(), at);
            let (mut far, _) = listener.accept().await.unwrap();
            near.write_all(b"hello").await.unwrap();
            let mut hello = [0; 5];
            far.read_exact(&mut hello).await.unwrap();
            assert_eq!(&hello, b"hello");
        }
    });
}

fn what_is_no_address_of_tcp_is_wrong_use(network: &Network) {
    network.block_on(async {
        for error in [
            TcpStream::connect("unix:/tmp/a").await.unwrap_err(),
            TcpStream::connect_timeout("unix:/tmp/a", Duration::from_secs(1)).await.unwrap_err(),
            TcpListener::bind("unix:/tmp/a").await.unwrap_err(),
            TcpStream::connect("nonsense").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        }
    });
}

fn a_deadline_bounds_the_looking_up_of_the_host(network: &Network) {
    network.block_on(async {
        let error = TcpStream::connect_timeout("localhost:1", Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // A real helper may be fast enough to know them within no time.
        let in_time = ["its addresses are not known yet", "127.0.0.1:1: no answer", "[::1]:1: no answer"];
        let expected = if network.is_real() { &in_time[..] } else { &in_time[..1] };
        let said = error.to_string();
        let reason = said.strip_prefix("cannot connect to localhost:1 within 0ns: ");
        assert!(reason.is_some_and(|reason| expected.contains(&reason)), "{said}");
    });
}

#[test]
fn outside_a_loop_connecting_is_a_clear_error() {
    let error = futures_lite::future::block_on(TcpStream::connect("127.0.0.1:1")).unwrap_err();
    assert!(error.to_string().contains("outside its event loop"), "{error}");
}

/// A loop on a network in memory where `host.test` has these addresses.
fn in_memory(addresses: &[&str]) -> EventLoop {
    let network = World::new();
    let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    network.name("host.test", &addresses);
    EventLoop::with(network.engine())
}

#[test]
fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() {
    let event_loop = in_memory(&["::1", "10.0.0.1"]);
    block_on(&event_loop, async {
        let (dead, queue) = full("[::1]:80").await;
        let _alive = Listener::bind("10.0.0.1:80").await.unwrap();
        let begun = event_loop.now();
        let stream = TcpStream::connect("host.test:80").await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), "10.0.0.1:80".parse().unwrap());
        let took = event_loop.now() - begun;
        assert!(took >= Duration::from_millis(250) && took < Duration::from_millis(260), "{took:?}");
        // The loser is gone: only those who filled the queue are in it.
        let mut left = 0;
        while switchboard::timeout(Duration::from_secs(1), dead.accept()).await.is_ok() {
            left += 1;
        }
        assert_eq!(left, queue.len());
    });
}

#[test]
fn an_address_that_refuses_costs_nothing() {
    let event_loop = in_memory(&["::1", "::2", "10.0.0.1"]);
    block_on(&event_loop, async {
        let _alive = Listener::bind("[::2]:80").await.unwrap();
        let begun = event_loop.now();
        let stream = TcpStream::connect("host.test:80").await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), "[::2]:80".parse().unwrap());
        assert!(event_loop.now() - begun < Duration::from_millis(10));
    });
}

#[test]
fn the_first_to_answer_wins_whoever_began_first_and_the_other_is_closed() {
    let event_loop = in_memory(&["::1", "10.0.0.1"]);
    block_on(&event_loop, async {
        let (first, _queue) = full("[::1]:80").await;
        let (second, _other_queue) = full("10.0.0.1:80").await;
        let accepting = spawn(async move {
            sleep(Duration::from_millis(400)).await;
            first.accept().await.unwrap();
            first
        });
        let begun = event_loop.now();
        let stream = TcpStream::connect("host.test:80").await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), "[::1]:80".parse().unwrap());
        assert!(event_loop.now() - begun >= Duration::from_millis(400));
        drop((accepting.await, second));
    });
    event_loop.wind_up().unwrap();
}

#[test]
fn the_error_names_every_attempt_in_the_order_of_trying() {
    let event_loop = in_memory(&["::1", "::2", "10.0.0.1"]);
    block_on(&event_loop, async {
        let error = TcpStream::connect("host.test:81").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let why = "Connection refused (os error 111)";
        let said =
            format!("cannot connect to host.test:81: [::1]:81: {why}; 10.0.0.1:81: {why}; [::2]:81: {why}");
        assert_eq!(error.to_string(), said);
    });
}

#[test]
fn the_error_of_a_deadline_says_how_each_attempt_stands() {
    let event_loop = in_memory(&["::1", "10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    block_on(&event_loop, async {
        let (_second, _queue) = full("10.0.0.1:81").await;
        let (_third, _queue) = full("10.0.0.2:81").await;
        let time = Duration::from_millis(400);
        let begun = event_loop.now();
        let error = TcpStream::connect_timeout("host.test:81", time).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let said = "cannot connect to host.test:81 within 400ms: [::1]:81: Connection refused (os error 111); \
                    10.0.0.1:81: no answer; 10.0.0.2:81: no answer; 10.0.0.3:81: not tried yet";
        assert_eq!(error.to_string(), said);
        assert_eq!((event_loop.now() - begun).as_millis(), 400);
    });
    event_loop.wind_up().unwrap();
}
