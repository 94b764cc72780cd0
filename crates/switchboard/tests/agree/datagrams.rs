//! Datagrams, and the names of Unix sockets.

use switchboard::Address;
use switchboard::engine::{Close, Lease, Listen, Op, Plan, Question};

use crate::trial::Family;
use crate::{ALL, UNIX, agree};

#[test]
fn datagrams_are_whole_or_said_to_be_cut() {
    agree(ALL, |trial| {
        let (here, there) = (trial.address(), trial.address());
        let one = trial.engine.open(Plan::Datagram { bind: here }).unwrap();
        let two = trial.engine.open(Plan::Datagram { bind: there }).unwrap();
        let (here, there) = (trial.local(one), trial.local(two));
        trial.ready("quiet", two);
        for part in [&b"first"[..], b"", b"third one"] {
            trial.try_it("send", Op::SendTo { socket: one, to: there.clone(), part: Lease::from(part) });
        }
        trial.ready("spoken to", two);
        trial.try_it("whole", Op::RecvFrom { socket: two, max: 5 });
        trial.try_it("empty", Op::RecvFrom { socket: two, max: 5 });
        trial.try_it("cut", Op::RecvFrom { socket: two, max: 5 });
        trial.try_it("none", Op::RecvFrom { socket: two, max: 5 });
        trial
            .try_it("to myself", Op::SendTo { socket: one, to: here.clone(), part: Lease::from(&b"me"[..]) });
        trial.try_it("from myself", Op::RecvFrom { socket: one, max: 0 });
        trial.ask("one", one, Question::Peer);
        trial.ask("one", one, Question::Error);
        trial.ask("one", one, Question::Unsent);
        trial.clean(&here);
        trial.clean(&there);
    });
}

#[test]
fn datagrams_that_cannot_be_sent() {
    agree(ALL, |trial| {
        let (here, there) = (trial.address(), trial.address());
        let one = trial.engine.open(Plan::Datagram { bind: here }).unwrap();
        let two = trial.engine.open(Plan::Datagram { bind: there }).unwrap();
        let (here, there) = (trial.local(one), trial.local(two));
        trial.open("in use", Plan::Datagram { bind: there.clone() });
        trial.engine.close(two, Close::Now);
        let send = |to: &Address, length| Op::SendTo {
            socket: one,
            to: to.clone(),
            part: Lease::from(vec![7; length]),
        };
        trial.try_it("to nobody", send(&there, 5));
        trial.try_it("to nobody again", send(&there, 5));
        trial.clean(&there);
        if trial.family == Family::Path {
            let there = trial.address();
            trial.try_it("to no name", send(&there, 5));
        }
        trial.try_it("too long", send(&here, 1 << 20));
        trial.try_it("longest", send(&here, 65_507));
        trial.try_it("longest", Op::RecvFrom { socket: one, max: 3 });
        trial.try_it("unix", send(&Address::unix("/nowhere/to/be/found/at/all"), 5));
        trial.try_it("port zero", send(&"127.0.0.1:0".parse().unwrap(), 5));
        if trial.family == Family::V4 {
            trial.try_it("six", send(&"[::1]:9".parse().unwrap(), 5));
        }
        trial.clean(&here);
    });
}

#[test]
fn streams_and_datagrams_do_not_mix() {
    agree(UNIX, |trial| {
        let (_listener, at) = trial.listen(1);
        let bind = trial.address();
        let datagram = trial.engine.open(Plan::Datagram { bind: bind.clone() }).unwrap();
        let client = trial.stream(&at);
        trial.connect("stream to datagram", client, &bind);
        let part = Lease::from(&b"x"[..]);
        trial.try_it("datagram to stream", Op::SendTo { socket: datagram, to: at.clone(), part });
        trial.clean(&at);
        trial.clean(&bind);
    });
}

#[test]
fn unnamed_unix_sockets_are_named() {
    agree(&[Family::Abstract], |trial| {
        let bind: Address = "unix:".parse().unwrap();
        let socket = trial.engine.open(Plan::Datagram { bind: bind.clone() }).unwrap();
        trial.ask("datagram", socket, Question::Local);
        let listener = trial.engine.open(Plan::Listen(Listen::at(bind.clone()))).unwrap();
        trial.ask("listener", listener, Question::Local);
        let client = trial.stream(&bind);
        trial.connect("to no name", client, &bind);
        trial.try_it("to no name", Op::SendTo { socket, to: bind, part: Lease::from(&b"x"[..]) });
        let long = Address::unix("x".repeat(200));
        trial.connect("to a long name", client, &long);
        trial.open("at a long name", Plan::Datagram { bind: long });
    });
}

#[test]
fn a_unix_sender_waits_for_room() {
    agree(UNIX, |trial| {
        let (here, there) = (trial.address(), trial.address());
        let one = trial.engine.open(Plan::Datagram { bind: here.clone() }).unwrap();
        let two = trial.engine.open(Plan::Datagram { bind: there.clone() }).unwrap();
        for _ in 0..2 {
            let part = Lease::from(vec![7; 150]);
            trial.try_it("send", Op::SendTo { socket: one, to: there.clone(), part });
        }
        trial.try_it("recv", Op::RecvFrom { socket: two, max: 3 });
        trial.clean(&here);
        trial.clean(&there);
    });
}
