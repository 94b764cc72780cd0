//! Copying in both directions, on every engine: all that is sent arrives, ends are passed on, errors end both.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::io;

use network::streams::{pair, pattern, received};
use network::{Network, on_every_engine};
use switchboard::net::{Close, Stream, copy_bidirectional};
use switchboard::{Task, spawn};

on_every_engine! {
    all_arrives_both_ways_and_is_counted,
    the_end_of_one_direction_is_passed_on_and_the_other_goes_on,
    an_error_in_one_direction_ends_both_and_leaves_the_streams,
    a_slow_reader_slows_its_sender,
}

/// A client and a server, with a proxy between them, whose streams come back.
async fn proxied() -> (Stream, Stream, Task<(io::Result<(u64, u64)>, Stream, Stream)>) {
    let ((client, mut inner), (server, mut outer)) = (pair().await, pair().await);
    let proxy = spawn(async move {
        let copied = copy_bidirectional(&mut inner, &mut outer).await;
        (copied, inner, outer)
    });
    (client, server, proxy)
}

/// Sends this, and then the end; gives what is received, to the end.
async fn converse(stream: Stream, bytes: Vec<u8>) -> Vec<u8> {
    let (mut reader, mut writer) = stream.into_split();
    let sending = spawn(async move { writer.write_all(&bytes).await });
    let mut all = Vec::new();
    loop {
        let lease = reader.recv().await.unwrap();
        if lease.is_empty() {
            break;
        }
        all.extend_from_slice(&lease);
    }
    sending.await.unwrap();
    all
}

fn all_arrives_both_ways_and_is_counted(network: &Network) {
    network.block_on(async {
        let (client, server, proxy) = proxied().await;
        let (there, back) = (pattern(3_000_001), pattern(2_000_003));
        let answering = spawn(converse(server, back.clone()));
        assert!(converse(client, there.clone()).await == back);
        assert!(answering.await == there);
        assert_eq!(proxy.await.0.unwrap(), (3_000_001, 2_000_003));
    });
}

fn the_end_of_one_direction_is_passed_on_and_the_other_goes_on(network: &Network) {
    network.block_on(async {
        let (mut client, mut server, proxy) = proxied().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(received(&mut server).await, b"question");
        assert!(!proxy.is_finished());
        server.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        client.read_exact(&mut answer).await.unwrap();
        assert!(!proxy.is_finished());
        server.shutdown().await.unwrap();
        assert!(client.recv().await.unwrap().is_empty());
        assert_eq!(proxy.await.0.unwrap(), (8, 6));
    });
}

fn an_error_in_one_direction_ends_both_and_leaves_the_streams(network: &Network) {
    network.block_on(async {
        let (mut client, mut server, proxy) = proxied().await;
        client.write_all(b"begun").await.unwrap();
        let mut begun = [0; 5];
        server.read_exact(&mut begun).await.unwrap();
        client.close(Close::Reset);
        let (copied, _inner, mut outer) = proxy.await;
        assert_eq!(copied.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        // The other one is whole, and its holder decides how it ends.
        outer.write_all(b"sorry").await.unwrap();
        let mut sorry = [0; 5];
        server.read_exact(&mut sorry).await.unwrap();
        outer.close(Close::Reset);
        assert_eq!(server.recv().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    });
}

fn a_slow_reader_slows_its_sender(network: &Network) {
    let event_loop = network.event_loop();
    network::streams::block_on(&event_loop, async {
        let (client, server, _proxy) = proxied().await;
        let (_reader, mut writer) = client.into_split();
        let sending = spawn(async move { writer.write_all(&vec![1; 100 << 20]).await });
        let wait = std::time::Duration::from_millis(100);
        switchboard::sleep(wait).await;
        assert!(!sending.is_finished());
        // The proxy has one buffer in each direction at most.
        assert!(event_loop.engine().pool().lent() <= 2);
        drop((sending, server));
    });
}
