//! Every fault is brought about at an engine's own calls, on every engine, in the form in which it really comes.
//!
//! Probabilities are one or nearly so and budgets small, so that what is to happen happens at a known call.
#![allow(clippy::disallowed_methods, reason = "tests guard themselves by the real clock")]

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use switchboard::engine::sim::{Lamps, Network};
use switchboard::engine::{
    self, Address, Close, Direction, Done, Engine, Fact, Failed, Fault, Faults, Injected, Listen, Mechanism,
    Op, Plan, Question, Socket, Submitted, Ticket,
};

/// An engine with faults, and what it has brought about.
struct Case {
    name: String,
    engine: Box<dyn Engine>,
    injected: Injected,
}

/// Does it on each engine there is.
fn on_each(faults: &Faults, body: impl Fn(&mut Case)) {
    for mechanism in Mechanism::available() {
        let (engine, injected) = engine::with_faults(mechanism, faults, 7).unwrap();
        assert_eq!(engine.name(), mechanism.name());
        body(&mut Case { name: mechanism.to_string(), engine, injected });
    }
    for lamps in [Lamps::Edge, Lamps::Oneshot] {
        let network = Network::with_seed(7).lamps(lamps).faults(faults.clone());
        let (engine, injected) = (network.engine(), network.injected());
        body(&mut Case { name: format!("sim {lamps:?}"), engine, injected });
    }
}

fn only(fault: Fault, probability: f64) -> Faults {
    Faults::none().with(fault, probability)
}

fn once(fault: Fault) -> Faults {
    only(fault, 1.0).budget(fault, 1)
}

impl Case {
    fn listen(&mut self) -> (Socket, Address) {
        self.listen_at("127.0.0.1:0").unwrap()
    }

    fn listen_at(&mut self, address: &str) -> io::Result<(Socket, Address)> {
        let listener = self.engine.open(Plan::Listen(Listen::at(address.parse().unwrap())))?;
        match self.engine.ask(listener, Question::Local)? {
            Fact::Address(address) => Ok((listener, address)),
            other => panic!("{other:?} is no address"),
        }
    }

    fn connect(&mut self, to: &Address) -> Socket {
        let client = self.engine.open(Plan::Stream { like: to.clone() }).unwrap();
        self.run(Op::Connect { socket: client, to: to.clone() }).unwrap();
        client
    }

    /// Who connected, and who was accepted.
    fn pair(&mut self) -> (Socket, Socket) {
        let (listener, address) = self.listen();
        let client = self.connect(&address);
        match self.run(Op::Accept { socket: listener, wait: true }) {
            Ok(Done::Accepted { socket, .. }) => (client, socket),
            other => panic!("{}: not accepted: {other:?}", self.name),
        }
    }

    fn run(&mut self, op: Op) -> Result<Done, Failed> {
        match self.engine.submit(op) {
            Submitted::Done(outcome) => outcome,
            Submitted::Pending(ticket) => self.finish(ticket),
        }
    }

    fn finish(&mut self, ticket: Ticket) -> Result<Done, Failed> {
        let begun = Instant::now();
        loop {
            match self.engine.take(ticket) {
                Err(failed) if failed.error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
            assert!(begun.elapsed() < DEADLINE, "{}: an operation did not finish in time", self.name);
            let soon = self.engine.clock() + Duration::from_secs(1);
            self.engine.wait(Some(soon), &mut Vec::new()).unwrap();
        }
    }

    fn glance(&mut self) {
        let now = self.engine.clock();
        self.engine.wait(Some(now), &mut Vec::new()).unwrap();
    }

    fn send(&mut self, socket: Socket, bytes: &[u8]) {
        let outcome = self.run(Op::Send { socket, parts: vec![bytes.into()] });
        assert!(
            matches!(outcome, Ok(Done::Sent { bytes: count, .. }) if count == bytes.len()),
            "{outcome:?}"
        );
    }

    fn recv(&mut self, socket: Socket) -> io::Result<Vec<u8>> {
        match self.run(Op::Recv { socket, max: usize::MAX, peek: false }) {
            Ok(Done::Received { lease }) => Ok(lease.to_vec()),
            Ok(other) => panic!("{}: {other:?} is not what was received", self.name),
            Err(failed) => Err(failed.error),
        }
    }

    fn recv_all(&mut self, socket: Socket, wanted: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < wanted {
            let some = self.recv(socket).unwrap();
            assert!(!some.is_empty(), "{}: the end after {} of {wanted} bytes", self.name, all.len());
            all.extend(some);
        }
        all
    }

    /// Waits until there is something to receive, and leaves it there.
    fn arrival(&mut self, socket: Socket) {
        self.run(Op::Ready { socket, direction: Direction::Read }).unwrap();
    }

    fn try_recv(&mut self, socket: Socket) -> Result<Vec<u8>, io::ErrorKind> {
        let mut bytes = vec![0; 100];
        let count = self.engine.try_recv(socket, &mut bytes).map_err(|error| error.kind())?;
        Ok(bytes[..count].to_vec())
    }

    fn try_send(&mut self, socket: Socket, bytes: &[u8]) -> Result<usize, io::ErrorKind> {
        self.engine.try_send(socket, &[IoSlice::new(bytes)]).map_err(|error| error.kind())
    }

    fn count(&self, fault: Fault) -> u64 {
        self.injected.count(fault)
    }
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 31 + at / 251 * 7) as u8).collect()
}

fn error<T>(outcome: Result<T, Failed>) -> Option<i32> {
    outcome.err().expect("it should fail").error.raw_os_error()
}

#[test]
fn short_transfers_lose_and_reorder_nothing() {
    on_each(&only(Fault::Short, 0.9), |case| {
        for address in ["127.0.0.1:0", "unix:@switchboard-chaos-short"] {
            let (listener, at) = case.listen_at(address).unwrap();
            let client = case.connect(&at);
            let Ok(Done::Accepted { socket: server, .. }) =
                case.run(Op::Accept { socket: listener, wait: true })
            else {
                panic!("{}: not accepted", case.name)
            };
            let sent = pattern(300_000);
            let parts = sent.chunks(7_000).map(Into::into).collect();
            let Submitted::Pending(sending) = case.engine.submit(Op::Send { socket: client, parts }) else {
                panic!("{}: all was sent at once", case.name)
            };
            assert_eq!(case.recv_all(server, sent.len()), sent, "{}", case.name);
            assert!(matches!(case.finish(sending), Ok(Done::Sent { bytes: 300_000, .. })));
            case.engine.close(listener, Close::Now);
        }
        assert!(case.count(Fault::Short) > 10, "{}: {}", case.name, case.injected);
    });
}

/// As if the rest had yet to arrive: not in this pass, and in the next one it does.
#[test]
fn what_a_short_receive_leaves_comes_with_the_next_wait() {
    on_each(&once(Fault::Short), |case| {
        let (client, server) = case.pair();
        // One byte at a time cannot be short.
        for byte in b"all of it" {
            assert_eq!(case.try_send(client, &[*byte]), Ok(1));
        }
        // Without waiting: some kernels would bring it.
        let mut heard = Vec::new();
        let begun = Instant::now();
        while case.count(Fault::Short) == 0 {
            assert!(begun.elapsed() < DEADLINE && heard.len() < 8, "{}: nothing was short", case.name);
            heard.extend(case.try_recv(server).unwrap_or_default());
        }
        assert!(heard.len() < 9, "{}", case.name);
        assert_eq!(case.try_recv(server), Err(io::ErrorKind::WouldBlock), "{}", case.name);
        let now = case.engine.clock();
        assert!(
            case.engine.due().is_some_and(|due| due <= now),
            "{}: who sleeps elsewhere sleeps on",
            case.name
        );
        let left = 9 - heard.len();
        heard.extend(case.recv_all(server, left));
        assert_eq!(heard, b"all of it", "{}", case.name);
        assert_eq!(case.engine.due(), None, "{}", case.name);
    });
}

#[test]
fn what_a_short_send_leaves_has_room_with_the_next_wait() {
    on_each(&once(Fault::Short), |case| {
        let (client, server) = case.pair();
        let sent = case.try_send(client, &pattern(100)).unwrap();
        assert!(sent < 100, "{}: {sent} of 100", case.name);
        assert_eq!(case.try_send(client, &[0; 10]), Err(io::ErrorKind::WouldBlock), "{}", case.name);
        case.run(Op::Ready { socket: client, direction: Direction::Write }).unwrap();
        assert_eq!(case.try_send(client, &pattern(100)[sent..]), Ok(100 - sent), "{}", case.name);
        assert_eq!(case.recv_all(server, 100), pattern(100), "{}", case.name);
    });
}

/// On an edge nothing would ever tell of what is hidden, if its lamp were not lit.
#[test]
fn a_receive_that_waits_gets_what_was_hidden_though_nothing_more_is_sent() {
    on_each(&only(Fault::Short, 1.0), |case| {
        let (client, server) = case.pair();
        let Submitted::Pending(first) =
            case.engine.submit(Op::Recv { socket: server, max: usize::MAX, peek: false })
        else {
            panic!("{}: received nothing", case.name)
        };
        case.glance();
        case.send(client, b"all of it");
        let Ok(Done::Received { lease }) = case.finish(first) else { panic!("{}: not received", case.name) };
        let mut heard = lease.to_vec();
        heard.extend(case.recv_all(server, 9 - heard.len()));
        assert_eq!(heard, b"all of it", "{}", case.name);
        assert!(case.count(Fault::Short) > 0, "{}", case.name);
    });
}

#[test]
fn what_is_held_back_leaves_with_its_socket() {
    on_each(&only(Fault::Short, 1.0), |case| {
        let (client, server) = case.pair();
        let Submitted::Pending(first) =
            case.engine.submit(Op::Recv { socket: server, max: usize::MAX, peek: false })
        else {
            panic!("{}: received nothing", case.name)
        };
        case.glance();
        // One byte at a time cannot be short; and no wait in between, which would tell what is held.
        for byte in b"all of it" {
            assert_eq!(case.try_send(client, &[*byte]), Ok(1));
        }
        let Ok(Done::Received { lease }) = case.finish(first) else { panic!("{}: not received", case.name) };
        let mut heard = lease.to_vec();
        let Ok(Done::Released { descriptor, parked }) = case.run(Op::Release { socket: server }) else {
            panic!("{}: not released", case.name)
        };
        for outcome in parked {
            match outcome {
                Ok(Done::Received { lease }) => heard.extend_from_slice(&lease),
                other => panic!("{}: {other:?} was parked", case.name),
            }
        }
        let server = case.engine.open(Plan::Adopt(descriptor)).unwrap();
        let left = 9 - heard.len();
        heard.extend(case.recv_all(server, left));
        assert_eq!(heard, b"all of it", "{}", case.name);
    });
}

#[test]
fn what_is_interrupted_is_done_all_the_same() {
    on_each(&only(Fault::Interrupted, 1.0), |case| {
        for address in ["127.0.0.1:0", "unix:@switchboard-chaos-eintr"] {
            let (listener, at) = case.listen_at(address).unwrap();
            let client = case.connect(&at);
            let Ok(Done::Accepted { socket: server, .. }) =
                case.run(Op::Accept { socket: listener, wait: true })
            else {
                panic!("{}: not accepted", case.name)
            };
            case.send(client, b"there");
            assert_eq!(case.recv_all(server, 5), b"there", "{}", case.name);
            assert_eq!(case.try_send(server, b"back"), Ok(4), "{}", case.name);
            case.arrival(client);
            assert_eq!(case.try_recv(client).unwrap(), b"back", "{}", case.name);
            case.engine.close(listener, Close::Now);
        }
        assert!(case.count(Fault::Interrupted) > 10, "{}: {}", case.name, case.injected);
    });
}

#[test]
fn datagrams_are_sent_and_received_though_interrupted() {
    on_each(&only(Fault::Interrupted, 1.0), |case| {
        let one = case.engine.open(Plan::Datagram { bind: "127.0.0.1:0".parse().unwrap() }).unwrap();
        let Ok(Fact::Address(to)) = case.engine.ask(one, Question::Local) else { panic!("no address") };
        case.run(Op::SendTo { socket: one, to, part: b"to myself".as_slice().into() }).unwrap();
        let heard = case.run(Op::RecvFrom { socket: one, max: 100 });
        assert!(
            matches!(heard, Ok(Done::Datagram { lease, .. }) if *lease == *b"to myself"),
            "{}",
            case.name
        );
        assert!(case.count(Fault::Interrupted) >= 2, "{}: {}", case.name, case.injected);
    });
}

#[test]
fn a_lamp_that_is_lit_for_nothing_finishes_nothing() {
    on_each(&only(Fault::Spurious, 1.0), |case| {
        let (client, server) = case.pair();
        let ops = [
            Op::Recv { socket: server, max: 10, peek: false },
            Op::Ready { socket: client, direction: Direction::Read },
        ];
        let tickets = ops.map(|op| match case.engine.submit(op) {
            Submitted::Pending(ticket) => ticket,
            Submitted::Done(outcome) => panic!("{}: {outcome:?} at once", case.name),
        });
        let before = case.count(Fault::Spurious);
        for _ in 0..50 {
            let mut finished = Vec::new();
            let soon = case.engine.clock() + Duration::from_micros(100);
            case.engine.wait(Some(soon), &mut finished).unwrap();
            assert!(finished.is_empty(), "{}: {finished:?} of {tickets:?}", case.name);
        }
        assert!(case.count(Fault::Spurious) >= before + 50, "{}: {}", case.name, case.injected);
        case.send(client, b"so");
        case.send(server, b"be it");
        assert!(matches!(case.finish(tickets[0]), Ok(Done::Received { lease }) if *lease == *b"so"));
        assert!(matches!(case.finish(tickets[1]), Ok(Done::Ready)), "{}", case.name);
    });
}

#[test]
fn what_has_run_out_is_there_again_and_nothing_was_lost() {
    for (fault, code) in [(Fault::OutOfDescriptors, EMFILE), (Fault::OutOfBuffers, ENOBUFS)] {
        on_each(&only(fault, 1.0).budget(fault, 2), |case| {
            // To listen is excepted: who cannot has nothing to go on with.
            case.listen();
            let mut open = || case.engine.open(Plan::Datagram { bind: "127.0.0.1:0".parse().unwrap() });
            let refused = open().unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(code), "{}", case.name);
            assert!(engine::is_exhaustion(&refused));
            open().unwrap_err();
            open().unwrap();
            assert_eq!(case.count(fault), 2);
        });
    }
    // At an accept: the one who waits is told, and the connection stays in the queue.
    for (fault, code) in [(Fault::OutOfDescriptors, EMFILE), (Fault::OutOfBuffers, ENOBUFS)] {
        on_each(&only(fault, 0.4).budget(fault, 20), |case| {
            let (listener, address) = case.listen();
            let mut told = 0;
            for _ in 0..20 {
                let client = loop {
                    if let Ok(client) = case.engine.open(Plan::Stream { like: address.clone() }) {
                        break client;
                    }
                };
                case.run(Op::Connect { socket: client, to: address.clone() }).unwrap();
                let server = loop {
                    match case.run(Op::Accept { socket: listener, wait: true }) {
                        Ok(Done::Accepted { socket, .. }) => break socket,
                        outcome => assert_eq!(error(outcome), Some(code), "{}", case.name),
                    }
                    told += 1;
                };
                case.send(client, b"me");
                assert_eq!(case.recv_all(server, 2), b"me", "{}", case.name);
            }
            assert!(told > 0, "{}: {}", case.name, case.injected);
        });
    }
}

#[test]
fn a_datagram_for_which_there_is_no_memory_is_said_not_to_be_sent() {
    on_each(&only(Fault::OutOfBuffers, 0.5), |case| {
        let one = loop {
            if let Ok(one) = case.engine.open(Plan::Datagram { bind: "127.0.0.1:0".parse().unwrap() }) {
                break one;
            }
        };
        let Ok(Fact::Address(to)) = case.engine.ask(one, Question::Local) else { panic!("no address") };
        let mut failures = 0;
        for _ in 0..30 {
            match case.run(Op::SendTo { socket: one, to: to.clone(), part: b"x".as_slice().into() }) {
                Ok(_) => {}
                failed => {
                    assert_eq!(error(failed), Some(ENOBUFS), "{}", case.name);
                    failures += 1;
                }
            }
        }
        assert!((5..25).contains(&failures), "{}: {failures} of 30 failed", case.name);
    });
}

#[test]
fn an_aborted_connection_is_reset_and_the_next_is_accepted() {
    on_each(&once(Fault::Aborted), |case| {
        let (listener, address) = case.listen();
        let gone = case.connect(&address);
        let outcome = case.run(Op::Accept { socket: listener, wait: true });
        assert_eq!(error(outcome), Some(ECONNABORTED), "{}", case.name);
        assert_eq!(case.recv(gone).unwrap_err().kind(), io::ErrorKind::ConnectionReset, "{}", case.name);
        let client = case.connect(&address);
        let Ok(Done::Accepted { socket, .. }) = case.run(Op::Accept { socket: listener, wait: true }) else {
            panic!("{}: the next was not accepted", case.name)
        };
        case.send(client, b"here");
        assert_eq!(case.recv_all(socket, 4), b"here", "{}", case.name);
        // One that is already waited for.
        assert_eq!(case.count(Fault::Aborted), 1);
    });
}

/// The peer hears of it at once, not when somebody closes what is broken.
#[test]
fn a_reset_is_told_to_both_ends_and_told_again() {
    for is_sending in [true, false] {
        on_each(&once(Fault::Reset), |case| {
            let (client, server) = case.pair();
            let Submitted::Pending(waiting) =
                case.engine.submit(Op::Ready { socket: client, direction: Direction::Read })
            else {
                panic!("{}: ready for nothing", case.name)
            };
            case.glance();
            let outcome = if is_sending {
                case.try_send(server, b"lost")
            } else {
                case.try_recv(server).map(|bytes| bytes.len())
            };
            assert_eq!(outcome, Err(io::ErrorKind::ConnectionReset), "{}", case.name);
            assert_eq!(case.count(Fault::Reset), 1);
            // Whoever asks again is told the same: a clean end would look like all there was.
            assert_eq!(
                case.recv(server).unwrap_err().kind(),
                io::ErrorKind::ConnectionReset,
                "{}",
                case.name
            );
            assert_eq!(case.try_send(server, b"more"), Err(io::ErrorKind::BrokenPipe), "{}", case.name);
            case.finish(waiting).unwrap();
            assert_eq!(
                case.recv(client).unwrap_err().kind(),
                io::ErrorKind::ConnectionReset,
                "{}",
                case.name
            );
            case.engine.close(server, Close::GENTLY);
            assert_eq!(case.engine.closing(), 0, "{}: there is nothing to be gentle with", case.name);
        });
    }
}

#[test]
fn a_receive_that_waits_ends_with_the_reset_of_a_send() {
    on_each(&once(Fault::Reset), |case| {
        let (_client, server) = case.pair();
        let failed = match case.engine.submit(Op::Recv { socket: server, max: 10, peek: false }) {
            Submitted::Pending(waiting) => {
                case.glance();
                let sent = case.try_send(server, b"lost");
                assert_eq!(sent, Err(io::ErrorKind::ConnectionReset), "{}", case.name);
                case.finish(waiting).unwrap_err()
            }
            // Where to receive is to try at once, that is the call that breaks it.
            Submitted::Done(outcome) => outcome.unwrap_err(),
        };
        assert_eq!(failed.error.kind(), io::ErrorKind::ConnectionReset, "{}", case.name);
    });
}

#[test]
fn what_has_no_connection_or_cannot_break_is_not_reset() {
    on_each(&only(Fault::Reset, 1.0), |case| {
        let stream = case.engine.open(Plan::Stream { like: "127.0.0.1:0".parse().unwrap() }).unwrap();
        assert_eq!(case.try_recv(stream), Err(io::ErrorKind::NotConnected), "{}", case.name);
        let (listener, at) = case.listen_at("unix:@switchboard-chaos-reset").unwrap();
        let client = case.connect(&at);
        let Ok(Done::Accepted { socket, .. }) = case.run(Op::Accept { socket: listener, wait: true }) else {
            panic!("{}: not accepted", case.name)
        };
        case.send(client, b"unharmed");
        assert_eq!(case.recv_all(socket, 8), b"unharmed", "{}", case.name);
        assert_eq!(case.count(Fault::Reset), 0, "{}", case.name);
        case.engine.close(listener, Close::Now);
    });
}

#[test]
fn a_seed_repeats_what_happens_in_a_simulated_network() {
    let run = |seed| {
        let network = Network::with_seed(seed).faults(Faults::unseen());
        let (engine, injected) = (network.engine(), network.injected());
        let mut case = Case { name: "sim".to_owned(), engine, injected };
        let (client, server) = case.pair();
        let mut pieces = Vec::new();
        for _ in 0..50 {
            case.send(client, &pattern(1_000));
            let mut left = 1_000;
            while left > 0 {
                let piece = case.recv(server).unwrap().len();
                pieces.push(piece);
                left -= piece;
            }
        }
        (pieces, case.injected.to_string())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

const DEADLINE: Duration = Duration::from_secs(20);

const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();
const ENOBUFS: i32 = rustix::io::Errno::NOBUFS.raw_os_error();
const ECONNABORTED: i32 = rustix::io::Errno::CONNABORTED.raw_os_error();
