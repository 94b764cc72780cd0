//! How connections and servers end: the idle after their time and not before, and all who have come before a drain served.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use switchboard::engine::Listen;
use switchboard::net::{Listener, Stream};
use switchboard::server::{Client, Server};
use switchboard::sim::{Failed, Faults, Sim};
use switchboard::sleep;

use crate::seeds::{bytes, chance, check, clock, nothing_failed, some_link};

/// Connections over which something goes, whatever it is, are not ended for being idle; those over which nothing does, are.
pub(crate) fn only_the_idle_are_ended(seed: u64) -> Result<(), Failed> {
    let mut rng = chance(seed, 0);
    let mut sim = Sim::new(seed).faults(Faults::unseen()).link(some_link(&mut rng)).host(
        "server",
        move || async move {
            let server = Server::bind("0.0.0.0:7").await?.idle_timeout(IDLE);
            let handler = async move |stream: Stream, client: Client| {
                attend(stream, chance(seed, 100 ^ client.id())).await
            };
            let receipt = server.serve(handler).await?;
            assert_eq!((receipt.accepted, receipt.finished), (4, 4), "{receipt}");
            io::Result::Ok(())
        },
    );
    for (number, name) in [(1, "talker"), (2, "listener"), (3, "mute"), (4, "slow reader")] {
        sim = sim.host(name, move || attended(chance(seed, number), number as u8));
    }
    nothing_failed(&sim.run()?);
    Ok(())
}

/// The first byte says what is wanted.
async fn attend(mut stream: Stream, mut rng: Rng) -> io::Result<()> {
    match stream.recv_at_most(1).await?[..] {
        [2] => {
            for place in 0..MESSAGES {
                sleep(often(&mut rng)).await;
                stream.write_all(&bytes(2, place..place + 1)).await?;
            }
        }
        [4] => stream.send_all(bytes(4, 0..LARGE)).await?,
        _ => while !stream.recv().await?.is_empty() {},
    }
    Ok(())
}

async fn attended(mut rng: Rng, wish: u8) -> io::Result<()> {
    let mut stream = Stream::connect("server:7").await?;
    let begun = clock();
    stream.write_all(&[wish]).await?;
    match wish {
        1 => {
            for _ in 0..MESSAGES {
                sleep(often(&mut rng)).await;
                stream.write_all(b".").await?;
            }
        }
        2 => return hear(&mut stream, 2, MESSAGES, Duration::ZERO).await,
        3 => {
            assert!(stream.recv().await?.is_empty());
            let waited = clock() - begun;
            assert!(waited >= IDLE && waited < IDLE * 2, "ended after {waited:?}");
        }
        _ => return hear(&mut stream, 4, LARGE, Duration::from_millis(50)).await,
    }
    Ok(())
}

async fn hear(stream: &mut Stream, number: u64, size: usize, pause: Duration) -> io::Result<()> {
    let mut heard = 0;
    while heard < size {
        let data = stream.recv_at_most(10_000).await?;
        assert!(!data.is_empty(), "ended after {heard} of {size} bytes");
        check(number, heard, &data);
        heard += data.len();
        sleep(pause).await;
    }
    assert!(stream.recv().await?.is_empty());
    Ok(())
}

/// Often enough not to be idle, on any link here.
fn often(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(1..600))
}

/// Who was connected when the drain began is served, however many others wait.
pub(crate) fn who_has_come_before_the_drain_is_served(seed: u64) -> Result<(), Failed> {
    let mut rng = chance(seed, 0);
    let told = Rc::new(Cell::new(None));
    let tells = Rc::clone(&told);
    let mut sim = Sim::new(seed)
        .faults(Faults::unseen())
        .link(some_link(&mut rng))
        .host("server", move || serve_for_a_while(chance(seed, 100), Rc::clone(&tells)));
    for number in 1..=rng.u64(1..10) {
        let told = Rc::clone(&told);
        sim =
            sim.host(&format!("client {number}"), move || be_served(chance(seed, number), Rc::clone(&told)));
    }
    nothing_failed(&sim.run()?);
    Ok(())
}

async fn serve_for_a_while(mut rng: Rng, told: Rc<Cell<Option<Instant>>>) -> io::Result<()> {
    let address = "0.0.0.0:7".parse().expect("an address");
    let listener = Listener::open(Listen { backlog: rng.u32(1..10), ..Listen::at(address) })?;
    let time = Duration::from_millis(rng.u64(0..100));
    let server =
        Server::on(listener).limit(rng.usize(1..4)).grace(Duration::from_secs(60)).until(async move {
            sleep(time).await;
            told.set(Some(clock()));
        });
    let work = Duration::from_millis(rng.u64(0..100));
    let handler = async move |mut stream: Stream, _: Client| -> io::Result<()> {
        let question = stream.recv().await?;
        sleep(work).await;
        stream.send_all(question).await
    };
    let receipt = server.serve(handler).await?;
    assert_eq!((receipt.cancelled, receipt.lost, receipt.failed), (0, 0, 0), "{receipt}");
    Ok(())
}

/// Those who come later may be served or not, but never by half.
async fn be_served(mut rng: Rng, told: Rc<Cell<Option<Instant>>>) -> io::Result<()> {
    sleep(Duration::from_millis(rng.u64(0..100))).await;
    let answered = match Stream::connect("server:7").await {
        Ok(mut stream) => {
            let is_due = told.get().is_none();
            let answered = ask(&mut stream).await;
            assert!(!is_due || answered.is_ok(), "was there before the drain: {answered:?}");
            answered
        }
        Err(error) => Err(error),
    };
    match answered {
        Err(error) if told.get().is_none() => Err(error),
        _ => Ok(()),
    }
}

async fn ask(stream: &mut Stream) -> io::Result<()> {
    stream.write_all(b"?").await?;
    let mut answer = [0];
    stream.read_exact(&mut answer).await?;
    assert_eq!((&answer, stream.recv().await?.len()), (b"?", 0));
    Ok(())
}

/// How long a connection may be idle here.
const IDLE: Duration = Duration::from_secs(1);

const MESSAGES: usize = 10;

/// More than all buffers hold.
const LARGE: usize = 400_000;
