//! Giving up, all the time: receives, accepts and sends that are dropped before, as and after they are done lose nothing.

use std::io;
use std::time::Duration;

use fastrand::Rng;
use futures_lite::FutureExt;
use futures_lite::future::poll_once;
use switchboard::net::{Listener, Stream};
use switchboard::server::{Client, Server};
use switchboard::sim::{Failed, Faults, Link, Sim};
use switchboard::{sleep, spawn, timeout, yield_now};

use crate::echo::send;
use crate::seeds::{bytes, chance, check, nothing_failed, pause, some_buffers, some_link, some_size};

/// A server that receives with no patience echoes all there is, and hears the end.
pub(crate) fn receives_that_are_given_up_lose_nothing(seed: u64) -> Result<(), Failed> {
    run(seed, move || serve(seed, echo_impatiently), move |number| echoed(seed, number))
}

/// A server that accepts with no patience serves everybody, once.
pub(crate) fn accepts_that_are_given_up_lose_nobody(seed: u64) -> Result<(), Failed> {
    let program = move || async move {
        let mut rng = chance(seed, 100);
        let listener = Listener::bind("0.0.0.0:7").await?;
        for _ in 0..clients(seed) {
            let (mut stream, _) = loop {
                if let Some(accepted) = impatiently(listener.accept(), &mut rng).await {
                    break accepted?;
                }
            };
            let mut rng = rng.fork();
            spawn(async move { echo_impatiently(&mut stream, &mut rng).await }).detach();
        }
        // The program's end would end its tasks.
        sleep(Duration::from_secs(30)).await;
        io::Result::Ok(())
    };
    run(seed, program, move |number| echoed(seed, number))
}

/// What was begun to be sent is sent whole, and once, though nobody waits for it; what is sent next comes behind it.
pub(crate) fn sends_that_are_given_up_are_whole_or_not_at_all(seed: u64) -> Result<(), Failed> {
    run(seed, move || serve(seed, send_impatiently), move |number| hear_whole_messages(seed, number))
}

/// Latencies and patience are multiples of the same moment, so that giving up and being done fall together.
fn run<F, C>(
    seed: u64,
    server: impl Fn() -> F + 'static,
    client: impl Fn(u64) -> C + Copy + 'static,
) -> Result<(), Failed>
where
    F: Future<Output = io::Result<()>> + 'static,
    C: Future<Output = io::Result<()>> + 'static,
{
    let mut rng = chance(seed, 0);
    let link = if rng.bool() { Link::default().latency(moments(&mut rng)) } else { some_link(&mut rng) };
    let mut sim = Sim::new(seed).faults(Faults::unseen()).link(link).host("server", server);
    for number in 1..=clients(seed) {
        sim = sim.host(&format!("client {number}"), move || client(number));
    }
    nothing_failed(&sim.run()?);
    Ok(())
}

fn clients(seed: u64) -> u64 {
    1 + seed % 4
}

fn moments(rng: &mut Rng) -> Duration {
    Duration::from_micros(100) * rng.u32(0..20)
}

async fn serve(
    seed: u64,
    handler: impl AsyncFn(&mut Stream, &mut Rng) -> io::Result<()> + 'static,
) -> io::Result<()> {
    let server = Server::bind("0.0.0.0:7").await?;
    let served = server.serve(async move |mut stream: Stream, client: Client| {
        let mut rng = chance(seed, 100 ^ client.id());
        some_buffers(&stream, &mut rng);
        handler(&mut stream, &mut rng).await
    });
    let receipt = served.await?;
    assert_eq!((receipt.accepted, receipt.finished), (clients(seed), clients(seed)), "{receipt}");
    Ok(())
}

async fn echo_impatiently(stream: &mut Stream, rng: &mut Rng) -> io::Result<()> {
    loop {
        let most = rng.usize(1..5_000);
        let mut into = vec![0; most];
        let how = rng.u8(0..4);
        let (reader, writer) = stream.split();
        let receiving = async {
            let data = match how {
                0 => reader.recv_at_most(most).await?.to_vec(),
                1 => reader.read(&mut into).await.map(|count| into[..count].to_vec())?,
                2 => return reader.peek().await.map(|_| None),
                _ => reader.recv().await?.to_vec(),
            };
            Ok(Some(data))
        };
        match impatiently(receiving, rng).await {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(data))) if data.is_empty() => return Ok(()),
            Some(Ok(Some(data))) => writer.send_all(data).await?,
            Some(Err(error)) => return Err(error),
        }
    }
}

/// What the future had to say, unless it was given up.
async fn impatiently<T>(future: impl Future<Output = T>, rng: &mut Rng) -> Option<T> {
    let some = async { Some(future.await) };
    let time = moments(rng);
    let patience = async {
        sleep(time).await;
        None
    };
    let outcome = match rng.u8(0..5) {
        0 => timeout(time, some).await.unwrap_or(None),
        1 => patience.or(some).await,
        2 => some.or(patience).await,
        3 => poll_once(some).await.flatten(),
        _ => {
            let passes = rng.u8(1..4);
            let few = async {
                for _ in 0..passes {
                    yield_now().await;
                }
                None
            };
            few.or(some).await
        }
    };
    if outcome.is_none() {
        sleep(moments(rng)).await;
    }
    outcome
}

async fn echoed(seed: u64, number: u64) -> io::Result<()> {
    let mut rng = chance(seed, number);
    let size = some_size(&mut rng, 14);
    let (mut reader, mut writer) = Stream::connect("server:7").await?.into_split();
    let mut other = rng.fork();
    let sending = spawn(async move {
        let mut sent = 0;
        while sent < size {
            let next = size.min(sent + other.usize(1..1_000));
            send(&mut writer, bytes(number, sent..next), &mut other).await?;
            sent = next;
            sleep(moments(&mut other)).await;
        }
        writer.shutdown().await
    });
    let mut heard = 0;
    loop {
        let data = reader.recv().await?;
        check(number, heard, &data);
        heard += data.len();
        if data.is_empty() {
            break;
        }
    }
    assert_eq!(heard, size, "the end came early");
    sending.await
}

/// A message is its number, its length, and so many bytes.
async fn send_impatiently(stream: &mut Stream, rng: &mut Rng) -> io::Result<()> {
    let (_, writer) = stream.split();
    for number in 0..rng.u32(1..40) {
        let mut message = message(number, rng.usize(0..6_000));
        match rng.u8(0..3) {
            0 => writer.write_all(&message).await?,
            1 => writer.send_all(message).await?,
            _ => {
                if let Some(sent) = impatiently(writer.send_all(std::mem::take(&mut message)), rng).await {
                    sent?;
                }
            }
        }
    }
    writer.send_all(message(LAST, 0)).await
}

fn message(number: u32, size: usize) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    message.extend((size as u32).to_be_bytes());
    message.extend(bytes(u64::from(number), 0..size));
    message
}

async fn hear_whole_messages(seed: u64, number: u64) -> io::Result<()> {
    let mut rng = chance(seed, number);
    let mut stream = Stream::connect("server:7").await?;
    some_buffers(&stream, &mut rng);
    let mut next = 0;
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head).await?;
        let [number, size] =
            [0, 4].map(|at| u32::from_be_bytes(head[at..at + 4].try_into().expect("four bytes")));
        assert!(number >= next, "message {number} comes after {next}");
        let mut body = vec![0; size as usize];
        stream.read_exact(&mut body).await?;
        check(u64::from(number), 0, &body);
        if number == LAST {
            break;
        }
        next = number + 1;
        pause(&mut rng).await;
    }
    assert!(stream.recv().await?.is_empty());
    Ok(())
}

/// The number of the last message.
const LAST: u32 = u32::MAX;
