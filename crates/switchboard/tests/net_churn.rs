//! A hundred thousand connections, one after another: memory and descriptors stay what they were.
//!
//! One test in a process of its own: it counts all its descriptors and all its memory. On real kernels the connections
//! are mostly on Unix sockets, which leave nothing in TIME_WAIT.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::fs;
use std::time::Duration;

use network::resident::resident;
use network::streams::{block_on, given_up};
use network::{Network, real};
use switchboard::net::{Listener, Stream};
use switchboard::{Address, EventLoop, spawn};

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    for (network, times) in [(Network::SIM, 90_000), (Network::SIM_ONESHOT, 10_000)] {
        churn(&network, "127.0.0.1:0", times);
    }
    for network in real() {
        let name = format!("unix:@switchboard-churn-{}-{}", network.name(), std::process::id());
        churn(&network, &name, 3000);
        churn(&network, "127.0.0.1:0", 300);
    }
}

fn churn(network: &Network, at: &str, times: usize) {
    let event_loop = network.event_loop();
    let (listener, to) = block_on(&event_loop, async {
        let listener = Listener::bind(at).await.unwrap();
        let to = listener.local_addr().unwrap();
        (listener, to)
    });
    let warm_up = times / 10;
    converse(&event_loop, &listener, &to, warm_up);
    let before = (descriptors(), resident());
    converse(&event_loop, &listener, &to, times - warm_up);
    assert_eq!(descriptors(), before.0, "descriptors on {}", network.name());
    let grown = resident().saturating_sub(before.1);
    assert!(grown < 2 << 20, "{grown} bytes more on {}", network.name());
    assert_eq!(event_loop.engine().pool().lent(), 0);
}

/// So many connections, with every way to begin and to end one.
fn converse(event_loop: &EventLoop, listener: &Listener, to: &Address, times: usize) {
    let limit = Duration::from_secs(3600);
    for numbers in (0..times).collect::<Vec<_>>().chunks(1000) {
        block_on(event_loop, async {
            for &number in numbers {
                // Some are given up, and connect all the same or do not.
                given_up(number % 3, Stream::connect(to)).await;
                let mut client = Stream::connect_timeout(to, limit).await.unwrap();
                let greeting = spawn(async move {
                    client.write_all(b"hello").await?;
                    client.recv().await.map(|answer| assert!(b"HELLO".starts_with(&answer)))
                });
                loop {
                    let mut server = listener.accept().await.unwrap().0;
                    let Ok(hello) = server.recv().await else { continue };
                    if hello.is_empty() {
                        continue;
                    }
                    match number % 4 {
                        0 => server.send_all(hello.to_ascii_uppercase()).await.unwrap(),
                        1 => drop(server.into_split()),
                        2 => server.shutdown().await.unwrap(),
                        _ => server.close(switchboard::net::Close::Now),
                    }
                    break;
                }
                greeting.await.unwrap();
            }
        });
    }
    event_loop.turn(Some(Duration::ZERO)).unwrap();
    while event_loop.engine().closing() > 0 {
        event_loop.turn(None).unwrap();
    }
    // Those that were given up after they had connected, and came last.
    block_on(event_loop, async { while given_up(1, listener.accept()).await.is_some() {} });
    while event_loop.engine().closing() > 0 {
        event_loop.turn(None).unwrap();
    }
}

/// How many descriptors this process has open, the one that counts them included.
fn descriptors() -> usize {
    let folder = ["/proc/self/fd", "/dev/fd"].into_iter().find_map(|path| fs::read_dir(path).ok());
    folder.expect("a folder that lists descriptors").count()
}
