//! Flow, on every engine: memory is bounded, order is kept, waiting is cheap, whatever is mixed.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use network::streams::{block_on, given_up, pair, pattern, received};
use network::{Network, on_every_engine};
use switchboard::{sleep, spawn, timeout, yield_now};

on_every_engine! {
    f2_a_peer_that_never_reads_costs_one_lease_however_often_a_send_is_given_up,
    all_ways_to_send_stay_in_order,
    all_ways_to_receive_stay_in_order,
    a_receive_behind_a_poll_that_was_left_pending_gets_the_bytes,
    no_more_is_received_at_once_than_was_asked_for_and_the_rest_comes_next,
    a_bounded_receive_that_is_given_up_loses_nothing,
    an_idle_stream_holds_no_buffer,
    a_task_that_waits_for_many_streams_sleeps,
    a_task_that_waits_for_many_tasks_sleeps,
    a_stream_that_always_has_more_lets_others_have_their_turn,
}

fn f2_a_peer_that_never_reads_costs_one_lease_however_often_a_send_is_given_up(network: &Network) {
    let event_loop = network.event_loop();
    block_on(&event_loop, async {
        let (mut near, mut far) = pair().await;
        let lend = || {
            let mut lease = event_loop.engine().pool().lend();
            let size = lease.spare().len();
            lease.fill(size);
            lease
        };
        let (mut sent, mut given_up) = (0, 0);
        while given_up < 200 {
            match timeout(Duration::from_micros(200), near.send_all(lend())).await {
                Ok(outcome) => {
                    outcome.unwrap();
                    sent += 1;
                }
                Err(_) => given_up += 1,
            }
            assert!(event_loop.engine().pool().lent() <= 1);
        }
        // When the peer reads at last, all that was sent is there, and of the rest at most the one that was begun.
        let size = event_loop.engine().pool().size();
        drop(near);
        let bytes = received(&mut far).await.len();
        // Where a send may be short though there is room, one that was begun ends later, and another begins.
        let begun = if network.receives_whole() { 1 } else { given_up };
        assert!(bytes % size == 0, "{bytes} of {sent} × {size}");
        assert!((sent..=sent + begun).contains(&(bytes / size)), "{bytes} of {sent} × {size}");
    });
}

fn all_ways_to_send_stay_in_order(network: &Network) {
    network.block_on(async {
        let sent = pattern(6_000_000);
        let (mut near, mut far) = pair().await;
        let receiving = spawn(async move { received(&mut far).await });
        let mut at = 0;
        for round in 0.. {
            let piece = &sent[at..(at + 1 + round * 997 % 90_000).min(sent.len())];
            if piece.is_empty() {
                break;
            }
            at += match round % 5 {
                0 => near.write(piece).await.unwrap(),
                1 => AsyncWriteExt::write(&mut near, piece).await.unwrap(),
                2 => near.send_all(piece).await.map(|()| piece.len()).unwrap(),
                3 => near.write_all(piece).await.map(|()| piece.len()).unwrap(),
                // Given up as soon as it is with the engine, which sends it before all that follows. It gets there in its
                // first poll: nothing is ahead of it, and the budget is a fresh one.
                _ => {
                    yield_now().await;
                    given_up(1, near.send_all(piece)).await.unwrap_or(Ok(())).unwrap();
                    piece.len()
                }
            };
        }
        AsyncWriteExt::close(&mut near).await.unwrap();
        assert!(receiving.await == sent);
    });
}

fn all_ways_to_receive_stay_in_order(network: &Network) {
    network.block_on(async {
        let sent = pattern(3_000_000);
        let (mut near, far) = pair().await;
        let copy = sent.clone();
        let sending = spawn(async move {
            let mut far = far;
            far.write_all(&copy).await.unwrap();
        });
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 5003]);
        for round in 0.. {
            let before = bytes.len();
            match round % 5 {
                4 => bytes.extend_from_slice(&near.recv_at_most(7).await.unwrap()),
                0 => bytes.extend_from_slice(&near.recv().await.unwrap()),
                1 => {
                    let count = near.read(&mut buffer).await.unwrap();
                    bytes.extend_from_slice(&buffer[..count]);
                }
                2 => {
                    let count = AsyncReadExt::read(&mut near, &mut buffer[..11]).await.unwrap();
                    bytes.extend_from_slice(&buffer[..count]);
                }
                _ => {
                    let held = futures_lite::AsyncBufReadExt::fill_buf(&mut near).await.unwrap();
                    // Of what is held a part is left to the next, whoever that is.
                    let count = held.len().div_ceil(2);
                    bytes.extend_from_slice(&held[..count]);
                    futures_lite::AsyncBufReadExt::consume(&mut near, count);
                }
            }
            if bytes.len() == before {
                break;
            }
        }
        assert!(bytes == sent);
        sending.await;
    });
}

fn a_receive_behind_a_poll_that_was_left_pending_gets_the_bytes(network: &Network) {
    if !network.receives_whole() {
        return;
    }
    network.block_on(async {
        let (mut near, mut far) = pair().await;
        for way in 0..3 {
            assert!(given_up(1, AsyncReadExt::read(&mut near, &mut [0; 9])).await.is_none());
            far.write_all(b"the bytes").await.unwrap();
            let mut buffer = [0; 9];
            match way {
                0 => buffer.copy_from_slice(&near.recv().await.unwrap()),
                1 => near.read_exact(&mut buffer).await.unwrap(),
                _ => buffer.copy_from_slice(&near.peek().await.unwrap()),
            }
            assert_eq!(&buffer, b"the bytes");
        }
    });
}

fn no_more_is_received_at_once_than_was_asked_for_and_the_rest_comes_next(network: &Network) {
    if !network.receives_whole() {
        return;
    }
    network.block_on(async {
        let (mut near, mut far) = pair().await;
        // From the system, and from what is held already because somebody looked at it.
        for is_held in [false, true] {
            far.write_all(b"0123456789").await.unwrap();
            if is_held {
                while futures_lite::AsyncBufReadExt::fill_buf(&mut near).await.unwrap().len() < 10 {
                    yield_now().await;
                }
            }
            assert!(near.recv_at_most(0).await.unwrap().is_empty());
            for expected in [&b"012"[..], b"345", b"678", b"9"] {
                assert_eq!(&*near.recv_at_most(3).await.unwrap(), expected, "held: {is_held}");
            }
        }
        // More than there is, and than a buffer of the pool holds.
        far.write_all(b"rest").await.unwrap();
        assert_eq!(&*near.recv_at_most(1 << 30).await.unwrap(), b"rest");
        drop(far);
        assert!(near.recv_at_most(0).await.unwrap().is_empty());
        assert!(near.recv_at_most(3).await.unwrap().is_empty(), "the end");
    });
}

fn a_bounded_receive_that_is_given_up_loses_nothing(network: &Network) {
    network.block_on(async {
        let sent = pattern(20_000);
        let (mut near, mut far) = pair().await;
        let copy = sent.clone();
        let sending = spawn(async move {
            for piece in copy.chunks(10) {
                far.write_all(piece).await.unwrap();
                yield_now().await;
            }
        });
        let mut bytes = Vec::new();
        for steps in 0.. {
            let piece = given_up(steps % 4, near.recv_at_most(1 + steps % 7)).await;
            match piece.transpose().unwrap() {
                Some(piece) if piece.is_empty() => break,
                Some(piece) => {
                    assert!(piece.len() <= 1 + steps % 7);
                    bytes.extend_from_slice(&piece);
                }
                None => {}
            }
        }
        assert!(bytes == sent, "{} bytes of {}", bytes.len(), sent.len());
        sending.await;
    });
}

fn an_idle_stream_holds_no_buffer(network: &Network) {
    let event_loop = network.event_loop();
    block_on(&event_loop, async {
        let mut tasks = Vec::new();
        let mut fars = Vec::new();
        for way in 0..40 {
            let (mut near, mut far) = pair().await;
            far.write_all(b"hello").await.unwrap();
            fars.push(far);
            tasks.push(spawn(async move {
                let mut hello = [0; 5];
                near.read_exact(&mut hello).await.unwrap();
                match way % 4 {
                    0 => drop(near.recv().await.unwrap()),
                    1 => drop(near.read(&mut hello).await.unwrap()),
                    2 => drop(near.peek().await.unwrap()),
                    _ => drop(futures_lite::AsyncBufReadExt::fill_buf(&mut near).await.unwrap().len()),
                }
            }));
        }
        sleep(Duration::from_millis(20)).await;
        assert!(tasks.iter().all(|task| !task.is_finished()));
        assert_eq!(event_loop.engine().pool().lent(), 0);
    });
}

/// Awaits all of these in one task, and counts how often that is polled before the first is ready.
async fn polls_in_vain<F: Future>(futures: Vec<F>, wake: impl Future<Output = ()>) -> usize {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut wake = pin!(wake);
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        for future in &mut futures {
            assert!(future.as_mut().poll(cx).is_pending());
        }
        wake.as_mut().poll(cx)
    })
    .await;
    polls
}

fn a_task_that_waits_for_many_streams_sleeps(network: &Network) {
    network.block_on(async {
        let mut pairs = Vec::new();
        for _ in 0..100 {
            pairs.push(pair().await);
        }
        let reads = pairs.iter_mut().map(|(near, _)| async move { near.read(&mut [0; 1]).await });
        let polls = polls_in_vain(reads.collect(), sleep(Duration::from_millis(30))).await;
        assert!(polls < 10, "{polls}");
        let holds = pairs
            .iter_mut()
            .map(|(near, _)| async move { futures_lite::AsyncBufReadExt::fill_buf(near).await.map(drop) });
        let polls = polls_in_vain(holds.collect(), sleep(Duration::from_millis(30))).await;
        assert!(polls < 10, "{polls}");
    });
}

fn a_task_that_waits_for_many_tasks_sleeps(network: &Network) {
    network.block_on(async {
        let tasks = (0..100).map(|_| spawn(sleep(Duration::from_secs(3600)))).collect();
        let polls = polls_in_vain(tasks, sleep(Duration::from_millis(30))).await;
        assert!(polls < 10, "{polls}");
    });
}

fn a_stream_that_always_has_more_lets_others_have_their_turn(network: &Network) {
    network.block_on(async {
        let (mut near, mut far) = pair().await;
        far.write_all(&pattern(60_000)).await.unwrap();
        // One byte at a time: it never waits, and has thousands to receive.
        let reading = spawn(async move {
            let mut byte = [0; 1];
            for _ in 0..60_000 {
                near.read_exact(&mut byte).await.unwrap();
            }
        });
        let mut turns = 0;
        while !reading.is_finished() {
            turns += 1;
            yield_now().await;
        }
        assert!(turns > 100, "{turns}");
        reading.await;
        poll_fn(|_| Poll::Ready(())).await;
    });
}
