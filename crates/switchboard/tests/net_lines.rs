//! Lines: cut alike however the bytes are chunked, bounded, and in linear time.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod cutting;
mod network;

use std::io;

use cutting::{cut, model};
use network::streams::pair;
use network::{Network, on_every_engine};
use proptest::prelude::*;
use switchboard::net::{LineTooLong, Lines};
use switchboard::{spawn, yield_now};

on_every_engine! {
    a_line_over_the_limit_is_said_at_once,
    lines_hold_no_buffer_while_they_wait,
    what_follows_the_lines_is_handed_over,
    the_last_line_is_said_to_be_cut,
}

proptest! {
    #[test]
    fn lines_are_the_same_however_they_arrive(
        bytes in prop::collection::vec(prop::sample::select(&b"ab\r\n"[..]), 0..60),
        cuts in prop::collection::vec(0_usize..60, 0..8),
        limit in 0_usize..8,
    ) {
        let mut ends: Vec<_> = cuts.into_iter().map(|end| end.min(bytes.len())).collect();
        ends.extend([0, bytes.len()]);
        ends.sort_unstable();
        let chunks: Vec<_> = ends.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
        let single: Vec<_> = bytes.chunks(1).collect();
        let expected = model(limit, &bytes);
        prop_assert_eq!(&cut(limit, &chunks), &expected);
        prop_assert_eq!(&cut(limit, &single), &expected);
        prop_assert_eq!(&cut(limit, &[&bytes]), &expected);
    }
}

#[test]
fn a_limit_without_end_is_none() {
    let (found, kept) = cut(usize::MAX, &[b"a\r", b"\nb"]);
    assert_eq!((found, kept), (vec![(b"a".to_vec(), true), (b"b".to_vec(), false)], Ok(())));
}

/// A quadratic search would look at ten to the thirteenth bytes here, which would take hours.
#[test]
fn a_long_line_takes_linear_time_byte_by_byte_and_in_one_piece() {
    let long = vec![b'x'; 3 << 20];
    let mut lines = Lines::new(long.len());
    for byte in long.chunks(1) {
        lines.feed(byte);
        assert_eq!(lines.cut(), Ok(None));
    }
    lines.feed(b"\n");
    assert!(lines.cut().unwrap().unwrap().bytes == long);
    let short = b"x\n".repeat(1 << 20);
    lines.feed(short);
    let mut count = 0;
    while lines.cut().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 1 << 20);
}

#[test]
#[should_panic(expected = "cut up")]
fn lines_that_were_not_cut_off_are_not_forgotten() {
    let mut lines = Lines::new(10);
    lines.feed(b"a\nb\n");
    lines.cut().unwrap();
    lines.feed(b"c");
}

fn a_line_over_the_limit_is_said_at_once(network: &Network) {
    network.block_on(async {
        let (mut near, mut far) = pair().await;
        // Without its end, which never comes.
        far.write_all(b"good\n12345678901").await.unwrap();
        let mut lines = Lines::new(10);
        assert_eq!(lines.next_line(&mut near).await.unwrap().unwrap().bytes, b"good");
        for _ in 0..2 {
            let error = lines.next_line(&mut near).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(error.to_string(), "a line is longer than 10 bytes");
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<LineTooLong>());
            assert_eq!(inner, Some(&LineTooLong { limit: 10 }));
        }
    });
}

fn lines_hold_no_buffer_while_they_wait(network: &Network) {
    let event_loop = network.event_loop();
    network::streams::block_on(&event_loop, async {
        let (mut near, mut far) = pair().await;
        far.write_all(b"one\ntwo\nbeg").await.unwrap();
        let mut reading = Box::pin(async move {
            let mut lines = Lines::new(100);
            lines.next_line(&mut near).await.unwrap();
            lines.next_line(&mut near).await.unwrap();
            String::from_utf8_lossy(lines.next_line(&mut near).await.unwrap().unwrap().bytes).into_owned()
        });
        while network::streams::given_up(1, &mut reading).await.is_none() {
            if event_loop.engine().pool().lent() == 0 {
                far.write_all(b"un\n").await.unwrap();
                assert_eq!(reading.await, "begun");
                return;
            }
            yield_now().await;
        }
        panic!("the third line was there before it was sent");
    });
}

fn what_follows_the_lines_is_handed_over(network: &Network) {
    network.block_on(async {
        let (near, mut far) = pair().await;
        far.write_all(b"head\r\n\r\nbody").await.unwrap();
        let (mut reader, _writer) = near.into_split();
        let mut lines = Lines::new(100);
        while !lines.next_line(&mut reader).await.unwrap().unwrap().bytes.is_empty() {}
        let mut rest = lines.into_rest().to_vec();
        while rest.len() < 4 {
            rest.extend_from_slice(&reader.recv().await.unwrap()); // it may come in pieces
        }
        assert_eq!(rest, b"body");
        let mut lines = Lines::new(100);
        lines.feed(b"bo");
        assert_eq!(lines.cut(), Ok(None));
        lines.feed(b"dy");
        assert_eq!(&*lines.into_rest(), b"body");
    });
}

fn the_last_line_is_said_to_be_cut(network: &Network) {
    network.block_on(async {
        let (mut near, mut far) = pair().await;
        let sending = spawn(async move {
            far.write_all(b"whole\r\nha").await.unwrap();
            yield_now().await;
            far.write_all(b"lf\r").await.unwrap();
        });
        let mut lines = Lines::new(100);
        let line = lines.next_line(&mut near).await.unwrap().unwrap();
        assert_eq!((line.bytes, line.is_whole), (&b"whole"[..], true));
        let line = lines.next_line(&mut near).await.unwrap().unwrap();
        assert_eq!((line.bytes, line.is_whole), (&b"half\r"[..], false));
        assert_eq!(lines.next_line(&mut near).await.unwrap(), None);
        assert_eq!(lines.next_line(&mut near).await.unwrap(), None);
        sending.await;
    });
}
