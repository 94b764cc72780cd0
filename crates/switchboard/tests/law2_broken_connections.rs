//! Law 2, where connections break: every operation is told, and an error is never told as a clean end.
//!
//! The kernel tells the error of a connection to one caller only; all others would see a clean end of the
//! stream, and take half a message for a whole one. So the engine remembers what it was told.

mod rig;

use std::io::{self, IoSlice};
use std::net::{self, Shutdown, TcpStream};
use std::os::fd::OwnedFd;

use rig::{Rig, assert_error, bytes, error_of, on_every_engine, on_every_kernel, pattern, peek, recv, send};
use switchboard::engine::{Address, Close, Done, Fact, Op, Plan, Question, Submitted};

on_every_engine! {
    e7_a_refused_connect_finishes_once_with_its_error,
    e7_a_refused_connect_fails_all_that_waits_on_its_socket,
    e7_asking_for_the_error_does_not_take_it_from_the_connect,
    b12_a_reset_ends_both_lanes_and_is_no_clean_end,
    b12_a_reset_told_to_the_writer_is_told_to_the_reader,
    b12_a_reset_told_to_the_reader_is_told_to_the_writer,
    b12_a_reset_told_to_who_asked_is_told_to_the_reader,
    e10_shutting_down_what_was_reset_is_no_error,
    b8_bytes_and_end_in_one_go_give_all_bytes_then_the_end,
    b4_short_reads_do_not_stall_a_stream,
    an_outcome_that_fails_gives_back_what_was_given,
}

on_every_kernel! {
    urgent_data_does_not_stall_a_stream,
    e7_a_unix_listener_with_a_full_queue_is_said_to_be_busy,
}

fn e7_a_refused_connect_finishes_once_with_its_error(rig: &mut Rig) {
    let nobody = rig.nobody();
    let client = rig.stream();
    let outcome = match rig.submit(Op::Connect { socket: client, to: nobody }) {
        Submitted::Pending(ticket) => rig.finish_once(ticket),
        Submitted::Done(outcome) => outcome,
    };
    assert_error(outcome, io::ErrorKind::ConnectionRefused);
}

fn e7_a_refused_connect_fails_all_that_waits_on_its_socket(rig: &mut Rig) {
    let nobody = rig.nobody();
    let client = rig.stream();
    let mut tickets = Vec::new();
    let mut errors = Vec::new();
    for op in [Op::Connect { socket: client, to: nobody }, recv(client, 10), send(client, b"x")] {
        match rig.submit(op) {
            Submitted::Pending(ticket) => tickets.push(ticket),
            Submitted::Done(outcome) => errors.push(error_of(outcome)),
        }
    }
    for ticket in tickets {
        errors.push(error_of(rig.finish_once(ticket)));
    }
    assert!(errors.contains(&io::ErrorKind::ConnectionRefused), "{errors:?}");
}

fn e7_asking_for_the_error_does_not_take_it_from_the_connect(rig: &mut Rig) {
    let nobody = rig.nobody();
    let client = rig.stream();
    if let Submitted::Pending(ticket) = rig.submit(Op::Connect { socket: client, to: nobody }) {
        for _ in 0..3 {
            rig.ask(client, Question::Error).unwrap();
        }
        assert_error(rig.finish_once(ticket), io::ErrorKind::ConnectionRefused);
    }
}

fn b12_a_reset_ends_both_lanes_and_is_no_clean_end(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(server);
    rig.fill(server);
    let readers =
        [rig.pending(recv(server, 10)), rig.pending(peek(server, 10)), rig.pending(recv(server, 10))];
    let writers = [rig.pending(send(server, &[1; 5000])), rig.pending(send(server, b"last"))];
    rig.glance();
    rig.close(client, Close::Reset);
    for ticket in readers {
        assert_error(rig.finish_once(ticket), io::ErrorKind::ConnectionReset);
    }
    for ticket in writers {
        assert_broken(error_of(rig.finish_once(ticket)));
    }
    assert_error(rig.run(recv(server, 10)), io::ErrorKind::ConnectionReset);
    assert_broken(error_of(rig.run(send(server, b"x"))));
}

fn b12_a_reset_told_to_the_writer_is_told_to_the_reader(rig: &mut Rig) {
    for by_trying in [false, true] {
        let (client, server) = rig.pair();
        rig.reset_by(client, server);
        if by_trying {
            let mut into = [0; 8];
            assert_broken(rig.try_send(server, &[IoSlice::new(b"x")]).unwrap_err().kind());
            let got = rig.try_recv(server, &mut into);
            assert_eq!(got.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        } else {
            assert_broken(error_of(rig.run(send(server, b"x"))));
        }
        for _ in 0..3 {
            assert_error(rig.run(recv(server, 10)), io::ErrorKind::ConnectionReset);
        }
    }
}

fn b12_a_reset_told_to_the_reader_is_told_to_the_writer(rig: &mut Rig) {
    for by_trying in [false, true] {
        let (client, server) = rig.pair();
        rig.reset_by(client, server);
        if by_trying {
            let got = rig.try_recv(server, &mut [0; 8]);
            assert_eq!(got.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
            assert_broken(rig.try_send(server, &[IoSlice::new(b"x")]).unwrap_err().kind());
        } else {
            assert_error(rig.run(recv(server, 10)), io::ErrorKind::ConnectionReset);
        }
        for _ in 0..3 {
            assert_broken(error_of(rig.run(send(server, b"x"))));
            assert_error(rig.run(recv(server, 10)), io::ErrorKind::ConnectionReset);
        }
    }
}

fn b12_a_reset_told_to_who_asked_is_told_to_the_reader(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.reset_by(client, server);
    match rig.ask(server, Question::Error) {
        Ok(Fact::Error(Some(error))) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        other => panic!("{other:?}"),
    }
    assert_error(rig.run(recv(server, 10)), io::ErrorKind::ConnectionReset);
    assert_broken(error_of(rig.run(send(server, b"x"))));
}

fn e10_shutting_down_what_was_reset_is_no_error(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.reset_by(client, server);
    for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
        rig.shut(server, how);
    }
    let (client, server) = rig.pair();
    rig.reset_by(client, server);
    assert_error(rig.run(recv(server, 10)), io::ErrorKind::ConnectionReset);
    for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
        rig.shut(server, how);
    }
}

/// B8: the peer's end comes with its last bytes, and reads are small.
fn b8_bytes_and_end_in_one_go_give_all_bytes_then_the_end(rig: &mut Rig) {
    let text = pattern(0, 1000);
    for waiting in [false, true] {
        let (client, server) = rig.pair();
        let early = waiting.then(|| {
            let ticket = rig.pending(recv(server, 7));
            rig.glance();
            ticket
        });
        rig.send(client, &text);
        rig.shut(client, Shutdown::Write);
        rig.close(client, Close::Now);
        let mut got = early.map_or(Vec::new(), |ticket| bytes(rig.finish_once(ticket)));
        loop {
            let part = rig.recv(server, 7);
            assert!(part.len() <= 7);
            if part.is_empty() {
                break;
            }
            got.extend(part);
        }
        assert_eq!(got, text);
        rig.hear(server, 7, b"");
        assert_eq!(rig.try_recv(server, &mut [0; 7]).unwrap(), 0);
    }
}

/// B4: "a short read has emptied it" is true of edges only, and a full read says nothing anywhere.
fn b4_short_reads_do_not_stall_a_stream(rig: &mut Rig) {
    let (client, server) = rig.pair();
    for round in 0..200 {
        let ticket = rig.pending(recv(server, 4));
        let text = pattern(round * 10, 10);
        rig.send(client, &text);
        let mut got = bytes(rig.finish(ticket));
        while got.len() < text.len() {
            let mut into = [0; 3];
            match rig.try_recv(server, &mut into[..1 + round % 3]) {
                Ok(count) => got.extend(&into[..count]),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    rig.arrival(server);
                }
            }
        }
        assert_eq!(got, text);
    }
}

fn an_outcome_that_fails_gives_back_what_was_given(rig: &mut Rig) {
    let (client, server) = rig.pair();
    rig.make_small(client);
    rig.fill(client);
    let text = pattern(0, 5000);
    let parts = vec![b"first".as_slice().into(), text.as_slice().into()];
    let sent = rig.pending(Op::Send { socket: client, parts });
    rig.close(server, Close::Reset);
    match rig.finish_once(sent) {
        Err(failed) => match failed.op {
            Some(Op::Send { socket, parts }) => {
                let left: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
                assert_eq!(socket, client);
                assert_eq!(left, [b"first", &*text].concat());
            }
            other => panic!("{other:?}"),
        },
        Ok(done) => panic!("{done:?}"),
    }
}

/// Urgent data has its own lamp and cuts receives short: neither may be taken for "nothing is left".
fn urgent_data_does_not_stall_a_stream(rig: &mut Rig) {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let far = socket2::Socket::from(far);
    let near = rig.open(Plan::Adopt(OwnedFd::from(near).into())).unwrap();
    for round in 0..50 {
        let waits = rig.pending(recv(near, 100));
        rig.glance();
        far.send(b"before").unwrap();
        far.send_out_of_band(b"!").unwrap();
        far.send(b"after").unwrap();
        let mut got = bytes(rig.finish_once(waits));
        while got.len() < 11 {
            got.extend(rig.recv(near, 100));
        }
        assert_eq!(got, b"beforeafter", "round {round}");
    }
}

fn e7_a_unix_listener_with_a_full_queue_is_said_to_be_busy(rig: &mut Rig) {
    let name = format!("unix:@switchboard-full-{}-{:?}", std::process::id(), rig.lot);
    let address: Address = name.parse().unwrap();
    let mut listen = switchboard::engine::Listen::at(address.clone());
    listen.backlog = 1;
    let listener = rig.open(Plan::Listen(listen)).unwrap();
    let mut connected = 0;
    let error = loop {
        let client = rig.open(Plan::Stream { like: address.clone() }).unwrap();
        match rig.swiftly("connect", |rig| rig.run(Op::Connect { socket: client, to: address.clone() })) {
            Ok(_) => connected += 1,
            Err(failed) => break failed.error,
        }
        assert!(connected < 10, "the queue never fills");
    };
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    for _ in 0..connected {
        rig.accept(listener);
    }
    let client = rig.open(Plan::Stream { like: address.clone() }).unwrap();
    assert!(matches!(rig.run(Op::Connect { socket: client, to: address }), Ok(Done::Connected)));
}

/// What a writer is told of a broken connection: that it was reset, or that there is nobody to write to.
#[track_caller]
fn assert_broken(kind: io::ErrorKind) {
    assert!(matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe), "{kind:?}");
}
