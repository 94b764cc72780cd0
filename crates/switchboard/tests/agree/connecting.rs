//! Listening, connecting and accepting.

use std::net::Shutdown;
use std::time::Duration;

use switchboard::Address;
use switchboard::engine::{Close, Fact, Listen, Op, Plan, Question, Setting, Submitted};

use crate::trial::{Family, Trial, told};
use crate::{ALL, IP, UNIX, agree};

#[test]
fn connecting_to_nobody() {
    agree(ALL, |trial| {
        let (listener, at) = trial.listen(1);
        trial.engine.close(listener, Close::Now);
        let client = trial.stream(&at);
        trial.connect("refused", client, &at);
        trial.ask("after it", client, Question::Error);
        trial.ask("after it", client, Question::Peer);
        trial.recv("after it, recv", client);
        trial.send("after it, send", client, b"x");
        trial.clean(&at);
        if trial.family == Family::Path {
            let nobody = Address::unix(std::env::temp_dir().join("switchboard-nobody"));
            trial.connect("to no file", client, &nobody);
        }
    });
}

#[test]
fn connecting_twice() {
    agree(ALL, |trial| {
        let (_listener, at) = trial.listen(1);
        let client = trial.stream(&at);
        for time in ["once", "twice", "three times"] {
            trial.connect(time, client, &at);
        }
        trial.clean(&at);
    });
}

#[test]
fn connecting_again_after_a_refusal() {
    agree(&[Family::V4, Family::V6, Family::Abstract], |trial| {
        let (listener, at) = trial.listen(1);
        trial.engine.close(listener, Close::Now);
        trial.clean(&at);
        let client = trial.stream(&at);
        trial.connect("to nobody", client, &at);
        let _listener = trial.engine.open(Plan::Listen(Listen::at(at.clone()))).unwrap();
        trial.connect("to somebody", client, &at);
        trial.connect("to somebody, again", client, &at);
        trial.ask("at last", client, Question::Peer);
        trial.clean(&at);
    });
}

#[test]
fn shutting_down_what_is_not_connected() {
    for how in [Shutdown::Read, Shutdown::Write] {
        agree(ALL, |trial| {
            let like = trial.address();
            let socket = trial.stream(&like);
            trial.shutdown("shutdown", socket, how);
            trial.ready("shut", socket);
            trial.recv("recv", socket);
            trial.send("send", socket, b"x");
            let (listener, at) = trial.listen(1);
            trial.connect("connect", socket, &at);
            trial.send("send", socket, b"hello");
            let server = trial.take_connection(listener);
            trial.recv("server recv", server);
            trial.send("server send", server, b"hello");
            trial.recv("recv", socket);
            trial.clean(&at);
        });
    }
}

#[test]
fn a_refusal_that_a_receiver_was_told_of_first() {
    agree(IP, |trial| {
        let (listener, at) = trial.listen(1);
        trial.engine.close(listener, Close::Now);
        let client = trial.stream(&at);
        let connect = trial.engine.submit(Op::Connect { socket: client, to: at.clone() });
        let mut recv = || trial.engine.submit(Op::Recv { socket: client, max: 9, peek: false });
        for submitted in [recv(), recv(), connect] {
            let outcome = match submitted {
                Submitted::Done(outcome) => Some(outcome),
                Submitted::Pending(ticket) => trial.finish(ticket, Duration::from_secs(1)),
            };
            trial.see("refused", told(outcome));
        }
        trial.recv("recv", client);
        let _listener = trial.engine.open(Plan::Listen(Listen::at(at.clone()))).unwrap();
        trial.connect("to somebody", client, &at);
    });
}

#[test]
fn a_socket_that_is_not_connected() {
    agree(ALL, |trial| {
        let like = trial.address();
        let socket = trial.stream(&like);
        trial.ready("fresh", socket);
        trial.ask("fresh", socket, Question::Local);
        trial.ask("fresh", socket, Question::Peer);
        trial.ask("fresh", socket, Question::Unsent);
        trial.recv("recv", socket);
        trial.send("send", socket, b"x");
        for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
            trial.shutdown("shutdown", socket, how);
        }
    });
}

#[test]
fn addresses_of_the_wrong_family() {
    agree(IP, |trial| {
        let (v4, v6) = ("127.0.0.1:9".parse().unwrap(), "[::1]:9".parse().unwrap());
        let socket = trial.stream(&v4);
        trial.connect("four to six", socket, &v6);
        let socket = trial.stream(&v6);
        trial.connect("six to four", socket, &v4);
        let socket = trial.stream(&Address::unix("/nowhere"));
        trial.connect("unix to four", socket, &v4);
        let socket = trial.stream(&v4);
        trial.connect("to port zero", socket, &"127.0.0.1:0".parse().unwrap());
    });
}

#[test]
fn both_ends_know_each_other() {
    agree(ALL, |trial| {
        let (listener, at) = trial.listen(1);
        let client = trial.stream(&at);
        trial.connect("connect", client, &at);
        trial.ask("client", client, Question::Local);
        trial.ask("client", client, Question::Peer);
        trial.try_it("accept", Op::Accept { socket: listener, wait: false });
        trial.try_it("accept when there is none", Op::Accept { socket: listener, wait: false });
        trial.try_it("waiting for one", Op::Accept { socket: listener, wait: true });
        let other = trial.stream(&at);
        trial.connect("another", other, &at);
        let server = trial.take_connection(listener);
        trial.ask("server", server, Question::Local);
        trial.ask("server", server, Question::Peer);
        if let Family::V4 | Family::V6 = trial.family {
            let same = trial.local(server) == at && trial.local(other).port() != at.port();
            trial.see("addresses are right", same);
        }
        trial.ask("listener", listener, Question::Peer);
        trial.clean(&at);
    });
}

#[test]
fn whoever_waits_for_a_connection_gets_it() {
    agree(ALL, |trial| {
        let (listener, at) = trial.listen(1);
        for time in ["first", "second"] {
            let accept = Op::Accept { socket: listener, wait: true };
            let Submitted::Pending(waits) = trial.engine.submit(accept) else { panic!("nobody was there") };
            let nothing = trial.finish(waits, Duration::from_millis(20));
            trial.see(time, told(nothing));
            let client = trial.stream(&at);
            trial.connect(time, client, &at);
            let outcome = trial.finish(waits, Duration::from_secs(1));
            trial.see(time, told(outcome));
        }
        trial.clean(&at);
    });
}

#[test]
fn an_ipv4_client_of_an_ipv6_listener() {
    agree(&[Family::V6], |trial| {
        let listener = trial.engine.open(Plan::Listen(Listen::at("[::]:0".parse().unwrap()))).unwrap();
        let port = trial.local(listener).port().unwrap();
        for host in ["127.0.0.1", "127.0.0.2", "0.0.0.0", "[::1]", "[::]"] {
            let to: Address = format!("{host}:{port}").parse().unwrap();
            let client = trial.stream(&to);
            trial.connect(host, client, &to);
            trial.ask(host, client, Question::Local);
            trial.ask(host, client, Question::Peer);
            let server = trial.take_connection(listener);
            trial.ask("server", server, Question::Local);
            trial.ask("server", server, Question::Peer);
        }
    });
}

#[test]
fn closing_a_listener_resets_its_queue() {
    agree(ALL, |trial| {
        let (listener, at) = trial.listen(5);
        let (one, two) = (trial.stream(&at), trial.stream(&at));
        trial.connect("one", one, &at);
        trial.connect("two", two, &at);
        trial.send("two speaks", two, b"hello?");
        trial.engine.close(listener, Close::Now);
        trial.recv("one", one);
        trial.send("two", two, b"x");
        trial.recv("two", two);
        trial.clean(&at);
    });
}

#[test]
fn one_who_left_before_he_was_accepted_is_accepted() {
    for close in [Close::Now, Close::Reset] {
        agree(ALL, |trial| {
            let (listener, at) = trial.listen(5);
            let client = trial.stream(&at);
            trial.connect("connect", client, &at);
            trial.send("send", client, b"hello");
            trial.engine.close(client, close);
            let server = trial.take_connection(listener);
            trial.recv("hello", server);
            trial.recv("end", server);
            trial.recv("end again", server);
            trial.clean(&at);
        });
    }
}

#[test]
fn a_full_queue_makes_tcp_wait() {
    agree(&[Family::V4], wait_for_a_full_queue);
}

#[test]
fn a_full_queue_makes_tcp_wait_on_ipv6() {
    agree(&[Family::V6], wait_for_a_full_queue);
}

fn wait_for_a_full_queue(trial: &mut Trial) {
    let (listener, at) = trial.listen(1);
    let clients: Vec<_> = (0..3).map(|_| trial.stream(&at)).collect();
    trial.connect("first", clients[0], &at);
    trial.connect("second", clients[1], &at);
    let third = Op::Connect { socket: clients[2], to: at };
    let Submitted::Pending(waits) = trial.engine.submit(third) else { panic!("it did not wait") };
    let nothing = trial.finish(waits, Duration::from_millis(100));
    trial.see("third, before", told(nothing));
    trial.ask("third", clients[2], Question::Peer);
    trial.take_connection(listener);
    // The system repeats a SYN after a second.
    let outcome = trial.finish(waits, Duration::from_secs(5));
    trial.see("third, after", told(outcome));
}

#[test]
fn a_full_queue_turns_unix_clients_away() {
    agree(UNIX, |trial| {
        let (_listener, at) = trial.listen(1);
        for time in ["first", "second", "third"] {
            let client = trial.stream(&at);
            trial.connect(time, client, &at);
        }
        trial.clean(&at);
    });
}

#[test]
fn addresses_in_use() {
    agree(ALL, |trial| {
        let (listener, at) = trial.listen(1);
        trial.open("again", Plan::Listen(Listen::at(at.clone())));
        trial.open("again, shared", Plan::Listen(Listen { reuse_port: true, ..Listen::at(at.clone()) }));
        if let Some(port) = at.port() {
            let any: Address = format!("0.0.0.0:{port}").parse().unwrap();
            let is_open = trial.open("any of four", Plan::Listen(Listen::at(any))).is_some();
            trial.see("any of four is open", is_open);
            let any: Address = format!("[::]:{port}").parse().unwrap();
            trial.open("any at all", Plan::Listen(Listen::at(any)));
        } else {
            trial.open("a datagram socket of that name", Plan::Datagram { bind: at.clone() });
        }
        let (client, _server) = (trial.stream(&at), ());
        trial.connect("connect", client, &at);
        let server = trial.take_connection(listener);
        trial.engine.close(listener, Close::Now);
        trial.clean(&at);
        let again = trial.engine.open(Plan::Listen(Listen::at(at.clone()))).is_ok();
        trial.see("open again after it was closed", again);
        trial.send("the connection goes on", client, b"x");
        trial.recv("the connection goes on", server);
        trial.clean(&at);
    });
}

#[test]
fn a_shared_port() {
    agree(IP, |trial| {
        let at = trial.address();
        let one = trial.engine.open(Plan::Listen(Listen { reuse_port: true, ..Listen::at(at) })).unwrap();
        let at = trial.local(one);
        let shared = Listen { reuse_port: true, ..Listen::at(at.clone()) };
        let two = trial.engine.open(Plan::Listen(shared)).unwrap();
        trial.open("unshared", Plan::Listen(Listen::at(at.clone())));
        trial.engine.close(one, Close::Now);
        let client = trial.stream(&at);
        trial.connect("to the one who is left", client, &at);
        trial.try_it("accept", Op::Accept { socket: two, wait: false });
    });
}

#[test]
fn a_listener_answers_questions() {
    agree(ALL, |trial| {
        let (listener, at) = trial.listen(5);
        trial.ready("quiet", listener);
        for question in [Question::Local, Question::Peer, Question::Error, Question::NoDelay] {
            trial.ask("listener", listener, question);
        }
        trial.set("listener", listener, Setting::ReceiveBuffer(5_000));
        let client = trial.stream(&at);
        trial.connect("connect", client, &at);
        trial.ready("called", listener);
        let server = trial.take_connection(listener);
        let size = trial.engine.ask(server, Question::ReceiveBuffer).unwrap();
        trial.see("inherits", matches!(size, Fact::Count(10_000)));
        trial.recv("recv", listener);
        trial.shutdown("shutdown", listener, Shutdown::Both);
        trial.clean(&at);
    });
}

#[test]
fn asking_a_refused_socket_leaves_the_error_for_connect() {
    agree(IP, |trial| {
        let (listener, at) = trial.listen(1);
        trial.engine.close(listener, Close::Now);
        let client = trial.stream(&at);
        let connect = Op::Connect { socket: client, to: at };
        let Submitted::Pending(waits) = trial.engine.submit(connect) else {
            panic!("it was answered at once")
        };
        trial.ask("refused", client, Question::Error);
        let outcome = trial.finish(waits, Duration::from_millis(200));
        trial.see("connect", told(outcome));
    });
}

#[test]
fn a_connect_that_is_given_up_by_ending_what_comes() {
    give_up_a_connect(Shutdown::Read);
}

#[test]
fn a_connect_that_is_given_up_by_ending_what_goes() {
    give_up_a_connect(Shutdown::Write);
}

#[test]
fn a_connect_that_is_given_up_altogether() {
    give_up_a_connect(Shutdown::Both);
}

fn give_up_a_connect(how: Shutdown) {
    agree(IP, |trial| {
        let (_listener, at) = trial.listen(0);
        let (first, second) = (trial.stream(&at), trial.stream(&at));
        trial.connect("first", first, &at);
        let connect = Op::Connect { socket: second, to: at };
        let Submitted::Pending(waits) = trial.engine.submit(connect) else { panic!("it did not wait") };
        let nothing = trial.finish(waits, Duration::from_millis(20));
        trial.see("before", told(nothing));
        trial.shutdown("shutdown", second, how);
        let outcome = trial.finish(waits, Duration::from_millis(200));
        trial.see("after", told(outcome));
        trial.recv("recv", second);
    });
}

#[test]
fn a_connect_that_is_cancelled_goes_on() {
    agree(IP, |trial| {
        let (listener, at) = trial.listen(5);
        let client = trial.stream(&at);
        let connect = Op::Connect { socket: client, to: at.clone() };
        let Submitted::Pending(ticket) = trial.engine.submit(connect) else {
            panic!("it was answered at once")
        };
        trial.engine.cancel(ticket);
        trial.send("send behind it", client, b"hello");
        let server = trial.take_connection(listener);
        trial.recv("recv", server);
        trial.engine.close(listener, Close::Now);
        let client = trial.stream(&at);
        let connect = Op::Connect { socket: client, to: at };
        let Submitted::Pending(ticket) = trial.engine.submit(connect) else {
            panic!("it was answered at once")
        };
        trial.engine.cancel(ticket);
        trial.send("send behind a refused one", client, b"hello");
        trial.send("and another", client, b"hello");
    });
}
