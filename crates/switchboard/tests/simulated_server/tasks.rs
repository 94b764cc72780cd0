//! Handlers that work together: questions passed on between tasks, work elsewhere, moments to the nanosecond, turns for all.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use async_channel::{Receiver, Sender, bounded};
use fastrand::Rng;
use switchboard::net::{Lines, Stream};
use switchboard::server::{Client, Server};
use switchboard::sim::{Failed, Faults, Link, Sim};
use switchboard::{scope, sleep, sleep_until, spawn, spawn_blocking, timeout, yield_now};

use crate::seeds::{chance, clock, nothing_failed, some_link};

/// Handlers ask a task that they share, which has others work for it: every question comes to its answer.
pub(crate) fn questions_passed_on_are_answered(seed: u64) -> Result<(), Failed> {
    let mut rng = chance(seed, 0);
    let mut sim = Sim::new(seed).faults(Faults::unseen()).link(some_link(&mut rng)).host(
        "server",
        move || async move {
            let (questions, asked) = bounded(4);
            let oracle = spawn(answer_all(asked, chance(seed, 100)));
            let server = Server::bind("0.0.0.0:7").await?;
            server.serve(async move |stream, _: Client| pass_on(stream, &questions).await).await?;
            oracle.await;
            io::Result::Ok(())
        },
    );
    for number in 1..=rng.u64(1..=4) {
        sim = sim.host(&format!("client {number}"), move || ask(chance(seed, number)));
    }
    nothing_failed(&sim.run()?);
    Ok(())
}

type Question = (u64, Sender<u64>);

async fn answer_all(asked: Receiver<Question>, mut rng: Rng) {
    scope(async |scope| {
        while let Ok((number, reply)) = asked.recv().await {
            let how = rng.u8(0..4);
            let time = Duration::from_micros(rng.u64(0..2_000));
            scope.spawn(async move {
                let answer = match how {
                    0 => spawn_blocking(move || number + 1).await,
                    1 => spawn(async move { number + 1 }).await,
                    2 => {
                        sleep(time).await;
                        number + 1
                    }
                    _ => {
                        yield_now().await;
                        number + 1
                    }
                };
                reply.send(answer).await.ok();
            });
        }
    })
    .await;
}

async fn pass_on(mut stream: Stream, questions: &Sender<Question>) -> io::Result<()> {
    let mut lines = Lines::new(100);
    let (reader, writer) = stream.split();
    while let Some(line) = lines.next_line(reader).await? {
        let number = String::from_utf8_lossy(line.bytes).parse().map_err(io::Error::other)?;
        let (reply, answer) = bounded(1);
        questions.send((number, reply)).await.map_err(io::Error::other)?;
        let answer = answer.recv().await.map_err(io::Error::other)?;
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

async fn ask(mut rng: Rng) -> io::Result<()> {
    let mut stream = Stream::connect("server:7").await?;
    let mut lines = Lines::new(100);
    for _ in 0..rng.u8(1..10) {
        let numbers: Vec<u32> = (0..rng.u8(1..4)).map(|_| rng.u32(0..1_000)).collect();
        let questions: String = numbers.iter().map(|number| format!("{number}\n")).collect();
        stream.write_all(questions.as_bytes()).await?;
        for number in numbers {
            let line = lines.next_line(&mut stream).await?.expect("an answer");
            assert_eq!(String::from_utf8_lossy(line.bytes), (number + 1).to_string());
        }
    }
    stream.shutdown().await
}

/// Who sleeps is woken at the moment and not before, whatever wakes others meanwhile: those who are gone, too.
pub(crate) fn nobody_is_woken_early(seed: u64) -> Result<(), Failed> {
    let program = move || async move {
        let stale: Rc<RefCell<Vec<Waker>>> = Rc::default();
        scope(async |scope| {
            for number in 0..20 {
                let (mut rng, stale) = (chance(seed, number), Rc::clone(&stale));
                scope.spawn(async move {
                    for _ in 0..10 {
                        sleep_exactly(&mut rng).await;
                        leave_a_waker(&stale).await;
                        let wakers = stale.take();
                        wakers.into_iter().for_each(Waker::wake);
                    }
                });
            }
        })
        .await;
    };
    Sim::new(seed).faults(Faults::unseen()).host("sleeper", program).run().map(drop)
}

async fn sleep_exactly(rng: &mut Rng) {
    let time = Duration::from_nanos(rng.u64(0..3_000_000));
    let begun = clock();
    if rng.bool() {
        sleep(time).await;
    } else {
        assert!(timeout(time, std::future::pending::<()>()).await.is_err());
    }
    let slept = clock() - begun;
    assert!(slept >= time, "woken {:?} early", time - slept);
    // A look in vain takes a microsecond of that clock.
    assert!(slept < time + Duration::from_millis(1), "woken {:?} late", slept - time);
}

/// Has a task end of which a waker is left.
async fn leave_a_waker(stale: &Rc<RefCell<Vec<Waker>>>) {
    let stale = Rc::clone(stale);
    spawn(poll_fn(move |cx| {
        stale.borrow_mut().push(cx.waker().clone());
        Poll::Ready(())
    }))
    .await;
}

/// Clients with much to say each have their turns: no handler goes on and on while another has as much to do.
pub(crate) fn everybody_has_their_turn(seed: u64) -> Result<(), Failed> {
    let mut rng = chance(seed, 0);
    let turns: Rc<RefCell<Vec<u64>>> = Rc::default();
    let takes = Rc::clone(&turns);
    let server = move || {
        let turns = Rc::clone(&takes);
        async move {
            let server = Server::bind("0.0.0.0:7").await?;
            let begin = clock() + Duration::from_secs(10);
            let handler = async move |mut stream: Stream, client: Client| -> io::Result<()> {
                // All that they say is here before the first is heard.
                sleep_until(begin).await;
                for _ in 0..QUESTIONS {
                    stream.recv_at_most(1).await?;
                    turns.borrow_mut().push(client.id());
                }
                Ok(())
            };
            server.serve(handler).await.map(drop)
        }
    };
    let mut sim =
        Sim::new(seed).faults(Faults::unseen()).link(Link::default().jitter(Duration::from_millis(1)));
    sim = sim.host("server", server);
    for number in 1..=rng.u64(2..5) {
        sim = sim.host(&format!("client {number}"), || async {
            let mut stream = Stream::connect("server:7").await?;
            stream.write_all(&[0; QUESTIONS]).await?;
            let end = stream.recv().await?;
            assert!(end.is_empty());
            io::Result::Ok(())
        });
    }
    nothing_failed(&sim.run()?);
    // The longest run of one client while another is not done.
    let turns = turns.borrow();
    let last = turns.last().copied();
    let contended = turns.iter().rposition(|&id| Some(id) != last).map_or(0, |at| at + 1);
    let longest = turns[..contended].chunk_by(|one, other| one == other).map(<[u64]>::len).max().unwrap_or(0);
    assert!(longest <= 200, "one client had {longest} turns in a row");
    Ok(())
}

/// How much each of those has to say.
const QUESTIONS: usize = 500;
