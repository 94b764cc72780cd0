//! How connections end, on every engine: gently, by reset, and with data before the end.
#![allow(clippy::disallowed_methods, reason = "tests guard themselves by the real clock")]

mod network;

use std::io;
use std::time::{Duration, Instant};

use network::streams::{pair, pattern, received, tcp_pair};
use network::{Network, on_every_engine};
use switchboard::net::{Close, Listener, Stream};
use switchboard::{spawn, timeout};

on_every_engine! {
    b8_all_is_received_before_the_end_with_a_small_buffer,
    b12_a_reset_is_an_error_within_a_second,
    e8_a_reply_arrives_whole_although_nobody_read_the_request,
    e10_shutdown_after_a_reset_is_no_error,
    f1_the_tail_of_vectored_writes_arrives_at_a_slow_reader,
}

fn b8_all_is_received_before_the_end_with_a_small_buffer(network: &Network) {
    network.block_on(async {
        for length in [1, 7, 1000, 100_003] {
            let (mut near, mut far) = pair().await;
            let sent = pattern(length);
            far.write_all(&sent).await.unwrap();
            far.shutdown().await.unwrap();
            drop(far);
            let (mut bytes, mut buffer) = (Vec::new(), [0; 7]);
            loop {
                match near.read(&mut buffer).await.unwrap() {
                    0 => break,
                    count => bytes.extend_from_slice(&buffer[..count]),
                }
            }
            assert!(bytes == sent);
            assert_eq!(near.read(&mut buffer).await.unwrap(), 0);
        }
    });
}

fn b12_a_reset_is_an_error_within_a_second(network: &Network) {
    network.block_on(async {
        for waits in [true, false] {
            let ((mut one, one_far), (mut other, other_far)) = (pair().await, pair().await);
            let begun = Instant::now();
            let receiving = spawn(async move { one.recv().await.map(drop) });
            let reading = spawn(async move { other.read(&mut [0; 10]).await.map(drop) });
            if waits {
                switchboard::yield_now().await;
            }
            one_far.close(Close::Reset);
            other_far.close(Close::Reset);
            for task in [receiving, reading] {
                assert_eq!(task.await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
            }
            assert!(begun.elapsed() < Duration::from_secs(1));
        }
    });
}

/// A server that replies without reading its client's 100 KB, and drops the stream.
async fn reply_unread(mut stream: Stream, reply: &[u8]) {
    // So that it is certain to be there, unread.
    stream.peek().await.unwrap();
    stream.write_all(reply).await.unwrap();
}

fn e8_a_reply_arrives_whole_although_nobody_read_the_request(network: &Network) {
    // Elsewhere nothing hangs on chance.
    let times = if network.is_real() { 1000 } else { 100 };
    network.block_on(async {
        let (request, reply) = (pattern(100_000), pattern(1 << 20));
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        for _ in 0..times / 20 {
            let mut tasks = Vec::new();
            for _ in 0..20 {
                let (to, request, expected) = (to.clone(), request.clone(), reply.clone());
                tasks.push(spawn(async move {
                    let mut client = Stream::connect(&to).await.unwrap();
                    client.write_all(&request).await.unwrap();
                    assert!(received(&mut client).await == expected);
                }));
                let (stream, _) = listener.accept().await.unwrap();
                let reply = reply.clone();
                tasks.push(spawn(async move { reply_unread(stream, &reply).await }));
            }
            for task in tasks {
                task.await;
            }
        }
    });
}

fn e10_shutdown_after_a_reset_is_no_error(network: &Network) {
    network.block_on(async {
        for heard in [true, false] {
            let (mut near, far) = pair().await;
            far.close(Close::Reset);
            if heard {
                near.recv().await.unwrap_err();
            } else {
                // The reset is there, and has not been told to anybody.
                timeout(Duration::from_secs(5), near.peek()).await.unwrap().unwrap_err();
            }
            near.shutdown().await.unwrap();
            near.shutdown().await.unwrap();
        }
    });
}

fn f1_the_tail_of_vectored_writes_arrives_at_a_slow_reader(network: &Network) {
    network.block_on(async {
        let (mut near, mut far) = tcp_pair().await;
        let parts: Vec<Vec<u8>> = (0..100_u8).map(|number| vec![number; 6500]).collect();
        // Again and again, so that it is more than the buffers of any system take.
        const TIMES: usize = 20;
        let mut expected = parts.concat().repeat(TIMES);
        expected.extend_from_slice(b"the end");
        let sending = spawn(async move {
            for _ in 0..TIMES {
                let mut slices: Vec<_> = parts.iter().map(|part| io::IoSlice::new(part)).collect();
                near.write_all_vectored(&mut slices).await.unwrap();
            }
            near.write_all(b"the end").await.unwrap();
        });
        let (mut bytes, mut buffer) = (Vec::new(), [0; 10_007]);
        loop {
            for _ in 0..3 {
                switchboard::yield_now().await;
            }
            match far.read(&mut buffer).await.unwrap() {
                0 => break,
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
        sending.await;
        assert!(bytes == expected);
    });
}
