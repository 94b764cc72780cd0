//! A storm of cancellation: a hundred thousand accepts and receives are given up while clients come, go and break off,
//! and every connection and every byte is accounted for.
//!
//! Clients are on a loop of their own, in a thread of their own where the kernel is real. Each sends words that only it
//! sends, so what one stream received, joined, tells whether anything was lost, doubled, mixed up or moved.
//! The tests run one at a time: they count the descriptors of the process.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, fs, io, thread};

use fastrand::Rng;
use futures_lite::future::or;
use network::reserved::ReservedPort;
use network::streams::given_up;
use network::{Network, on_every_engine};
use switchboard::engine::{Descriptor, Plan};
use switchboard::net::{Close, Listener, Stream};
use switchboard::{Address, EventLoop, Task, sleep, spawn, timeout, yield_now};

on_every_engine! {
    e6_f15_a_storm_of_cancelled_accepts_and_receives_loses_nothing,
}

fn e6_f15_a_storm_of_cancelled_accepts_and_receives_loses_nothing(network: &Network) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let port = ReservedPort::new();
    let before = descriptors();
    let seed = env::var("STORM_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    // Shown if the test fails.
    println!("to choose the same again: STORM_SEED={seed}");
    let mut random = Rng::with_seed(seed);

    let event_loop = network.event_loop();
    let listener = block_on(&event_loop, Listener::bind(port.address())).unwrap();
    let outside = Arc::new(Outside::default());
    let to = block_on(&event_loop, async { listener.local_addr() }).unwrap();
    let coming = everybody(random.fork(), to, Arc::clone(&outside));
    let inside = if network.is_real() {
        thread::scope(|scope| {
            scope.spawn(|| on_a_loop(&network.event_loop(), coming));
            on_a_loop(&event_loop, weather(random, listener, &outside, Some(&event_loop)))
        })
    } else {
        on_a_loop(&event_loop, async {
            let coming = spawn(coming);
            let inside = weather(random, listener, &outside, None).await;
            coming.await;
            inside
        })
    };
    drop(event_loop);

    println!("{inside:?} {outside:?}");
    let attempts = outside.attempts.load(Ordering::SeqCst);
    let refused = outside.refused.load(Ordering::SeqCst);
    assert_eq!(inside.accepted.get() + inside.parked.get() + inside.queued.get() + refused, attempts);
    assert_eq!(
        inside.whole.borrow().len(),
        outside.whole.load(Ordering::SeqCst),
        "conversations that were whole"
    );
    assert!(inside.accepts.get() > MANY / 20, "too few accepts were given up");
    assert!(inside.accepts.get() + inside.receives.get() >= MANY);
    assert!(attempts > 500, "too little load");
    let after = descriptors();
    let new: Vec<_> = after.iter().filter(|(what, count)| before.get(*what).unwrap_or(&0) < count).collect();
    assert!(new.is_empty(), "descriptors that are left open: {new:?}");
}

/// What the clients have seen, and are told.
#[derive(Debug, Default)]
struct Outside {
    attempts: AtomicUsize,
    refused: AtomicUsize,
    /// How many said all they had to say, and were answered by the end.
    whole: AtomicUsize,
    /// Those that have stopped coming, and those that came once more after that.
    resting: AtomicUsize,
    last: AtomicUsize,
    /// How many connections the other side has seen: so that its queue is not overrun.
    seen: AtomicUsize,
    is_calm: AtomicBool,
    is_last_call: AtomicBool,
    is_closed: AtomicBool,
}

/// What the loop under test has seen.
#[derive(Debug, Default)]
struct Inside {
    /// How many futures were given up.
    accepts: Cell<usize>,
    receives: Cell<usize>,
    /// How many connections came out of an accept, with a listener's descriptor, and out of the system's queue.
    accepted: Cell<usize>,
    parked: Cell<usize>,
    queued: Cell<usize>,
    /// Whose words were heard to their end.
    whole: RefCell<HashSet<u32>>,
}

/// The loop under test: accepts and receives are given up until it is enough; then the listener goes, with what it has.
///
/// Where there are descriptors, the loop is given.
async fn weather(
    mut random: Rng,
    listener: Listener,
    outside: &Arc<Outside>,
    real: Option<&EventLoop>,
) -> Rc<Inside> {
    let inside = Rc::new(Inside::default());
    let listener = Rc::new(listener);
    let serving = Rc::new(RefCell::new(Vec::new()));
    let host =
        Host { inside: Rc::clone(&inside), outside: Arc::clone(outside), serving: Rc::clone(&serving) };
    let acceptors: Vec<_> =
        (0..4).map(|_| spawn(host.clone().welcome(random.fork(), Rc::clone(&listener)))).collect();
    for acceptor in acceptors {
        acceptor.await;
    }
    host.let_some_park(&mut random, &listener).await;
    let listener = Rc::into_inner(listener).expect("nobody accepts any more");
    if let Some(event_loop) = real {
        host.take_apart(&mut random, listener, event_loop).await;
    } else {
        while let Some(accepted) = given_up(1, listener.accept()).await {
            host.serve(random.fork(), accepted.unwrap().0, |inside| &inside.accepted);
        }
        drop(listener);
    }
    outside.is_closed.store(true, Ordering::SeqCst);
    for task in serving.take() {
        task.await;
    }
    inside
}

/// Who accepts, and has what was accepted served.
#[derive(Clone)]
struct Host {
    inside: Rc<Inside>,
    outside: Arc<Outside>,
    serving: Rc<RefCell<Vec<Task<()>>>>,
}

impl Host {
    async fn welcome(self, mut random: Rng, listener: Rc<Listener>) {
        while self.outside.resting.load(Ordering::SeqCst) < CLIENTS {
            if self.inside.accepts.get() + self.inside.receives.get() >= MANY {
                self.outside.is_calm.store(true, Ordering::SeqCst);
            }
            match attempt(&mut random, listener.accept()).await {
                Some(accepted) => {
                    self.serve(random.fork(), accepted.unwrap().0, |inside| &inside.accepted);
                }
                None => add(&self.inside.accepts),
            }
        }
    }

    /// Everybody comes once more, while one accept was given up that is asked for already, and others are given up when
    /// a connection has come for them.
    async fn let_some_park(&self, random: &mut Rng, listener: &Rc<Listener>) {
        let waiting = async { Some(listener.accept().await) };
        assert!(or(waiting, turns(3)).await.is_none(), "nobody should come now");
        let last: Vec<_> = (0..3)
            .map(|_| {
                let (host, random, listener) = (self.clone(), random.fork(), Rc::clone(listener));
                spawn(async move {
                    if let Some(accepted) = given_up(2, listener.accept()).await {
                        host.serve(random, accepted.unwrap().0, |inside| &inside.accepted);
                    }
                })
            })
            .collect();
        turns::<()>(3).await;
        self.outside.is_last_call.store(true, Ordering::SeqCst);
        for task in last {
            task.await;
        }
        until(&self.outside.last, CLIENTS).await;
    }

    fn serve(&self, random: Rng, stream: Stream, came_by: impl Fn(&Inside) -> &Cell<usize>) {
        add(came_by(&self.inside));
        self.outside.seen.fetch_add(1, Ordering::SeqCst);
        self.serving.borrow_mut().push(spawn(listen_to(random, stream, Rc::clone(&self.inside))));
    }

    /// The listener as others would have it: what was accepted for nobody, and what is still in the system's queue.
    async fn take_apart(&self, random: &mut Rng, listener: Listener, event_loop: &EventLoop) {
        let (descriptor, parked) = listener.into_descriptor().await.unwrap();
        assert!(!parked.is_empty(), "none was parked, which proves nothing");
        for (stream, _) in parked {
            self.serve(random.fork(), stream, |inside| &inside.parked);
        }
        let queue = TcpListener::from(descriptor);
        while let Ok((stream, _)) = queue.accept() {
            let plan = Plan::Adopt(Descriptor::Owned(OwnedFd::from(stream)));
            let socket = event_loop.engine().open(plan).unwrap();
            self.serve(random.fork(), Stream::adopt(event_loop, socket), |inside| &inside.queued);
        }
    }
}

/// Receives to the end, with receives that are given up between, and checks every byte.
async fn listen_to(mut random: Rng, mut stream: Stream, inside: Rc<Inside>) {
    let mut heard: Vec<u8> = Vec::new();
    let mut slice = [0; 300];
    let end = loop {
        let most = random.usize(1..600);
        let received = match random.u8(..3) {
            0 => attempt(&mut random, stream.recv()).await.map(|lease| lease.map(|lease| lease.to_vec())),
            1 => {
                let lease = attempt(&mut random, stream.recv_at_most(most)).await;
                lease.map(|lease| lease.map(|lease| lease.to_vec()))
            }
            _ => {
                let count = attempt(&mut random, stream.read(&mut slice)).await;
                count.map(|count| count.map(|count| slice[..count].to_vec()))
            }
        };
        match received {
            None => add(&inside.receives),
            Some(Ok(bytes)) if bytes.is_empty() => break Ok(()),
            Some(Ok(bytes)) => heard.extend_from_slice(&bytes),
            Some(Err(error)) => break Err(error),
        }
    };
    let number = heard.first_chunk().map(|number| u32::from_be_bytes(*number));
    match (end, number) {
        (Ok(()), Some(number)) => {
            assert!(heard == words(number), "{number}: {} bytes, or others", heard.len());
            assert!(inside.whole.borrow_mut().insert(number), "{number} was heard twice");
        }
        (Ok(()), None) => assert!(heard.is_empty()),
        (Err(error), number) => {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            assert!(number.is_none_or(|number| words(number).starts_with(&heard)), "{number:?}");
        }
    }
}

/// Does it, or gives it up: after one poll, when it is done and not taken, after some passes, after a moment.
async fn attempt<F: Future>(random: &mut Rng, future: F) -> Option<F::Output> {
    let limit = random.u8(..4);
    match random.u8(..8) {
        0..3 => {
            let output = given_up(1, future).await;
            yield_now().await;
            output
        }
        3 => or(given_up(2, future), moment(Duration::from_millis(5))).await,
        4..7 => or(async { Some(future.await) }, turns(limit)).await,
        _ => or(async { Some(future.await) }, moment(Duration::from_micros(20 * u64::from(limit)))).await,
    }
}

async fn turns<T>(count: u8) -> Option<T> {
    for _ in 0..count {
        yield_now().await;
    }
    None
}

async fn moment<T>(time: Duration) -> Option<T> {
    sleep(time).await;
    None
}

async fn until(count: &AtomicUsize, enough: usize) {
    while count.load(Ordering::SeqCst) < enough {
        sleep(Duration::from_millis(1)).await;
    }
}

async fn is(so: &AtomicBool) {
    while !so.load(Ordering::SeqCst) {
        sleep(Duration::from_millis(1)).await;
    }
}

/// All clients.
async fn everybody(mut random: Rng, to: Address, outside: Arc<Outside>) {
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| spawn(client(random.fork(), to.clone(), Arc::clone(&outside)))).collect();
    for client in clients {
        client.await;
    }
}

/// One client: comes again and again, once more when it is calm, and when it is too late.
async fn client(mut random: Rng, to: Address, outside: Arc<Outside>) {
    while !outside.is_calm.load(Ordering::SeqCst) {
        let (number, stream) = connect(&to, &outside).await;
        let mut stream = stream.unwrap();
        match random.u8(..8) {
            0 => stream.close(Close::Reset),
            1 => drop(stream),
            2 => {
                let words = words(number);
                say(&mut random, &mut stream, &words[..words.len() / 2]).await;
                stream.close(Close::Reset);
            }
            _ => converse(&mut random, stream, number, &outside).await,
        }
        while outside.attempts.load(Ordering::SeqCst) > outside.seen.load(Ordering::SeqCst) + 200 {
            yield_now().await;
        }
    }
    outside.resting.fetch_add(1, Ordering::SeqCst);
    is(&outside.is_last_call).await;
    let (number, stream) = connect(&to, &outside).await;
    outside.last.fetch_add(1, Ordering::SeqCst);
    converse(&mut random, stream.unwrap(), number, &outside).await;
    is(&outside.is_closed).await;
    assert_eq!(connect(&to, &outside).await.1.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    outside.refused.fetch_add(1, Ordering::SeqCst);
}

async fn connect(to: &Address, outside: &Outside) -> (u32, io::Result<Stream>) {
    let number = outside.attempts.fetch_add(1, Ordering::SeqCst);
    (number.try_into().unwrap(), Stream::connect(to).await)
}

/// Says all there is to say, and waits for the end.
async fn converse(random: &mut Rng, mut stream: Stream, number: u32, outside: &Outside) {
    say(random, &mut stream, &words(number)).await;
    stream.shutdown().await.unwrap();
    assert!(stream.recv().await.unwrap().is_empty());
    outside.whole.fetch_add(1, Ordering::SeqCst);
}

/// Sends in pieces of odd sizes, with others' turns between them.
async fn say(random: &mut Rng, stream: &mut Stream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let most = if random.u8(..8) == 0 { 20_000 } else { 200 };
        let (piece, rest) = bytes.split_at(random.usize(1..=most).min(bytes.len()));
        stream.write_all(piece).await.unwrap();
        turns::<()>(random.u8(..24)).await;
        bytes = rest;
    }
}

/// What the client of that number says: its number, and bytes that tell where they belong.
fn words(number: u32) -> Vec<u8> {
    let at = number as usize;
    let length = if at.is_multiple_of(16) { at * 7_919 % 60_000 } else { at * 7_919 % 1_500 };
    let bytes = (0..length).map(|index| (at + index * 7 + index / 256) as u8);
    number.to_be_bytes().into_iter().chain(bytes).collect()
}

/// Runs a future to its end and the loop to the end of its closes; nothing of its pool is lent then.
fn on_a_loop<F: Future>(event_loop: &EventLoop, future: F) -> F::Output {
    let output = block_on(event_loop, future);
    event_loop.wind_up().unwrap();
    assert_eq!(event_loop.engine().pool().lent(), 0);
    output
}

fn block_on<F: Future>(event_loop: &EventLoop, future: F) -> F::Output {
    let limited = event_loop.block_on(async { timeout(LIMIT, future).await });
    limited.unwrap().expect("a storm should end in time")
}

/// How often each thing is open in this process, by what the system says it is, or by number.
fn descriptors() -> BTreeMap<String, usize> {
    let folder = ["/proc/self/fd", "/dev/fd"].into_iter().find_map(|path| fs::read_dir(path).ok());
    let mut open = BTreeMap::new();
    for entry in folder.expect("a folder that lists descriptors").flatten() {
        let what = fs::read_link(entry.path()).unwrap_or_else(|_| entry.file_name().into());
        *open.entry(what.display().to_string()).or_insert(0) += 1;
    }
    open
}

fn add(count: &Cell<usize>) {
    count.set(count.get() + 1);
}

/// How many accepts and receives are given up.
const MANY: usize = 100_000;

/// How many clients there are at a time.
const CLIENTS: usize = 32;

/// Far more than it takes, on any machine.
const LIMIT: Duration = Duration::from_secs(60);
