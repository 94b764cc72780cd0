//! What a server's thread pays per message: asking for each receive anew, or once for all of them.
//!
//! An echo server on a ring answers 64 bytes with a direct send(2); its clients, on a thread of their own,
//! each wait for the answer before they send again. Three ways to receive take turns, round after round,
//! so that what else the machine does hits all alike. Printed is the processor time of the server's
//! thread, user and system, in microseconds per message: the median of the rounds, and the median of
//! the ratios within a round.
//!
//! `cargo run --release -p switchboard-ring --example rearm [rounds [messages]]`
#![expect(clippy::disallowed_methods, reason = "a measurement starts threads itself")]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::thread;

use rustix::time::{ClockId, clock_gettime};
use switchboard_ring::{Outcome, Request, Ring, Setup, probe};

/// A way to receive: its name, `multishot` and `poll_first`.
type Way = (&'static str, bool, bool);

const WAYS: [Way; 3] = [
    ("one-shot, waits first", false, true),
    ("one-shot, tries first", false, false),
    ("multishot", true, false),
];

fn main() -> io::Result<()> {
    probe()?;
    let mut arguments = std::env::args().skip(1).map_while(|argument| argument.parse::<usize>().ok());
    let rounds = arguments.next().unwrap_or(15);
    let messages = arguments.next().unwrap_or(20_000);
    for connections in [1, 50] {
        println!("{connections} connections, {rounds} rounds of {messages} messages:");
        let mut costs = vec![Vec::new(); WAYS.len()];
        for round in 0..rounds {
            for turn in 0..WAYS.len() {
                let way = (round + turn) % WAYS.len();
                costs[way].push(serve(WAYS[way], connections, messages / connections)?);
            }
        }
        for (way, cost) in WAYS.iter().zip(&costs) {
            let ratios = cost.iter().zip(&costs[0]).map(|(cost, first)| cost / first).collect();
            let (name, cost, ratio) = (way.0, median(cost.clone()), median(ratios));
            println!("  {name:24} {cost:7.3} µs per message, {ratio:.3} of the first");
        }
    }
    Ok(())
}

/// Serves `turns` messages on each connection. The processor time this thread used per message, in µs.
fn serve((_, multishot, poll_first): Way, connections: usize, turns: usize) -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?;
    let clients = thread::spawn(move || {
        let clients: Vec<TcpStream> =
            (0..connections).map(|_| TcpStream::connect(to)).collect::<Result<_, _>>()?;
        converse(&clients, turns)
    });
    let mut ring = Ring::<Stream, Vec<u8>>::new(Setup::default())?;
    (0..connections.next_power_of_two()).for_each(|_| ring.provide(vec![0; 4096]));
    let mut streams = slotmap::SecondaryMap::new();
    for _ in 0..connections {
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let stream = Stream(Rc::new(stream));
        let token = ring.push(Request::Receive { stream: stream.clone(), multishot, poll_first });
        streams.insert(token, stream);
    }
    let before = processor_time();
    let mut open = connections;
    while open > 0 {
        ring.enter(None)?;
        while let Some(reply) = ring.reply() {
            let Outcome::Received { buffer, count, .. } = reply.outcome? else { unreachable!() };
            let stream = streams[reply.token].clone();
            if count == 0 {
                open -= 1;
                continue;
            }
            (&*stream.0).write_all(&buffer[..count])?;
            ring.provide(buffer);
            if let Some(request) = reply.request {
                streams.insert(ring.push(request), stream);
            }
        }
    }
    let spent = processor_time() - before;
    clients.join().expect("the clients do not panic")?;
    Ok(spent / (connections * turns) as f64)
}

/// All send, then all wait for their answers.
fn converse(clients: &[TcpStream], turns: usize) -> io::Result<()> {
    let mut bytes = [7; 64];
    for client in clients {
        client.set_nodelay(true)?;
    }
    for _ in 0..turns {
        for mut client in clients {
            client.write_all(&bytes)?;
        }
        for mut client in clients {
            client.read_exact(&mut bytes)?;
        }
    }
    Ok(())
}

/// A stream that requests share.
#[derive(Clone)]
struct Stream(Rc<TcpStream>);

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What this thread has used, in µs.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
