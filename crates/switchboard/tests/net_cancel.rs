//! Cancel safety, on every engine: each method's future is dropped at every point where it waits, while there is
//! traffic, and nothing is lost, doubled or left behind.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use network::streams::{at_last, given_up, pair, pattern, received, tcp_pair};
use network::{Network, on_every_engine};
use switchboard::engine::Lease;
use switchboard::net::{Lines, Listener, Stream, TcpListener, TcpStream, UdpSocket};
use switchboard::{spawn, yield_now};

on_every_engine! {
    f15_receives_that_are_dropped_lose_no_byte,
    f15_lines_that_are_dropped_lose_no_byte,
    f15_datagrams_are_received_once_each,
    e6_accepts_that_are_dropped_lose_no_connection,
    sends_of_leases_that_are_dropped_are_whole_or_nothing,
    a_lease_is_not_cut_in_two_by_the_end_of_a_budget,
    writes_that_are_dropped_sent_nothing,
    a_write_all_that_is_dropped_is_whole_or_ends_the_sending,
    datagrams_that_are_dropped_are_sent_whole_or_not,
    a_shutdown_that_is_dropped_is_done,
    a_connect_that_is_dropped_leaves_nothing_behind,
    a_receive_that_was_dropped_when_it_was_done_is_next,
}

/// Sends a pattern in pieces of odd sizes, with others' turns between them, and then the end.
async fn trickle(mut stream: Stream, bytes: Vec<u8>) -> io::Result<()> {
    let (mut at, mut size) = (0, 1);
    while at < bytes.len() {
        let end = (at + size).min(bytes.len());
        stream.write_all(&bytes[at..end]).await?;
        (at, size) = (end, (size * 7 + 3) % 5003 + 1);
        for _ in 0..size % 4 {
            yield_now().await;
        }
    }
    stream.shutdown().await
}

fn f15_receives_that_are_dropped_lose_no_byte(network: &Network) {
    network.block_on(async {
        let sent = pattern(300_000);
        let (mut near, far) = pair().await;
        let sending = spawn(trickle(far, sent.clone()));
        let mut bytes = Vec::new();
        let mut buffer = [0; 1000];
        for round in 0_usize.. {
            let steps = round % 5;
            let end = match round % 4 {
                0 => given_up(steps, near.recv()).await.map(|lease| {
                    bytes.extend_from_slice(&lease.as_ref().unwrap()[..]);
                    lease.unwrap().is_empty()
                }),
                1 => given_up(steps, near.read(&mut buffer)).await.map(|count| {
                    let count = count.unwrap();
                    bytes.extend_from_slice(&buffer[..count]);
                    count == 0
                }),
                2 => given_up(steps, near.peek()).await.map(|lease| {
                    let lease = lease.unwrap();
                    assert!(sent[bytes.len()..].starts_with(&lease));
                    lease.is_empty()
                }),
                _ => given_up(steps, futures_lite::AsyncBufReadExt::fill_buf(&mut near)).await.map(|held| {
                    assert!(sent[bytes.len()..].starts_with(held.unwrap()));
                    false
                }),
            };
            if end == Some(true) {
                break;
            }
            if end.is_none() && steps > 0 {
                yield_now().await;
            }
        }
        assert!(bytes == sent);
        sending.await.unwrap();
    });
}

fn f15_lines_that_are_dropped_lose_no_byte(network: &Network) {
    network.block_on(async {
        let sent: Vec<String> = (0..3000).map(|i| format!("{i}{}", "-".repeat(i % 40))).collect();
        let (mut near, far) = pair().await;
        let sending = spawn(trickle(far, sent.join("\r\n").into_bytes()));
        let (mut lines, mut got) = (Lines::new(100), Vec::new());
        for round in 0.. {
            match given_up(round % 4, lines.next_line(&mut near)).await {
                Some(line) => match line.unwrap() {
                    Some(line) => got.push(String::from_utf8(line.bytes.to_vec()).unwrap()),
                    None => break,
                },
                None => yield_now().await,
            }
        }
        assert_eq!(got, sent);
        sending.await.unwrap();
    });
}

fn f15_datagrams_are_received_once_each(network: &Network) {
    network.block_on(async {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = receiver.local_addr().unwrap();
        let (taken, before) = (Rc::new(Cell::new(0_u32)), 20);
        let seen = Rc::clone(&taken);
        let sending = spawn(async move {
            for number in 0..1000_u32 {
                // No more at once than any system keeps.
                while number > seen.get() + before {
                    yield_now().await;
                }
                sender.send_to(&number.to_be_bytes(), to).await.unwrap();
            }
        });
        for round in 0.. {
            let next = taken.get();
            if next == 1000 {
                break;
            }
            match given_up(round % 4, receiver.recv_from(4)).await {
                Some(datagram) => {
                    assert_eq!(&*datagram.unwrap().data, next.to_be_bytes());
                    taken.set(next + 1);
                }
                None => yield_now().await,
            }
        }
        sending.await;
    });
}

fn e6_accepts_that_are_dropped_lose_no_connection(network: &Network) {
    network.block_on(async {
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let connecting = spawn(async move {
            for number in 0..200_u32 {
                let mut client = Stream::connect(&to).await.unwrap();
                client.write_all(&number.to_be_bytes()).await.unwrap();
                for _ in 0..number % 5 {
                    yield_now().await;
                }
            }
        });
        let mut numbers = Vec::new();
        for round in 0.. {
            if numbers.len() == 200 {
                break;
            }
            match given_up(round % 4, listener.accept()).await {
                Some(accepted) => {
                    let mut number = [0; 4];
                    accepted.unwrap().0.read_exact(&mut number).await.unwrap();
                    numbers.push(u32::from_be_bytes(number));
                }
                None => yield_now().await,
            }
        }
        assert!(numbers.into_iter().eq(0..200));
        connecting.await;
    });
}

fn sends_of_leases_that_are_dropped_are_whole_or_nothing(network: &Network) {
    network.block_on(async {
        let (mut near, mut far) = pair().await;
        // Larger than the buffers of the systems, so that some have to wait, each of one byte of its own.
        const PIECE: usize = 700_000;
        let receiving = spawn(async move {
            for _ in 0..100 {
                yield_now().await;
            }
            received(&mut far).await
        });
        for number in 0..60_u8 {
            let piece = vec![number; PIECE];
            given_up(usize::from(number) % 6, near.send_all(piece)).await.unwrap_or(Ok(())).unwrap();
        }
        drop(near);
        let bytes = receiving.await;
        assert!(bytes.len().is_multiple_of(PIECE), "{} bytes", bytes.len());
        let numbers: Vec<u8> = bytes.chunks(PIECE).map(|piece| piece[0]).collect();
        assert!(bytes.chunks(PIECE).all(|piece| piece.iter().all(|byte| *byte == piece[0])));
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert!(numbers.len() > 10 && numbers.len() < 60, "{numbers:?}");
    });
}

/// Whatever a task has spent of its poll's budget, a lease of which a part was sent is with the engine at the poll's end.
fn a_lease_is_not_cut_in_two_by_the_end_of_a_budget(network: &Network) {
    network.block_on(async {
        let much = pattern(5_000_000);
        let mut whole = 0;
        for spent in 0..70 {
            let (mut near, mut far) = pair().await;
            far.write_all(b"to be peeked at").await.unwrap();
            let bytes = much.clone();
            let sending = spawn(async move {
                near.peek().await.unwrap();
                yield_now().await;
                let attempt = async {
                    for _ in 0..spent {
                        near.peek().await.unwrap();
                    }
                    near.send_all(bytes).await.unwrap();
                };
                given_up(1, attempt).await;
            });
            sending.await;
            let bytes = received(&mut far).await;
            assert!(bytes.is_empty() || bytes == much, "{spent} spent: {} bytes", bytes.len());
            whole += usize::from(!bytes.is_empty());
        }
        assert!(whole > 50, "{whole}");
    });
}

fn writes_that_are_dropped_sent_nothing(network: &Network) {
    network.block_on(async {
        let sent = pattern(20_000_000);
        let (mut near, mut far) = pair().await;
        let receiving = spawn(async move { received(&mut far).await });
        let mut at = 0;
        for round in 0.. {
            if at == sent.len() {
                break;
            }
            match given_up(round % 4, near.write(&sent[at..])).await {
                Some(count) => at += count.unwrap(),
                None => yield_now().await,
            }
        }
        drop(near);
        assert!(receiving.await == sent);
    });
}

fn a_write_all_that_is_dropped_is_whole_or_ends_the_sending(network: &Network) {
    network.block_on(async {
        for steps in 0..8 {
            let (mut near, mut far) = pair().await;
            let receiving = spawn(async move { received_or_broken_off(&mut far).await });
            let much = pattern(3_000_000);
            let whole = match given_up(steps, near.write_all(&much)).await {
                Some(outcome) => {
                    outcome.unwrap();
                    true
                }
                None => false,
            };
            let more = near.write_all(b"more").await;
            drop(near);
            let (received, end) = receiving.await;
            if whole {
                more.unwrap();
                assert!(received[..much.len()] == much && &received[much.len()..] == b"more");
            } else if let Err(error) = more {
                assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
                assert!(received.len() < much.len() && much.starts_with(&received));
                assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
                continue;
            } else {
                assert_eq!(received, b"more");
            }
            end.unwrap();
        }
    });
}

/// Receives to the end of a stream, or to what breaks it off.
async fn received_or_broken_off(stream: &mut Stream) -> (Vec<u8>, io::Result<()>) {
    let mut bytes = Vec::new();
    loop {
        match stream.recv().await {
            Ok(lease) if lease.is_empty() => return (bytes, Ok(())),
            Ok(lease) => bytes.extend_from_slice(&lease),
            Err(error) => return (bytes, Err(error)),
        }
    }
}

fn datagrams_that_are_dropped_are_sent_whole_or_not(network: &Network) {
    network.block_on(async {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = receiver.local_addr().unwrap();
        for number in 0..100_u8 {
            let sent = given_up(usize::from(number) % 3, sender.send_to(vec![number; 100], to)).await;
            if sent.is_some() {
                let datagram = receiver.recv_from(1000).await.unwrap();
                assert_eq!(*datagram.data, [number; 100]);
            }
        }
        assert!(given_up(1, receiver.recv_from(1)).await.is_none());
    });
}

fn a_shutdown_that_is_dropped_is_done(network: &Network) {
    network.block_on(async {
        for steps in 1..6 {
            let (mut near, mut far) = pair().await;
            let much = pattern(5_000_000);
            // The shutdown has to wait behind this.
            given_up(1, near.send_all(much.clone())).await;
            let receiving = spawn(async move {
                let bytes = received(&mut far).await;
                (far, bytes)
            });
            given_up(steps, near.shutdown()).await;
            let (mut far, bytes) = receiving.await;
            assert!(bytes == much);
            near.shutdown().await.unwrap();
            far.write_all(b"back").await.unwrap();
            let mut back = [0; 4];
            near.read_exact(&mut back).await.unwrap();
            assert_eq!(&back, b"back");
        }
    });
}

fn a_connect_that_is_dropped_leaves_nothing_behind(network: &Network) {
    let event_loop = network.event_loop();
    network::streams::block_on(&event_loop, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = format!("localhost:{}", listener.local_addr().unwrap().port());
        let mut client = at_last(|| TcpStream::connect(to.clone())).await.unwrap();
        client.write_all(b"this one").await.unwrap();
        // Those that were given up are ended, if they came so far at all.
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let Ok(data) = stream.recv().await else { continue };
            if !data.is_empty() {
                assert!(b"this one".starts_with(&data));
                break;
            }
        }
    });
    event_loop.wind_up().unwrap();
    assert_eq!(event_loop.engine().closing(), 0);
}

fn a_receive_that_was_dropped_when_it_was_done_is_next(network: &Network) {
    network.block_on(async {
        let (mut near, mut far) = tcp_pair().await;
        let sending = spawn(async move {
            far.write_all(b"first").await.unwrap();
            far
        });
        // Woken, so it has been received; and not taken.
        assert!(given_up(2, near.recv()).await.is_none());
        let mut far = sending.await;
        far.send_all(Lease::from(&b" second"[..])).await.unwrap();
        let mut all = [0; 12];
        near.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"first second");
    });
}
