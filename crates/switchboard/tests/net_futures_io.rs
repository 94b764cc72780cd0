//! The traits of `futures-io`, on every engine, tried by a crate that knows nothing of us but them.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::io::IoSlice;

use futures_lite::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use futures_lite::{StreamExt, future};
use network::streams::{given_up, pair, pattern, tcp_pair, unix_listener, unix_pair};
use network::{Network, on_every_engine};
use switchboard::net::{ReadHalf, Stream, TcpStream, UnixStream, WriteHalf};
use switchboard::spawn;

on_every_engine! {
    what_another_crate_writes_it_reads_back,
    lines_of_another_crate_are_read,
    closing_ends_our_side_and_is_done_in_a_few_polls,
    unix_streams_have_the_traits_too,
    a_poll_that_is_given_up_loses_nothing,
    what_is_held_and_the_end_stay_ready_whatever_the_task_has_done,
}

/// That all of them have the traits.
#[expect(dead_code, reason = "it need only compile")]
fn all_have_the_traits() {
    fn reads<T: AsyncRead + futures_lite::AsyncBufRead + Unpin + Send + Sync>() {}
    fn writes<T: AsyncWrite + Unpin + Send + Sync>() {}
    reads::<ReadHalf>();
    reads::<Stream>();
    reads::<TcpStream>();
    reads::<UnixStream>();
    writes::<WriteHalf>();
    writes::<Stream>();
    writes::<TcpStream>();
    writes::<UnixStream>();
}

/// Sends back what it receives, by the traits alone.
async fn echo(stream: Stream) -> std::io::Result<u64> {
    let (mut reader, mut writer) = stream.into_split();
    let count = copy(&mut reader, &mut writer).await?;
    AsyncWriteExt::close(&mut writer).await?;
    Ok(count)
}

fn what_another_crate_writes_it_reads_back(network: &Network) {
    network.block_on(async {
        let (near, far) = pair().await;
        let echoing = spawn(echo(far));
        let (mut reader, mut writer) = near.into_split();
        let sent = pattern(3_000_000);
        let sending = async {
            AsyncWriteExt::write_all(&mut writer, &sent).await?;
            AsyncWriteExt::flush(&mut writer).await?;
            AsyncWriteExt::close(&mut writer).await
        };
        let mut received = Vec::new();
        let (sending, receiving) = future::zip(sending, reader.read_to_end(&mut received)).await;
        sending.unwrap();
        assert_eq!(receiving.unwrap(), sent.len());
        assert!(received == sent);
        assert_eq!(echoing.await.unwrap(), sent.len() as u64);
    });
}

fn lines_of_another_crate_are_read(network: &Network) {
    network.block_on(async {
        let (near, mut far) = tcp_pair().await;
        let sending = spawn(async move {
            for number in 0..2000 {
                let line = format!("line {number}\n");
                AsyncWriteExt::write_all(&mut far, line.as_bytes()).await.unwrap();
            }
        });
        let lines: Vec<_> = near.lines().try_collect::<_, _, Vec<_>>().await.unwrap();
        assert_eq!(lines.len(), 2000);
        assert!(lines.iter().enumerate().all(|(number, line)| *line == format!("line {number}")));
        sending.await;
    });
}

fn closing_ends_our_side_and_is_done_in_a_few_polls(network: &Network) {
    network.block_on(async {
        let (mut near, mut far) = pair().await;
        let much = pattern(5_000_000);
        // A full buffer, and a lease behind it, are ahead of the end.
        given_up(1, near.send_all(much.clone())).await;
        let reading = spawn(async move {
            let mut bytes = Vec::new();
            far.read_to_end(&mut bytes).await.unwrap();
            (far, bytes)
        });
        let mut polls = 0;
        let mut closing = std::pin::pin!(AsyncWriteExt::close(&mut near));
        std::future::poll_fn(|cx| {
            polls += 1;
            closing.as_mut().poll(cx)
        })
        .await
        .unwrap();
        assert!(polls < 10, "{polls}");
        let (mut far, bytes) = reading.await;
        assert!(bytes == much);
        AsyncWriteExt::close(&mut near).await.unwrap();
        AsyncWriteExt::write_all(&mut near, b"late").await.unwrap_err();
        let parts = [IoSlice::new(b"still "), IoSlice::new(b"open")];
        let count = AsyncWriteExt::write_vectored(&mut far, &parts).await.unwrap();
        AsyncWriteExt::write_all(&mut far, &b"still open"[count..]).await.unwrap();
        let mut back = [0; 10];
        AsyncReadExt::read_exact(&mut near, &mut back).await.unwrap();
        assert_eq!(&back, b"still open");
    });
}

fn unix_streams_have_the_traits_too(network: &Network) {
    network.block_on(async {
        let listener = unix_listener(&format!("traits-{}", network.name())).await;
        let (mut near, far) = unix_pair(&listener).await;
        let echoing = spawn(echo(far));
        AsyncWriteExt::write_all(&mut near, b"over unix").await.unwrap();
        AsyncWriteExt::close(&mut near).await.unwrap();
        let mut back = String::new();
        near.read_to_string(&mut back).await.unwrap();
        assert_eq!(back, "over unix");
        echoing.await.unwrap();
    });
}

fn a_poll_that_is_given_up_loses_nothing(network: &Network) {
    network.block_on(async {
        let (mut near, mut far) = pair().await;
        let sent = pattern(200_000);
        let copy = sent.clone();
        let sending = spawn(async move {
            for piece in copy.chunks(777) {
                far.write_all(piece).await.unwrap();
                switchboard::yield_now().await;
            }
        });
        let (mut received, mut buffer) = (Vec::new(), [0; 500]);
        for steps in 0.. {
            match given_up(steps % 4, AsyncReadExt::read(&mut near, &mut buffer)).await {
                Some(Ok(0)) => break,
                Some(count) => received.extend_from_slice(&buffer[..count.unwrap()]),
                None => switchboard::yield_now().await,
            }
        }
        assert!(received == sent);
        sending.await;
    });
}

/// `poll_fill_buf` is asked twice for what is one thing to its caller; the end of a poll's budget may not come between.
fn what_is_held_and_the_end_stay_ready_whatever_the_task_has_done(network: &Network) {
    network.block_on(async {
        let (mut near, mut far) = pair().await;
        let (mut other, mut other_far) = pair().await;
        other_far.write_all(b"always there").await.unwrap();
        other.peek().await.unwrap();
        // One byte: it comes in one piece.
        far.write_all(b"h").await.unwrap();
        for ended in [false, true] {
            if ended {
                far.shutdown().await.unwrap();
            }
            for spent in 0..70 {
                switchboard::yield_now().await;
                for _ in 0..spent {
                    other.peek().await.unwrap();
                }
                let held = near.fill_buf().await.unwrap();
                assert_eq!(held, if ended { &b""[..] } else { b"h" });
                if spent == 69 {
                    let count = held.len();
                    near.consume(count);
                }
            }
        }
    });
}
