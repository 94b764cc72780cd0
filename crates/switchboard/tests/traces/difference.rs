//! What is said of two runs that are not the same: where they part, and what is there on either side.

use std::net::Shutdown;
use std::time::Duration;

use switchboard::Engine;
use switchboard::engine::sim::Network;
use switchboard::engine::trace::Trace;
use switchboard::engine::{Address, Close, Direction, Done, Listen, Op, Plan, Setting, Socket};

use crate::engines::Lot;
use crate::programs::{accept, connect, finish, listen, pending, recv, run, send};

/// What a program may do otherwise.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Otherwise {
    No,
    /// Closes at once where it should close gently.
    Rude,
    /// Answers in capitals.
    Loud,
    /// Takes its bytes in pieces, looks at them before, and asks for the end twice.
    Piecemeal,
    /// Pauses for a nanosecond.
    Late,
    /// Sets what makes no difference to anybody.
    Eager,
    /// Connects once more.
    Twice,
}

fn converse(engine: &mut dyn Engine, otherwise: Otherwise) {
    let (listener, at) = listen(engine);
    let client = connect(engine, &at);
    let server = accept(engine, listener);
    match otherwise {
        Otherwise::Eager => engine.set(client, Setting::NoDelay(true)).unwrap(),
        Otherwise::Late => {
            let soon = engine.clock() + Duration::from_nanos(1);
            engine.wait(Some(soon), &mut Vec::new()).unwrap();
        }
        Otherwise::Twice => drop(connect(engine, &at)),
        _ => {}
    }
    send(engine, client, b"how are you?");
    if otherwise == Otherwise::Piecemeal {
        engine.try_recv(client, &mut [0; 9]).unwrap_err();
        run(engine, Op::Ready { socket: server, direction: Direction::Read }).unwrap();
        run(engine, Op::Recv { socket: server, max: 5, peek: true }).unwrap();
    }
    let mut max = if otherwise == Otherwise::Piecemeal { 3 } else { 100 };
    let mut left = b"how are you?".len();
    while left > 0 {
        left -= recv_at_most(engine, server, max);
        max += 2;
    }
    send(engine, server, if otherwise == Otherwise::Loud { b"FINE, THANKS" } else { b"fine, thanks" });
    run(engine, Op::Shutdown { socket: server, how: Shutdown::Write }).unwrap();
    while !recv(engine, client).is_empty() {}
    if otherwise == Otherwise::Piecemeal {
        assert!(recv(engine, client).is_empty());
    }
    engine.close(client, if otherwise == Otherwise::Rude { Close::Now } else { Close::GENTLY });
}

fn recv_at_most(engine: &mut dyn Engine, socket: Socket, max: usize) -> usize {
    match run(engine, Op::Recv { socket, max, peek: false }).unwrap() {
        Done::Received { lease } => lease.len(),
        other => panic!("no bytes: {other:?}"),
    }
}

fn on(lot: Lot, host: &str, otherwise: Otherwise) -> Trace {
    let trace = Trace::new();
    let (engine, _network) = lot.open().expect("an engine that every system has");
    converse(&mut *trace.record(host, engine), otherwise);
    trace
}

fn in_memory(otherwise: Otherwise) -> Trace {
    on(Lot::Sim, "", otherwise)
}

/// What is said where two traces do not agree.
fn said(one: &Trace, other: &Trace) -> String {
    one.agrees_with(other).expect_err("they should not agree").to_string()
}

#[test]
fn another_close_is_shown_with_what_came_before() {
    let one = on(Lot::Poll, "", Otherwise::No);
    assert_eq!(
        said(&one, &in_memory(Otherwise::Rude)),
        "what was observed of stream to listener 1 differs
--- poll
+++ sim
  …
  received 12 bytes \"fine, thanks\"
  received the end
  sent 12 bytes \"how are you?\"
- closed gently
+ closed at once"
    );
}

#[test]
fn other_bytes_are_shown_and_who_else_saw_them() {
    let one = on(Lot::Poll, "office", Otherwise::No);
    assert_eq!(
        said(&one, &on(Lot::Sim, "office", Otherwise::Loud)),
        "what was observed of stream of office to listener 1 of office differs
--- poll
+++ sim
  opened
  connected to listener 1 of office
- received 12 bytes \"fine, thanks\"
+ received 12 bytes \"FINE, THANKS\"
  received the end
  sent 12 bytes \"how are you?\"
  closed gently
and 1 more that differ"
    );
}

#[test]
fn one_more_socket_is_shown_alone() {
    let one = on(Lot::Poll, "", Otherwise::No);
    let other = in_memory(Otherwise::Twice);
    assert_eq!(
        said(&one, &other),
        "what was observed of stream to listener 1 (number 2 of 2) differs
--- poll
+++ sim
+ opened
+ connected to listener 1"
    );
    assert!(said(&other, &one).ends_with("\n--- sim\n+++ poll\n- opened\n- connected to listener 1"));
}

#[test]
fn pieces_and_time_make_no_difference_but_settings_do() {
    let one = in_memory(Otherwise::No);
    one.agrees_with(&in_memory(Otherwise::Piecemeal)).unwrap();
    one.agrees_with(&in_memory(Otherwise::Late)).unwrap();
    let said = said(&one, &in_memory(Otherwise::Eager));
    assert!(said.contains("\n+ set NoDelay(true)\n"), "{said}");
}

#[test]
fn which_client_comes_first_makes_no_difference() {
    let record = |order: [&[u8]; 3]| {
        let trace = Trace::new();
        let mut engine = trace.record("", Network::new().engine());
        let (listener, at) = listen(&mut *engine);
        for text in order {
            let client = connect(&mut *engine, &at);
            send(&mut *engine, client, text);
            let server = accept(&mut *engine, listener);
            recv(&mut *engine, server);
        }
        trace
    };
    let one = record([b"a", b"b", b"c"]);
    one.agrees_with(&record([b"c", b"a", b"b"])).unwrap();
    let said = said(&one, &record([b"a", b"d", b"b"]));
    let expected =
        "what was observed of stream to listener 1 (number 3 of 3) differs\n--- the first\n+++ the second\n";
    assert!(said.starts_with(expected), "{said}");
    assert!(said.contains("\n- sent 1 byte \"c\"\n+ sent 1 byte \"d\"\n"), "{said}");
}

#[test]
fn a_trace_that_was_cut_does_not_agree() {
    let record = |limit| {
        let trace = Trace::with_limit(limit);
        converse(&mut *trace.record("", Network::new().engine()), Otherwise::No);
        trace
    };
    let said = said(&record(3), &record(3));
    assert!(said.starts_with("the traces agree as far as they were kept"), "{said}");
}

#[test]
fn the_first_event_that_differs_is_shown_with_those_before_it() {
    let one = in_memory(Otherwise::No);
    assert_eq!(one.first_difference(&in_memory(Otherwise::No)), None);
    let lines: Vec<_> = one.to_string().lines().map(str::to_owned).collect();
    let index = lines.iter().position(|line| line.contains("how are you?")).unwrap();
    let said = one.first_difference(&in_memory(Otherwise::Eager)).unwrap().to_string();
    let before: String = lines[..index].iter().map(|line| format!("  {line}\n")).collect();
    assert_eq!(
        said,
        format!(
            "event {} differs\n--- the first\n+++ the second\n{before}- {}\n+ {}",
            index + 1,
            lines[index],
            "0.000000  set      stream 2 NoDelay(true)"
        )
    );
}

#[test]
fn a_nanosecond_is_a_difference() {
    let said = in_memory(Otherwise::No).first_difference(&in_memory(Otherwise::Late)).unwrap().to_string();
    assert!(said.contains(" (at 0ns)\n+ ") && said.ends_with(" (at 1ns)"), "{said}");
}

#[test]
fn a_trace_that_goes_on_differs_from_one_that_ends() {
    let (one, other) = (in_memory(Otherwise::No), in_memory(Otherwise::No));
    listen(&mut *other.record("", Network::new().engine()));
    let said = one.first_difference(&other).unwrap().to_string();
    assert!(said.contains("\n- (nothing more)\n+ 0.") && said.contains("listener 4 at 127.0.0.1"), "{said}");
}

#[test]
fn what_is_beyond_the_limit_is_compared_all_the_same() {
    let record = |otherwise| {
        let trace = Trace::with_limit(3);
        converse(&mut *trace.record("", Network::new().engine()), otherwise);
        trace
    };
    let one = record(Otherwise::No);
    assert_eq!(one.first_difference(&record(Otherwise::No)), None);
    let said = one.first_difference(&record(Otherwise::Rude)).unwrap().to_string();
    assert_eq!(said, "the traces differ behind event 3, the last that was kept: keep more of them");
}

#[test]
fn a_send_that_was_given_up_is_sent_all_the_same() {
    let record = |waits: bool| {
        let trace = Trace::new();
        let mut engine = trace.record("", Network::new().engine());
        let (listener, at) = listen(&mut *engine);
        let client = connect(&mut *engine, &at);
        let server = accept(&mut *engine, listener);
        let sending =
            pending(&mut *engine, Op::Send { socket: client, parts: vec![vec![7; 1 << 20].into()] });
        if !waits {
            engine.cancel(sending);
        }
        let mut left = 1 << 20;
        while left > 0 {
            left -= recv(&mut *engine, server).len();
        }
        if waits {
            finish(&mut *engine, sending).unwrap();
        }
        trace
    };
    record(true).agrees_with(&record(false)).unwrap();
}

#[test]
fn signals_are_counted_in_all() {
    let record = |raised: &[u64]| {
        let trace = Trace::new();
        let network = Network::new();
        let mut engine = trace.record("", network.engine());
        for &times in raised {
            let waits = pending(&mut *engine, Op::Signal { number: 15 });
            (0..times).for_each(|_| network.raise(15));
            finish(&mut *engine, waits).unwrap();
        }
        trace
    };
    record(&[1, 2, 3]).agrees_with(&record(&[4, 2])).unwrap();
    let said = said(&record(&[1, 2, 3]), &record(&[4, 3]));
    assert!(said.starts_with("what was observed of signal 15 differs\n"), "{said}");
    assert!(said.ends_with("\n- came 6x\n+ came 7x"), "{said}");
}

#[test]
fn who_listens_everywhere_is_known_at_every_address() {
    let record = |address: &str, text: &[u8]| {
        let trace = Trace::new();
        let mut engine = trace.record("", Network::new().engine());
        let listener = engine.open(Plan::Listen(Listen::at("0.0.0.0:0".parse().unwrap()))).unwrap();
        let port = crate::programs::local(&mut *engine, listener).port().unwrap();
        let at: Address = format!("{address}:{port}").parse().unwrap();
        let client = connect(&mut *engine, &at);
        send(&mut *engine, client, text);
        trace
    };
    record("127.0.0.1", b"x").agrees_with(&record("127.0.0.2", b"x")).unwrap();
    let said = said(&record("127.0.0.1", b"x"), &record("127.0.0.1", b"y"));
    assert!(said.starts_with("what was observed of stream to listener 1 differs"), "{said}");
}

#[test]
fn a_port_that_somebody_chose_is_no_chance() {
    let record = |port: u16| {
        let trace = Trace::new();
        let mut engine = trace.record("", Network::new().engine());
        let to: Address = format!("127.0.0.1:{port}").parse().unwrap();
        let socket = engine.open(Plan::Stream { like: to.clone() }).unwrap();
        run(&mut *engine, Op::Connect { socket, to }).unwrap_err();
        trace
    };
    record(40_000).agrees_with(&record(40_001)).unwrap();
    let said = said(&record(80), &record(81));
    assert!(said.starts_with("what was observed of stream to 127.0.0.1:80 differs\n"), "{said}");
}
