//! What only the network in memory does: its time, its order, its limits, and that it says when all is over.

mod steps;

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use switchboard::engine::sim::{Lamps, Network};
use switchboard::engine::trace::Trace;
use switchboard::engine::{
    Close, Descriptor, Direction, Done, Engine, Fact, Lease, Op, Plan, Question, Setting, Submitted,
};

use steps::{accept, connect, everywhere, finish, listen, local, now, pair, pending, recv, run, send, spawn};

#[test]
fn bytes_go_both_ways_and_end() {
    everywhere(|engine, address| {
        let (client, server) = pair(engine, address);
        assert_eq!(send(engine, client, b"hello").unwrap(), 5);
        assert_eq!(recv(engine, server).unwrap(), b"hello");
        let waits = pending(engine.submit(Op::Recv { socket: client, max: 100, peek: false }));
        assert_eq!(send(engine, server, b"world").unwrap(), 5);
        run(engine, Op::Shutdown { socket: server, how: Shutdown::Write }).unwrap();
        match finish(engine, waits).unwrap() {
            Done::Received { lease } => assert_eq!(&*lease, b"world"),
            other => panic!("{other:?}"),
        }
        assert_eq!(recv(engine, client).unwrap(), b"");
        assert_eq!(send(engine, client, b"still").unwrap(), 5);
        assert_eq!(recv(engine, server).unwrap(), b"still");
    });
}

#[test]
fn an_hour_passes_at_once_and_to_the_nanosecond() {
    let started = now();
    let mut engine = Network::new().engine();
    let until = engine.clock() + Duration::new(3_600, 7);
    engine.wait(Some(until), &mut Vec::new()).unwrap();
    assert_eq!((engine.clock(), engine.now()), (until, until));
    engine.wait(Some(until - Duration::from_secs(1)), &mut Vec::new()).unwrap();
    let look = Duration::from_micros(1);
    assert_eq!(
        engine.clock(),
        until + look,
        "time does not run backwards, and a look in vain takes a microsecond"
    );
    engine.wait(Some(until + Duration::from_secs(1 << 60)), &mut Vec::new()).unwrap();
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn time_stands_still_while_something_can_be_done() {
    everywhere(|engine, address| {
        let (client, server) = pair(engine, address);
        let waits = pending(engine.submit(Op::Recv { socket: server, max: 9, peek: false }));
        let start = engine.clock();
        engine.wait(Some(start + Duration::from_secs(1)), &mut Vec::new()).unwrap();
        assert_eq!(engine.clock(), start + Duration::from_secs(1));
        send(engine, client, b"x").unwrap();
        let mut finished = Vec::new();
        engine.wait(Some(start + Duration::from_secs(9)), &mut finished).unwrap();
        assert_eq!(finished, [waits]);
        assert_eq!(engine.clock(), start + Duration::from_secs(1));
    });
}

#[test]
fn the_same_program_does_the_same_things() {
    let run = |seed| {
        let trace = Trace::new();
        let mut engine = trace.record("", Network::with_seed(seed).engine());
        let (listener, at) = listen(&mut *engine, "127.0.0.1:0", 3);
        for _ in 0..10 {
            let client = connect(&mut *engine, &at);
            let server = accept(&mut *engine, listener);
            let length = engine.random() % 10_000;
            send(&mut *engine, client, &vec![7; length as usize]).unwrap();
            recv(&mut *engine, server).unwrap();
            let pause = Duration::from_nanos(engine.random() >> 32);
            let until = engine.clock() + pause;
            engine.wait(Some(until), &mut Vec::new()).unwrap();
        }
        trace
    };
    assert_eq!(run(1).first_difference(&run(1)), None);
    assert_ne!(run(1).first_difference(&run(2)), None);
}

#[test]
fn a_wait_that_nothing_can_end_is_an_error() {
    let network = Network::new();
    let mut engine = network.engine();
    let error = engine.wait(None, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Deadlock);
    assert!(error.to_string().contains("nothing can ever happen"), "{error}");
    let _other = network.engine();
    let error = engine.wait(None, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("unless another engine"), "{error}");
}

#[test]
fn a_bell_ends_a_wait_without_a_limit() {
    let mut engine = Network::new().engine();
    let (listener, _) = listen(&mut *engine, "127.0.0.1:0", 1);
    let _waits = pending(engine.submit(Op::Accept { socket: listener, wait: true }));
    let bell = engine.bell();
    for _ in 0..3 {
        bell.ring();
    }
    let before = engine.clock();
    engine.wait(Some(before + Duration::from_secs(1)), &mut Vec::new()).unwrap();
    assert_eq!(engine.clock(), before, "rung before the wait, it is heard");
    engine.wait(Some(before + Duration::from_secs(1)), &mut Vec::new()).unwrap();
    assert_ne!(engine.clock(), before, "three times rung, it is heard once");
    // Another thread rings, and by and by drops the last bell there is.
    let (ask, asked) = std::sync::mpsc::channel();
    let thread = spawn(move || {
        bell.ring();
        asked.recv().unwrap();
    });
    engine.wait(None, &mut Vec::new()).unwrap();
    ask.send(()).unwrap();
    assert_eq!(engine.wait(None, &mut Vec::new()).unwrap_err().kind(), io::ErrorKind::Deadlock);
    thread.join().unwrap();
}

#[test]
fn clients_of_a_full_queue_are_let_in_one_by_one() {
    let mut engine = Network::new().engine();
    let (listener, at) = listen(&mut *engine, "127.0.0.1:0", 1);
    let clients: Vec<_> = (0..5).map(|_| engine.open(Plan::Stream { like: at.clone() }).unwrap()).collect();
    let tickets: Vec<_> = clients
        .iter()
        .map(|&socket| pending(engine.submit(Op::Connect { socket, to: at.clone() })))
        .collect();
    let connected = |engine: &mut dyn Engine| {
        let until = engine.clock() + Duration::from_secs(1);
        let mut finished = Vec::new();
        engine.wait(Some(until), &mut finished).unwrap();
        engine.wait(Some(until), &mut finished).unwrap();
        finished.sort();
        finished
    };
    assert_eq!(connected(&mut *engine), tickets[..2], "the backlog, and one more");
    engine.close(clients[3], Close::Now);
    for (server, expected) in [(0, &tickets[2..3]), (1, &tickets[4..]), (2, &[]), (3, &[])] {
        let name = format!("client {server}");
        accept(&mut *engine, listener);
        let mut finished = connected(&mut *engine);
        finished.retain(|&ticket| ticket != tickets[3]);
        assert_eq!(finished, expected, "{name}");
    }
    let empty = run(&mut *engine, Op::Accept { socket: listener, wait: false }).unwrap_err();
    assert_eq!(empty.error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn whoever_waits_for_a_queue_that_is_closed_is_refused() {
    let mut engine = Network::new().engine();
    let (listener, at) = listen(&mut *engine, "127.0.0.1:0", 0);
    let queued = connect(&mut *engine, &at);
    let socket = engine.open(Plan::Stream { like: at.clone() }).unwrap();
    let waits = pending(engine.submit(Op::Connect { socket, to: at.clone() }));
    engine.close(listener, Close::Now);
    let refused = finish(&mut *engine, waits).unwrap_err();
    assert_eq!(refused.error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(recv(&mut *engine, queued).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    // The same socket may try again.
    let (_listener, _) = listen(&mut *engine, &at.to_string(), 0);
    run(&mut *engine, Op::Connect { socket, to: at.clone() }).unwrap();
    let twice = run(&mut *engine, Op::Connect { socket, to: at }).unwrap_err();
    assert_eq!(twice.error.raw_os_error(), Some(rustix::io::Errno::ISCONN.raw_os_error()));
}

#[test]
fn a_sender_is_held_back_by_both_buffers_and_woken_for_more_than_a_byte() {
    let mut engine = Network::new().engine();
    let (client, server) = pair(&mut *engine, "127.0.0.1:0");
    engine.set(client, Setting::SendBuffer(3_000)).unwrap();
    engine.set(server, Setting::ReceiveBuffer(5_000)).unwrap();
    let plenty = vec![7; 100_000];
    assert_eq!(engine.try_send(client, &[io::IoSlice::new(&plenty)]).unwrap(), 8_000);
    let full = engine.try_send(client, &[io::IoSlice::new(&plenty)]).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    assert!(matches!(engine.ask(client, Question::Unsent), Ok(Fact::Count(3_000))));
    let waits = pending(engine.submit(Op::Ready { socket: client, direction: Direction::Write }));
    let mut finished = Vec::new();
    for expected in [&[][..], &[waits]] {
        assert_eq!(engine.try_recv(server, &mut [0; 500]).unwrap(), 500);
        let until = engine.clock() + Duration::from_secs(1);
        engine.wait(Some(until), &mut finished).unwrap();
        assert_eq!(finished, expected, "a third of the buffer has to be free");
        // What the first receive made room for is part of the second third.
        assert_eq!(engine.try_recv(server, &mut [0; 500]).unwrap(), 500);
    }
}

#[test]
fn unread_input_costs_the_peer_the_tail_of_the_answer() {
    let mut engine = Network::new().engine();
    let (client, server) = pair(&mut *engine, "127.0.0.1:0");
    engine.set(client, Setting::ReceiveBuffer(2_000)).unwrap();
    send(&mut *engine, client, b"unread").unwrap();
    assert_eq!(send(&mut *engine, server, &[7; 10_000]).unwrap(), 10_000);
    engine.close(server, Close::Now);
    assert_eq!(recv(&mut *engine, client).unwrap().len(), 2_000, "what had arrived is there");
    assert_eq!(recv(&mut *engine, client).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn what_was_sent_arrives_after_its_sender_is_gone() {
    let network = Network::new();
    let (mut engine, mut others) = (network.engine(), network.engine());
    let (listener, at) = listen(&mut *engine, "127.0.0.1:0", 1);
    let client = connect(&mut *others, &at);
    let server = accept(&mut *engine, listener);
    engine.set(server, Setting::ReceiveBuffer(2_000)).unwrap();
    send(&mut *others, client, &[7; 10_000]).unwrap();
    drop(others);
    let mut got = 0;
    loop {
        match recv(&mut *engine, server).unwrap().len() {
            0 => break,
            length => got += length,
        }
    }
    assert_eq!(got, 10_000);
}

#[test]
fn a_socket_goes_from_one_engine_to_another_of_its_network() {
    let network = Network::new();
    let (mut one, mut two) = (network.engine(), network.engine());
    let (client, server) = pair(&mut *one, "127.0.0.1:0");
    let waits = pending(one.submit(Op::Recv { socket: server, max: 9, peek: false }));
    one.wait(Some(one.clock()), &mut Vec::new()).unwrap();
    let release = |engine: &mut dyn Engine, socket| match run(engine, Op::Release { socket }).unwrap() {
        Done::Released { descriptor, .. } => descriptor,
        other => panic!("not released: {other:?}"),
    };
    let descriptor = release(&mut *one, server);
    assert_eq!(finish(&mut *one, waits).unwrap_err().error.kind(), io::ErrorKind::ConnectionAborted);
    let stranger = Network::new().engine().open(Plan::Adopt(descriptor)).unwrap_err();
    assert!(stranger.to_string().contains("another network"), "{stranger}");
    assert_eq!(recv(&mut *one, client).unwrap(), b"", "a descriptor that nobody took is closed");

    let (client, server) = pair(&mut *one, "127.0.0.1:0");
    let server = {
        let descriptor = release(&mut *one, server);
        two.open(Plan::Adopt(descriptor)).unwrap()
    };
    let waits = pending(two.submit(Op::Recv { socket: server, max: 9, peek: false }));
    two.wait(Some(two.clock()), &mut Vec::new()).unwrap();
    send(&mut *one, client, b"hello").unwrap();
    match finish(&mut *two, waits).unwrap() {
        Done::Received { lease } => assert_eq!(&*lease, b"hello"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn descriptors_of_the_system_are_refused() {
    let mut engine = Network::new().engine();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let foreign = Descriptor::Foreign(Box::new(socket.try_clone().unwrap()));
    for descriptor in [Descriptor::Owned(socket.into()), foreign, Descriptor::Simulated(Box::new(7))] {
        let error = engine.open(Plan::Adopt(descriptor)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("in memory"), "{error}");
    }
}

#[test]
fn work_is_done_inside_the_wait_and_in_order() {
    let network = Network::new();
    network.name("host.test", &["10.0.0.1".parse().unwrap()]);
    let mut engine = network.engine();
    let here = std::thread::current().id();
    let first = pending(
        engine.submit(Op::Call { work: Box::new(move || Box::new(std::thread::current().id() == here)) }),
    );
    let boom = pending(engine.submit(Op::Call { work: Box::new(|| panic!("boom")) }));
    let resolve = |host: &str| Op::Resolve { host: host.into(), port: 80 };
    let (known, unknown) =
        (pending(engine.submit(resolve("host.test"))), pending(engine.submit(resolve("no.test"))));
    let mut finished = Vec::new();
    engine.wait(None, &mut finished).unwrap();
    assert_eq!(finished, [first, boom, known, unknown]);
    match engine.take(first).unwrap() {
        Done::Called { outcome } => assert!(*outcome.unwrap().downcast::<bool>().unwrap()),
        other => panic!("{other:?}"),
    }
    assert!(matches!(engine.take(boom), Ok(Done::Called { outcome: Err(_) })));
    match engine.take(known).unwrap() {
        Done::Resolved { addresses } => assert_eq!(addresses, ["10.0.0.1:80".parse().unwrap()]),
        other => panic!("{other:?}"),
    }
    assert_eq!(engine.take(unknown).unwrap_err().error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn signals_reach_every_engine_that_waits_for_them_and_no_other() {
    let network = Network::new();
    let (mut one, mut two) = (network.engine(), network.engine());
    network.raise(15);
    let waits = pending(one.submit(Op::Signal { number: 15 }));
    let other = pending(two.submit(Op::Signal { number: 10 }));
    let until = Some(one.clock() + Duration::from_secs(1));
    let mut finished = Vec::new();
    one.wait(until, &mut finished).unwrap();
    assert!(finished.is_empty(), "what came before anybody waited is lost");
    network.raise(15);
    network.raise(15);
    one.wait(None, &mut finished).unwrap();
    assert_eq!(finished, [waits]);
    assert!(matches!(one.take(waits), Ok(Done::Signalled { count: 2 })));
    two.wait(until, &mut finished).unwrap();
    assert!(matches!(two.take(other), Err(failed) if failed.error.kind() == io::ErrorKind::WouldBlock));
}

#[test]
fn a_thousand_lamps_are_told_in_turn() {
    for lamps in [Lamps::Edge, Lamps::Oneshot] {
        let mut engine = Network::new().lamps(lamps).engine();
        let pairs: Vec<_> = (0..1_000).map(|_| pair(&mut *engine, "127.0.0.1:0")).collect();
        let mut waiting: Vec<_> = pairs
            .iter()
            .map(|&(_, socket)| pending(engine.submit(Op::Recv { socket, max: 9, peek: false })))
            .collect();
        engine.wait(Some(engine.clock()), &mut Vec::new()).unwrap();
        for &(client, _) in &pairs {
            send(&mut *engine, client, b"x").unwrap();
        }
        let mut waits = 0;
        while !waiting.is_empty() {
            let mut finished = Vec::new();
            engine.wait(None, &mut finished).unwrap();
            assert_eq!(finished, waiting[..finished.len()], "in the order in which they were lit");
            waiting.drain(..finished.len());
            waits += 1;
        }
        assert_eq!(waits, 4);
    }
}

#[test]
fn a_oneshot_lamp_is_told_once() {
    let mut engine = Network::new().lamps(Lamps::Oneshot).engine();
    let (client, server) = pair(&mut *engine, "127.0.0.1:0");
    let waits = pending(engine.submit(Op::Recv { socket: server, max: 9, peek: false }));
    engine.wait(Some(engine.clock()), &mut Vec::new()).unwrap();
    send(&mut *engine, client, b"asked for").unwrap();
    finish(&mut *engine, waits).unwrap();
    send(&mut *engine, client, b"not asked for").unwrap();
    let until = engine.clock() + Duration::from_secs(1);
    engine.wait(Some(until), &mut Vec::new()).unwrap();
    assert_eq!(engine.clock(), until, "a lamp that nobody asked for ended the wait");
}

#[test]
fn datagrams_past_what_fits_are_lost() {
    let mut engine = Network::new().engine();
    let [one, two] =
        ["127.0.0.1:0"; 2].map(|bind| engine.open(Plan::Datagram { bind: bind.parse().unwrap() }).unwrap());
    let to = local(&mut *engine, two);
    for _ in 0..10_000 {
        run(&mut *engine, Op::SendTo { socket: one, to: to.clone(), part: Lease::empty() }).unwrap();
    }
    // They are on their way, and arrive when the engine looks.
    let until = engine.clock() + Duration::from_secs(1);
    engine.wait(Some(until), &mut Vec::new()).unwrap();
    let mut got = 0;
    while let Submitted::Done(outcome) = engine.submit(Op::RecvFrom { socket: two, max: 1 }) {
        outcome.unwrap();
        got += 1;
    }
    assert_eq!(got, 257);
}

/// Whatever two ends do, what arrives is what was sent, in order, and nothing breaks.
#[test]
fn whatever_two_ends_do_what_arrives_was_sent() {
    everywhere(|engine, address| {
        for _ in 0..100 {
            let (one, two) = pair(engine, address);
            let mut ends = [(one, 0_u8, 0_u8), (two, 0_u8, 0_u8)];
            for _ in 0..60 {
                let here = (engine.random() % 2) as usize;
                let size = (engine.random() % 20_000) as usize;
                let socket = ends[here].0;
                match engine.random() % 20 {
                    0..=7 => {
                        let start = ends[here].1;
                        let bytes: Vec<u8> = (0..size).map(|at| start.wrapping_add(at as u8)).collect();
                        if let Ok(count) = engine.try_send(socket, &[io::IoSlice::new(&bytes)]) {
                            ends[here].1 = start.wrapping_add(count as u8);
                        }
                    }
                    8..=15 => {
                        let mut bytes = vec![0; size + 1];
                        if let Ok(count) = engine.try_recv(socket, &mut bytes) {
                            for byte in &bytes[..count] {
                                assert_eq!(*byte, ends[here].2);
                                ends[here].2 = ends[here].2.wrapping_add(1);
                            }
                        }
                    }
                    16 => {
                        engine.set(socket, Setting::ReceiveBuffer(size)).ok();
                        engine.set(socket, Setting::SendBuffer(size)).ok();
                    }
                    17 => drop(engine.submit(Op::Ready { socket, direction: Direction::Write })),
                    18 => {
                        let how = [Shutdown::Read, Shutdown::Write, Shutdown::Both][size % 3];
                        if size.is_multiple_of(5) {
                            drop(engine.submit(Op::Shutdown { socket, how }));
                        }
                    }
                    _ if size.is_multiple_of(7) => {
                        engine.close(socket, [Close::Now, Close::Reset, Close::GENTLY][size % 3]);
                    }
                    _ => engine.wait(Some(engine.clock()), &mut Vec::new()).unwrap(),
                }
            }
            engine.close(one, Close::Now);
            engine.close(two, Close::GENTLY);
        }
    });
}
