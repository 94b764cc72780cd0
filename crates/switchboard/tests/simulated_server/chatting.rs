//! `examples/chat.rs`, as it is: what one says all others hear, in order; who leaves is told of; nobody hangs.

#[path = "../../../../examples/chat.rs"]
mod chat;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use switchboard::net::{Lines, Stream, WriteHalf};
use switchboard::server::Server;
use switchboard::sim::{Failed, Faults, Link, Sim};
use switchboard::{sleep, spawn, timeout};

use crate::seeds::{chance, clock, nothing_failed, pause};
use crate::survival::{State, may_happen, serve_again_and_again};

/// Members who are all there before the first speaks miss nothing; they leave one after the other, and the last is sent
/// away by the drain.
pub(crate) fn what_one_says_all_others_hear_in_order(seed: u64) -> Result<(), Failed> {
    let mut rng = chance(seed, 0);
    let members = rng.u64(2..=5);
    let mut sim =
        Sim::new(seed).faults(Faults::unseen()).link(near(&mut rng)).host("server", move || async move {
            let server = Server::bind("0.0.0.0:7").await?.until(sleep(LATE));
            let receipt = chat::serve(server).await?;
            assert_eq!((receipt.accepted, receipt.finished), (members, members), "{receipt}");
            io::Result::Ok(())
        });
    let names = Rc::new(RefCell::new(BTreeMap::new()));
    for number in 1..=members {
        let names = Rc::clone(&names);
        let take_part = move || take_part(chance(seed, number), number, members, Rc::clone(&names));
        sim = sim.host(&format!("member {number}"), take_part);
    }
    nothing_failed(&sim.run()?);
    Ok(())
}

/// The address of each member, by which the others know it.
type Names = Rc<RefCell<BTreeMap<String, u64>>>;

async fn take_part(mut rng: Rng, number: u64, members: u64, names: Names) -> io::Result<()> {
    let stream = Stream::connect("server:7").await?;
    names.borrow_mut().insert(stream.local_addr()?.to_string(), number);
    let (mut reader, writer) = stream.into_split();
    // Nothing here takes so long: all have come.
    sleep(Duration::from_secs(1)).await;
    let mut writer = Some(spawn(speak(writer, rng.fork())));
    let mut lines = Lines::new(1024);
    let mut heard: BTreeMap<u64, u32> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    while let Some(line) = lines.next_line(&mut reader).await? {
        let line = String::from_utf8(line.bytes.to_vec()).expect("a chat is text");
        let named = |name: &str| names.borrow()[name];
        if let Some(name) = line.strip_prefix("* ") {
            if let Some(name) = name.strip_suffix(" has left") {
                assert!(gone.insert(named(name)), "{line}: for the second time");
                assert_eq!(heard.get(&named(name)), Some(&LINES), "{line}: before all it has said");
            }
        } else {
            let (name, said) = line.split_once(": ").expect("a name and what it says");
            let count = heard.entry(named(name)).or_default();
            assert_eq!(said, count.to_string(), "of {name}");
            *count += 1;
        }
        let knows_all = heard.len() as u64 == members - 1 && heard.values().all(|&count| count == LINES);
        let is_next = knows_all && gone.len() as u64 == number - 1;
        if is_next
            && number < members
            && let Some(writer) = writer.take()
        {
            writer.await?.shutdown().await?;
        }
        pause(&mut rng).await;
    }
    assert_eq!(gone.len() as u64, number - 1, "member {number} heard of {gone:?}");
    Ok(())
}

/// Says all there is to say, in pieces that know nothing of lines.
async fn speak(mut writer: WriteHalf, mut rng: Rng) -> io::Result<WriteHalf> {
    let speech: String = (0..LINES).map(|number| format!("{number}\n")).collect();
    let mut left = speech.as_bytes();
    while !left.is_empty() {
        let (now, later) = left.split_at(rng.usize(1..=left.len()));
        writer.write_all(now).await?;
        left = later;
        pause(&mut rng).await;
    }
    Ok(writer)
}

/// Who does not read is dropped and told of, and keeps nobody from hearing all there is.
pub(crate) fn who_reads_too_slowly_is_dropped(seed: u64) -> Result<(), Failed> {
    let mut rng = chance(seed, 0);
    let sim = Sim::new(seed).faults(Faults::unseen()).link(near(&mut rng)).host("server", || async {
        let server = Server::bind("0.0.0.0:7").await?.until(sleep(LATE));
        let receipt = chat::serve(server).await?;
        assert_eq!((receipt.accepted, receipt.finished, receipt.failed), (3, 2, 1), "{receipt}");
        io::Result::Ok(())
    });
    let talker = || async {
        let mut stream = Stream::connect("server:7").await?;
        sleep(Duration::from_secs(1)).await;
        for number in 0..MANY {
            stream.write_all(format!("{number} {}\n", "-".repeat(WIDE)).as_bytes()).await?;
            // Those who read shall not fall behind.
            if number % 100 == 0 {
                sleep(Duration::from_millis(100)).await;
            }
        }
        stream.shutdown().await
    };
    let listener = || async {
        let mut stream = Stream::connect("server:7").await?;
        let (count, leaving) = hear_numbers(&mut stream).await;
        assert_eq!((count, leaving), (MANY, 2), "heard, and told of as leaving");
        io::Result::Ok(())
    };
    let sleeper = || async {
        let mut stream = Stream::connect("server:7").await?;
        sleep(LATE / 2).await;
        let (count, _) = hear_numbers(&mut stream).await;
        assert!(count < MANY);
        io::Result::Ok(())
    };
    let report = sim.host("talker", talker).host("listener", listener).host("sleeper", sleeper).run()?;
    assert!(
        matches!(&report.failures[..], [(_, failure)] if failure.contains("reads too slowly")),
        "{report:?}"
    );
    Ok(())
}

/// Hears one who counts, to the end: how far, and how many were told of as leaving.
async fn hear_numbers(stream: &mut Stream) -> (u32, u32) {
    let (mut count, mut leaving) = (0, 0);
    let mut lines = Lines::new(1024);
    while let Ok(Some(line)) = lines.next_line(&mut *stream).await {
        let line = String::from_utf8_lossy(line.bytes).into_owned();
        if let Some((_, said)) = line.split_once(": ") {
            assert_eq!(said.split_once(' ').map(|(number, _)| number), Some(&*count.to_string()));
            count += 1;
        }
        leaving += u32::from(line.ends_with(" has left"));
    }
    (count, leaving)
}

/// Connections break, strangers come, the server begins anew: what is heard of somebody has no gap, leaving is told of, and
/// everybody gets to the end.
pub(crate) fn nobody_hangs_whatever_goes_wrong(seed: u64) -> Result<(), Failed> {
    let mut rng = chance(seed, 0);
    let state = Rc::<State>::default();
    state.left.set(rng.u64(2..=4));
    let knows = Rc::clone(&state);
    let server = move || serve_again_and_again(Rc::clone(&knows), chat::serve);
    let mut sim = Sim::new(seed).faults(Faults::default()).link(near(&mut rng)).host("server", server);
    let gone = Gone::default();
    for number in 1..=state.left.get() {
        let (state, gone) = (Rc::clone(&state), Rc::clone(&gone));
        sim = sim.host(&format!("member {number}"), move || {
            come_again(chance(seed, number), Rc::clone(&state), Rc::clone(&gone))
        });
    }
    sim.run().map(drop)
}

/// When which connection had ended.
type Gone = Rc<RefCell<BTreeMap<String, Instant>>>;

async fn come_again(mut rng: Rng, state: Rc<State>, gone: Gone) -> io::Result<()> {
    for _ in 0..rng.u8(2..6) {
        let visit = timeout(Duration::from_secs(60), visit(&mut rng, &gone)).await;
        if let Err(error) = visit.expect("a visit comes to an end") {
            assert!(may_happen(&error), "{error:?}");
        }
        sleep(Duration::from_millis(rng.u64(0..2_000))).await;
    }
    state.left.set(state.left.get() - 1);
    Ok(())
}

/// Comes, talks and listens for some seconds, and leaves.
async fn visit(rng: &mut Rng, gone: &Gone) -> io::Result<()> {
    let stream = Stream::connect("server:7").await?;
    let name = stream.local_addr()?.to_string();
    gone.borrow_mut().remove(&name);
    let _leaving = Leaving { name, gone: Rc::clone(gone) };
    let (mut reader, writer) = stream.into_split();
    let mut other = rng.fork();
    let stay = Duration::from_millis(rng.u64(1..15_000));
    let speaking = spawn(async move {
        let mut writer = speak(writer, other.fork()).await?;
        sleep(stay).await;
        writer.shutdown().await
    });
    let mut lines = Lines::new(1024);
    let mut present: BTreeMap<String, Option<u32>> = BTreeMap::new();
    while let Some(line) = lines.next_line(&mut reader).await? {
        let line = String::from_utf8_lossy(line.bytes).into_owned();
        if let Some(name) = line.strip_prefix("* ").and_then(|line| line.strip_suffix(" is here")) {
            present.insert(name.to_owned(), None);
        } else if let Some(name) = line.strip_prefix("* ").and_then(|line| line.strip_suffix(" has left")) {
            present.remove(name);
        } else if let Some((name, said)) = line.split_once(": ") {
            let said: u32 = said.parse().expect("a number");
            let last = present.entry(name.to_owned()).or_default();
            assert!(last.is_none_or(|last| said == last + 1), "{line} comes after {last:?}");
            *last = Some(said);
        }
    }
    let long_ago = clock() - Duration::from_secs(10);
    let untold = present.keys().find(|&name| gone.borrow().get(name).is_some_and(|&when| when < long_ago));
    assert_eq!(untold, None, "nobody has said that it left");
    speaking.await
}

/// Notes when somebody has left, however that came.
struct Leaving {
    name: String,
    gone: Gone,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.gone.borrow_mut().insert(self.name.clone(), clock());
    }
}

/// One on which nothing takes as long as a second.
fn near(rng: &mut Rng) -> Link {
    Link::default()
        .latency(Duration::from_micros(rng.u64(0..5_000)))
        .jitter(Duration::from_micros(rng.u64(0..5_000)))
}

/// How much each has to say.
const LINES: u32 = 30;

/// More lines, and longer ones, than a queue and all buffers hold.
const MANY: u32 = 1_500;
const WIDE: usize = 300;

/// When the server is told to end: all but one have left by then.
const LATE: Duration = Duration::from_secs(1_000);
