//! Bytes back and forth, options, and what else a socket can do while it lives.

use std::net::Shutdown;
use std::time::Duration;

use switchboard::engine::{Direction, Done, Failed, Lease, Op, Plan, Question, Setting, Submitted};

use crate::trial::{Family, told};
use crate::{ALL, agree};

#[test]
fn a_conversation_and_its_end() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.ready("quiet", client);
        trial.send("send", client, b"hello");
        trial.ready("spoken to", server);
        trial.try_it("peek", Op::Recv { socket: server, max: 3, peek: true });
        trial.try_it("recv some", Op::Recv { socket: server, max: 3, peek: false });
        trial.recv("recv the rest", server);
        trial.recv("recv nothing", server);
        trial.shutdown("half-close", client, Shutdown::Write);
        trial.shutdown("half-close again", client, Shutdown::Write);
        trial.send("send after it", client, b"x");
        trial.ready("at its end", server);
        trial.try_it("peek at the end", Op::Recv { socket: server, max: 3, peek: true });
        trial.recv("recv the end", server);
        trial.recv("recv the end again", server);
        trial.send("the other way", server, b"still");
        trial.recv("the other way", client);
        trial.shutdown("close the other half", server, Shutdown::Write);
        trial.recv("recv the other end", client);
        trial.ask("client, all over", client, Question::Peer);
        trial.ask("server, all over", server, Question::Peer);
        trial.ready("client, all over", client);
        trial.shutdown("shutdown, all over", client, Shutdown::Both);
        trial.send("send, all over", server, b"x");
    });
}

#[test]
fn a_slow_receiver_holds_a_sender_back_and_gets_it_all() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        let all: Vec<u8> = (0..4_u32 << 20).map(|at| (at % 251) as u8).collect();
        let parts = all.chunks(1 << 20).map(Lease::from).collect();
        let Submitted::Pending(waits) = trial.engine.submit(Op::Send { socket: client, parts }) else {
            panic!("all of it fitted")
        };
        let mut got = Vec::new();
        while got.len() < all.len() {
            match trial.run(Op::Recv { socket: server, max: usize::MAX, peek: false }).unwrap() {
                Done::Received { lease } if !lease.is_empty() => got.extend_from_slice(&lease),
                other => panic!("it ended early: {other:?}"),
            }
        }
        let outcome = trial.finish(waits, Duration::from_secs(1));
        trial.see("after", told(outcome));
        trial.see("all is right", got == all);
        trial.ask("all gone", client, Question::Unsent);
    });
}

#[test]
fn options_are_kept_or_refused() {
    agree(ALL, |trial| {
        let (client, _server) = trial.pair();
        let bind = trial.address();
        let datagram = trial.engine.open(Plan::Datagram { bind: bind.clone() }).unwrap();
        for (what, socket) in [("stream", client), ("datagram", datagram)] {
            trial.ask(what, socket, Question::NoDelay);
            trial.set(what, socket, Setting::NoDelay(true));
            trial.ask(what, socket, Question::NoDelay);
            trial.ask(what, socket, Question::KeepAlive);
            trial.set(what, socket, Setting::KeepAlive(Some(Duration::from_millis(1_500))));
            trial.ask(what, socket, Question::KeepAlive);
            trial.set(what, socket, Setting::KeepAlive(None));
            trial.ask(what, socket, Question::KeepAlive);
            trial.set(what, socket, Setting::KeepAlive(Some(Duration::ZERO)));
            trial.set(what, socket, Setting::KeepAlive(Some(Duration::from_secs(100_000))));
            trial.set(what, socket, Setting::ReceiveBuffer(10_000));
            trial.ask(what, socket, Question::ReceiveBuffer);
            trial.set(what, socket, Setting::SendBuffer(10_000));
            trial.ask(what, socket, Question::SendBuffer);
            trial.set(what, socket, Setting::SendBuffer(0));
            trial.ask(what, socket, Question::SendBuffer);
            trial.set(what, socket, Setting::ReceiveBuffer(0));
            trial.ask(what, socket, Question::ReceiveBuffer);
        }
        trial.clean(&bind);
    });
}

#[test]
fn a_connection_goes_from_one_name_to_another() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.send("send", client, b"hello");
        let Done::Released { descriptor, parked } = trial.run(Op::Release { socket: server }).unwrap() else {
            panic!("not released")
        };
        trial.see("parked", parked.len());
        trial.recv("by the old name", server);
        let server = trial.engine.open(Plan::Adopt(descriptor)).unwrap();
        trial.recv("by the new name", server);
        trial.send("and back", server, b"world");
        trial.recv("and back", client);
        let Done::Released { descriptor, .. } = trial.run(Op::Release { socket: server }).unwrap() else {
            panic!("not released")
        };
        drop(descriptor);
        trial.recv("a dropped descriptor is closed", client);
    });
}

#[test]
fn a_read_side_ends_once() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.send("send before", client, b"before");
        trial.try_it("peek", Op::Recv { socket: server, max: 9, peek: true });
        trial.shutdown("end the read side", server, Shutdown::Read);
        trial.send("send after", client, b"after");
        trial.shutdown("end it again", server, Shutdown::Read);
        let Done::Released { parked, .. } = trial.run(Op::Release { socket: server }).unwrap() else {
            panic!("not released")
        };
        for outcome in parked {
            trial.see("parked", told(Some(outcome.map_err(|error| Failed { error, op: None }))));
        }
    });
}

#[test]
fn an_ended_read_side_goes_along_with_its_descriptor() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.send("send before", client, &[7; 20_000]);
        trial.ready("it has arrived", server);
        trial.shutdown("end the read side", server, Shutdown::Read);
        trial.send("send after", client, b"after");
        let Done::Released { parked, .. } = trial.run(Op::Release { socket: server }).unwrap() else {
            panic!("not released")
        };
        let lengths = parked.into_iter().map(|outcome| match outcome {
            Ok(Done::Received { lease }) => lease.len(),
            other => panic!("neither bytes nor the end: {other:?}"),
        });
        let lengths: Vec<_> = lengths.collect();
        trial.see("all before it", lengths.iter().sum::<usize>());
        trial.see("then the end", lengths.last() == Some(&0));
    });
}

#[test]
fn signals_that_cannot_be_waited_for() {
    agree(&[Family::V4], |trial| {
        for number in [0, -1, 9, 11, 19, 200] {
            trial.try_it("signal", Op::Signal { number });
        }
        let signal = trial.engine.submit(Op::Signal { number: 10 });
        trial.see("one that can be", matches!(signal, Submitted::Pending(_)));
    });
}

#[test]
fn small_buffers_lose_nothing() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.set("client", client, Setting::SendBuffer(4_000));
        trial.set("server", server, Setting::ReceiveBuffer(4_000));
        let all = vec![Lease::from(vec![7; 20_000])];
        let sent = trial.engine.submit(Op::Send { socket: client, parts: all });
        let mut left = 20_000;
        while left > 0 {
            match trial.run(Op::Recv { socket: server, max: 1_000, peek: false }).unwrap() {
                Done::Received { lease } if !lease.is_empty() => left -= lease.len(),
                other => panic!("it ended early: {other:?}"),
            }
        }
        let outcome = match sent {
            Submitted::Done(outcome) => Some(outcome),
            Submitted::Pending(ticket) => trial.finish(ticket, Duration::from_secs(1)),
        };
        trial.see("sent", told(outcome));
    });
}

#[test]
fn whoever_waits_to_be_ready_is_told() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        let ready = Op::Ready { socket: server, direction: Direction::Read };
        let Submitted::Pending(waits) = trial.engine.submit(ready) else { panic!("nothing was there") };
        let nothing = trial.finish(waits, Duration::from_millis(20));
        trial.see("before", told(nothing));
        trial.send("send", client, b"x");
        let outcome = trial.finish(waits, Duration::from_secs(1));
        trial.see("after", told(outcome));
        trial.recv("recv", server);
        let ready = Op::Ready { socket: server, direction: Direction::Read };
        let Submitted::Pending(waits) = trial.engine.submit(ready) else { panic!("nothing was there") };
        trial.shutdown("end", client, Shutdown::Write);
        let outcome = trial.finish(waits, Duration::from_secs(1));
        trial.see("at the end", told(outcome));
    });
}

#[test]
fn sending_nothing_is_done_at_once() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.send("nothing", client, b"");
        trial.try_it("no parts", Op::Send { socket: client, parts: Vec::new() });
        let nothing = trial.engine.try_send(client, &[]);
        trial.see("no slices", format!("{nothing:?}"));
        trial.recv("nothing came", server);
    });
}
