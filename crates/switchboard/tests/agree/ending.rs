//! Every way a connection can end, seen from both sides.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use switchboard::engine::{Close, Done, Lease, Op, Question, Setting, Submitted};

use crate::trial::told;
use crate::{ALL, IP, agree, agree_in_steps};

#[test]
fn shutting_down_the_read_side() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.send("send before", server, b"before");
        trial.shutdown("read side", client, Shutdown::Read);
        trial.recv("recv what was there", client);
        trial.recv("recv the end", client);
        trial.send("send after", server, b"after");
        trial.recv("recv what came later", client);
        trial.recv("recv the end again", client);
        trial.ready("server", server);
        trial.send("still can send", client, b"on");
        trial.recv("still can recv", server);
    });
}

#[test]
fn shutting_down_both_sides_while_the_peer_still_speaks() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.shutdown("both sides", client, Shutdown::Both);
        trial.send("first send", server, b"one");
        trial.send("second send", server, b"two");
        trial.recv("server recv", server);
        trial.recv("client recv", client);
        trial.send("client send", client, b"x");
    });
}

#[test]
fn ending_the_read_side_ends_a_wait() {
    agree(ALL, |trial| {
        let (client, _server) = trial.pair();
        let Submitted::Pending(waits) = trial.engine.submit(Op::Recv { socket: client, max: 9, peek: false })
        else {
            panic!("there was nothing to receive")
        };
        let nothing = trial.finish(waits, Duration::from_millis(20));
        trial.see("before", told(nothing));
        trial.shutdown("read side", client, Shutdown::Read);
        let outcome = trial.finish(waits, Duration::from_secs(1));
        trial.see("after", told(outcome));
    });
}

#[test]
fn a_reset_leaves_what_has_arrived() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.send("send", server, b"last words");
        trial.engine.close(server, Close::Reset);
        trial.ready("reset", client);
        trial.recv("last words", client);
        trial.recv("then the error", client);
        trial.recv("then the end", client);
        trial.send("send", client, b"x");
        trial.shutdown("shutdown", client, Shutdown::Write);
        trial.ask("peer", client, Question::Peer);
    });
}

#[test]
fn a_reset_is_told_to_a_sender_first() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.engine.close(server, Close::Reset);
        trial.send("send", client, b"x");
        trial.send("send again", client, b"x");
        trial.recv("recv", client);
        trial.shutdown("shutdown", client, Shutdown::Write);
    });
}

#[test]
fn a_reset_is_told_to_whoever_asks() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.engine.close(server, Close::Reset);
        trial.ask("reset", client, Question::Error);
        trial.ask("reset", client, Question::Error);
        trial.recv("recv", client);
        trial.send("send", client, b"x");
    });
}

#[test]
fn closing_with_unread_input() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.send("question", client, b"unread");
        trial.send("answer", server, b"answer");
        trial.engine.close(server, Close::Now);
        trial.ready("closed", client);
        trial.ask("closed", client, Question::Unsent);
        trial.recv("answer", client);
        trial.recv("error", client);
        trial.recv("end", client);
        trial.send("send", client, b"x");
    });
}

#[test]
fn closing_with_input_that_was_looked_at_or_given_back() {
    agree(IP, |trial| {
        for peek in [true, false] {
            let (client, server) = trial.pair();
            let recv = Op::Recv { socket: server, max: 9, peek };
            let Submitted::Pending(waits) = trial.engine.submit(recv) else { panic!("there was nothing") };
            trial.engine.try_send(client, &[io::IoSlice::new(b"unread")]).unwrap();
            let until = trial.engine.clock() + Duration::from_secs(1);
            let mut finished = Vec::new();
            while finished.is_empty() && trial.engine.clock() < until {
                trial.engine.wait(Some(until), &mut finished).unwrap();
            }
            trial.see("it has arrived", finished == [waits]);
            trial.engine.cancel(waits);
            trial.engine.close(server, Close::Now);
            trial.recv("error", client);
            trial.recv("error again", client);
        }
    });
}

#[test]
fn closing_with_unread_input_after_the_peers_end() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.send("question", client, b"unread");
        trial.shutdown("end", client, Shutdown::Write);
        trial.engine.close(server, Close::Now);
        trial.recv("recv", client);
        trial.recv("recv again", client);
        trial.send("send", client, b"x");
    });
}

#[test]
fn sending_to_one_who_has_left() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.engine.close(server, Close::Now);
        trial.ready("left", client);
        trial.send("first", client, b"one");
        trial.send("second", client, b"two");
        trial.send("third", client, b"three");
        trial.recv("recv", client);
        trial.ask("left", client, Question::Peer);
        trial.shutdown("shutdown", client, Shutdown::Both);
    });
}

#[test]
fn all_parts_of_a_send_are_answered_together() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.engine.close(server, Close::Now);
        let parts = [&b"one"[..], b"", b"two", b"three"].map(Lease::from).into();
        trial.try_it("in parts", Op::Send { socket: client, parts });
        trial.send("again", client, b"x");
    });
}

#[test]
fn the_end_is_told_before_the_error_of_a_send_in_vain() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.engine.close(server, Close::Now);
        trial.send("in vain", client, b"one");
        trial.recv("recv", client);
        trial.ask("error", client, Question::Error);
        trial.recv("recv again", client);
        trial.send("send again", client, b"two");
    });
}

#[test]
fn being_left_then_leaving() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.send("last words", server, b"bye");
        trial.engine.close(server, Close::Now);
        trial.ask("left", client, Question::Peer);
        trial.recv("recv", client);
        trial.recv("end", client);
        trial.shutdown("leave", client, Shutdown::Write);
        trial.ask("gone", client, Question::Peer);
        trial.send("send", client, b"x");
        trial.shutdown("again", client, Shutdown::Write);
    });
}

#[test]
fn a_receiver_that_waits_is_told_of_every_end() {
    for close in [Close::Now, Close::Reset] {
        agree(ALL, |trial| {
            let (client, server) = trial.pair();
            let recv = Op::Recv { socket: client, max: 9, peek: false };
            let Submitted::Pending(waits) = trial.engine.submit(recv) else { panic!("there was nothing") };
            let nothing = trial.finish(waits, Duration::from_millis(20));
            trial.see("before", told(nothing));
            trial.engine.close(server, close);
            let outcome = trial.finish(waits, Duration::from_secs(1));
            trial.see("after", told(outcome));
        });
    }
}

#[test]
fn a_sender_that_waits_is_told_of_every_end() {
    for close in [Close::Now, Close::Reset] {
        agree(ALL, |trial| {
            let (client, server) = trial.pair();
            let parts = vec![Lease::from(vec![7; 32 << 20])];
            let Submitted::Pending(waits) = trial.engine.submit(Op::Send { socket: client, parts }) else {
                panic!("all of it fitted")
            };
            let nothing = trial.finish(waits, Duration::from_millis(20));
            trial.see("before", told(nothing));
            trial.engine.close(server, close);
            let outcome = trial.finish(waits, Duration::from_secs(1));
            trial.see("after", told(outcome));
            trial.send("later", client, b"x");
            trial.recv("recv", client);
        });
    }
}

#[test]
fn a_sender_waits_for_room_after_the_peers_end_as_before_it() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.set("client", client, Setting::SendBuffer(32_768));
        trial.shutdown("the server has said all", server, Shutdown::Write);
        let all = vec![Lease::from(vec![7; 400_000])];
        let Submitted::Pending(waits) = trial.engine.submit(Op::Send { socket: client, parts: all }) else {
            panic!("all of it fitted")
        };
        let nothing = trial.finish(waits, Duration::from_millis(100));
        trial.see("before", told(nothing));
        let mut left = 400_000;
        while left > 0 {
            match trial.run(Op::Recv { socket: server, max: usize::MAX, peek: false }).unwrap() {
                Done::Received { lease } if !lease.is_empty() => left -= lease.len(),
                other => panic!("it ended early: {other:?}"),
            }
        }
        let outcome = trial.finish(waits, Duration::from_secs(1));
        trial.see("after", told(outcome));
    });
}

#[test]
fn closing_leaves_nothing_behind_that_was_sent() {
    for close in [Close::Now, Close::GENTLY] {
        agree_in_steps(ALL, |trial| {
            let (client, server) = trial.pair();
            // Some of it is still on this side when it is closed.
            let all = vec![7; 150_000];
            let mut sent = 0;
            while sent < all.len() {
                match trial.engine.try_send(client, &[io::IoSlice::new(&all[sent..])]) {
                    Ok(count) => sent += count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
            trial.engine.close(client, close);
            let mut got = 0;
            loop {
                match trial.run(Op::Recv { socket: server, max: usize::MAX, peek: false }).unwrap() {
                    Done::Received { lease } if lease.is_empty() => break,
                    Done::Received { lease } => got += lease.len(),
                    other => panic!("{other:?}"),
                }
            }
            trial.see("all arrived", got == sent);
        });
    }
}

#[test]
fn a_gentle_close_keeps_the_tail_of_an_answer() {
    agree(ALL, |trial| {
        let (client, server) = trial.pair();
        trial.send("question", client, &[b'q'; 40_000]);
        trial.send("answer", server, b"answer");
        trial.engine.close(server, Close::GENTLY);
        let mut finished = Vec::new();
        let until = trial.engine.clock() + Duration::from_millis(20);
        trial.engine.wait(Some(until), &mut finished).unwrap();
        trial.recv("answer", client);
        trial.recv("end", client);
        trial.engine.close(client, Close::GENTLY);
        while trial.engine.closing() > 0 {
            let until = trial.engine.clock() + Duration::from_secs(1);
            trial.engine.wait(Some(until), &mut finished).unwrap();
        }
    });
}
