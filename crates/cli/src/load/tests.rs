//! Loads on servers of a few lines, whose manners are known.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::crew::Crew;
use super::failure::Failure;
use super::plan::Plan;
use super::tally::Tally;
use super::*;
use crate::choice::Choice;

/// Serves each connection on a thread of its own, for as long as the test goes on.
fn serve(talk: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let talk = Arc::new(talk);
    spawn(move || {
        for stream in listener.incoming() {
            let talk = Arc::clone(&talk);
            let Ok(stream) = stream else { return };
            spawn(move || talk(stream));
        }
    });
    address
}

#[expect(clippy::disallowed_methods, reason = "the server of a test")]
fn spawn(work: impl FnOnce() + Send + 'static) {
    thread::spawn(work);
}

/// Sends back what `change` makes of each piece, until it makes nothing of it.
fn answer(mut stream: TcpStream, mut change: impl FnMut(&mut Vec<u8>) -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let mut answer = buffer[..count].to_vec();
        if !change(&mut answer) || stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn echo() -> SocketAddr {
    serve(|stream| answer(stream, |_| true))
}

fn plan(address: SocketAddr) -> Plan {
    Plan {
        target: address.to_string(),
        address: address.into(),
        transport: Transport::Stream,
        connections: 4,
        message: Message::of_size(64, Expect::Echo, true),
        in_flight: 1,
        pace: Pace::Answered { think: Duration::ZERO },
        churn: false,
        connect_rate: None,
        until: Until::Messages(1000),
        warm_up: Duration::ZERO,
        timeout: Duration::from_secs(20),
        threads: 1,
        cores: Vec::new(),
        engine: Choice::Auto,
    }
}

fn run(plan: Plan) -> Tally {
    Crew::start(&Arc::new(plan)).unwrap().join().unwrap()
}

#[test]
fn as_many_messages_are_sent_as_were_asked_for_and_each_is_answered() {
    for (threads, in_flight, size) in [(1, 1, 64), (2, 1, 64), (1, 16, 64), (2, 3, 100_000)] {
        let message = Message::of_size(size, Expect::Echo, true);
        let tally = run(Plan { threads, in_flight, message, ..plan(echo()) });
        assert_eq!((tally.answered, tally.exchange.count(), tally.failures.total()), (1000, 1000, 0));
        assert_eq!((tally.first_byte.count(), tally.connections), (1000, 4));
        assert_eq!((tally.sent, tally.received), (1000 * size as u64, 1000 * size as u64));
        assert!(tally.rate() > 0.0 && tally.exchange.max() >= tally.exchange.percentile(50.0));
    }
}

#[test]
fn an_open_loop_keeps_its_schedule() {
    let (until, pace) = (Until::Time(Duration::from_millis(500)), Pace::Scheduled { from: 400.0, to: 400.0 });
    for (threads, churn) in [(1, false), (2, false), (1, true)] {
        let tally = run(Plan { until, pace, threads, churn, ..plan(echo()) });
        assert_eq!((tally.exchange.count(), tally.failures.total()), (200, 0), "{tally:?}");
        // On a busy machine the last of them find the time over.
        let begun = 200 - tally.unsent;
        assert_eq!((tally.doubt.slip.count(), tally.window), (begun, Duration::from_millis(500)));
        assert_eq!(tally.connections, if churn { begun } else { 4 });
    }
}

#[test]
fn a_warm_up_is_not_counted() {
    let warm_up = Duration::from_millis(200);
    let (until, pace) = (Until::Time(Duration::from_millis(200)), Pace::Scheduled { from: 100.0, to: 100.0 });
    let tally = run(Plan { until, pace, warm_up, ..plan(echo()) });
    assert_eq!(tally.exchange.count(), 20, "{tally:?}");
}

#[test]
fn who_waits_from_the_warm_up_on_to_the_end_has_failed() {
    let silent = serve(|stream| {
        answer(stream, |bytes| {
            bytes.clear();
            true
        });
    });
    let (warm_up, timeout) = (Duration::from_millis(50), Duration::from_millis(400));
    let until = Until::Time(Duration::from_millis(100));
    let tally = run(Plan { until, warm_up, timeout, connections: 3, ..plan(silent) });
    assert_eq!((tally.failures[Failure::Timeout], tally.exchange.count()), (3, 3), "{tally:?}");
}

#[test]
fn each_exchange_that_churns_has_a_connection_of_its_own() {
    let tally = run(Plan { churn: true, until: Until::Messages(50), ..plan(echo()) });
    assert_eq!((tally.answered, tally.connections, tally.connect.count()), (50, 50, 50));
}

#[test]
fn connections_are_made_at_the_rate_that_was_asked_for() {
    let rate = Some(40.0);
    let (until, connections) = (Until::Messages(20), 20);
    for (churn, threads) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
        let plan = Plan { connect_rate: rate, churn, threads, until, connections, ..plan(echo()) };
        let begun = clock();
        let mut crew = Crew::start(&Arc::new(plan)).unwrap();
        while block_on(crew.next()).is_some() {}
        let took = clock() - begun;
        // Each thread's first is at once.
        assert!(took >= Duration::from_millis((20 - threads as u64) * 25), "{took:?}");
        assert_eq!(crew.join().unwrap().connections, 20);
    }
}

#[test]
fn wrong_answers_are_found_by_their_class() {
    let wrong = serve(|stream| {
        let mut heard = 0;
        answer(stream, move |bytes| {
            heard += bytes.len();
            // Each 25th message has a bit that is wrong.
            if heard % (25 * 64) == 0 {
                bytes[7] ^= 1;
            }
            true
        });
    });
    let tally = run(Plan { connections: 1, until: Until::Messages(100), ..plan(wrong) });
    assert_eq!((tally.failures[Failure::Mismatch], tally.failures.total(), tally.answered), (4, 4, 96));

    let message = Message::of_size(64, Expect::Echo, false);
    let tally = run(Plan { connections: 1, until: Until::Messages(100), message, ..plan(wrong) });
    assert_eq!((tally.failures.total(), tally.answered), (0, 100));
}

#[test]
fn what_a_peer_does_wrong_has_a_class() {
    let half = serve(|mut stream| {
        let mut buffer = [0; 64];
        if stream.read_exact(&mut buffer).is_ok() {
            stream.write_all(&buffer[..32]).ok();
        }
    });
    let silent = serve(|stream| {
        answer(stream, |bytes| {
            bytes.clear();
            true
        });
    });
    let reset = serve(|mut stream| {
        // What is closed with bytes unread is reset.
        stream.read_exact(&mut [0; 1]).ok();
    });
    let until = Until::Messages(8);
    for (address, timeout, class) in
        [(half, 20_000, Failure::Short), (silent, 100, Failure::Timeout), (reset, 20_000, Failure::Reset)]
    {
        let timeout = Duration::from_millis(timeout);
        let tally = run(Plan { until, timeout, ..plan(address) });
        assert_eq!((tally.failures[class], tally.failures.total(), tally.answered), (8, 8, 0), "{tally:?}");
        // What timed out is in the tail.
        let late = if class == Failure::Timeout { 8 } else { 0 };
        assert_eq!(tally.exchange.count(), late);
        // To the three digits that a histogram keeps.
        assert!(late == 0 || tally.exchange.min() >= timeout.mul_f64(0.999), "{tally:?}");
    }
}

#[test]
fn connections_that_the_peer_ends_between_two_answers_are_made_anew() {
    let fickle = serve(|mut stream| {
        let mut buffer = [0; 64];
        for _ in 0..3 {
            if stream.read_exact(&mut buffer).and_then(|()| stream.write_all(&buffer)).is_err() {
                return;
            }
        }
    });
    // Time enough for the end to be seen before the next message.
    let think = Pace::Answered { think: Duration::from_millis(300) };
    let tally = run(Plan { connections: 1, until: Until::Messages(8), pace: think, ..plan(fickle) });
    assert_eq!((tally.answered, tally.failures.total()), (8, 0), "{tally:?}");
    assert_eq!((tally.ended, tally.connections), (2, 3), "{tally:?}");
}

#[test]
fn lines_are_told_from_a_welcome() {
    let lines = serve(|mut stream| {
        stream.write_all(b"Welcome!\r\nTo whom it may concern:\r\n").unwrap();
        let mut waiting = Vec::new();
        answer(stream, move |bytes| {
            waiting.extend_from_slice(bytes);
            let end = waiting.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            let lines: Vec<u8> = waiting.drain(..end).collect();
            *bytes = lines
                .split_inclusive(|&byte| byte == b'\n')
                .flat_map(|line| [b"Echo: ", line].concat())
                .collect();
            true
        });
    });
    let message = Message::of_size(30, Expect::Line, true);
    let tally = run(Plan { message, in_flight: 3, ..plan(lines) });
    assert_eq!(
        (tally.answered, tally.first_byte.count(), tally.failures.total()),
        (1000, 1000, 0),
        "{tally:?}"
    );
}

#[test]
fn what_is_not_answered_is_sent_all_the_same() {
    let sink = serve(|stream| {
        answer(stream, |bytes| {
            bytes.clear();
            true
        });
    });
    let message = Message::of_size(64, Expect::Nothing, true);
    let tally = run(Plan { message, ..plan(sink) });
    assert_eq!((tally.answered, tally.sent, tally.received), (1000, 64_000, 0));
}

#[test]
fn datagrams_that_are_lost_are_timeouts_and_the_others_are_answered() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    spawn(move || {
        let mut buffer = [0; 2048];
        let mut heard = 0;
        while let Ok((count, from)) = server.recv_from(&mut buffer) {
            heard += 1;
            if heard % 10 != 0 {
                server.send_to(&buffer[..count], from).ok();
            }
        }
    });
    let (until, timeout) = (Until::Messages(100), Duration::from_secs(2));
    let transport = Transport::Datagrams;
    let tally = run(Plan { transport, until, timeout, in_flight: 4, ..plan(address) });
    assert_eq!(
        (tally.answered, tally.failures[Failure::Timeout], tally.failures.total()),
        (90, 10, 10),
        "{tally:?}"
    );
    assert_eq!(tally.exchange.count(), 100);
}

#[test]
fn who_waits_too_long_for_somebody_to_be_free_was_waiting() {
    let slow = serve(|stream| {
        answer(stream, |_| {
            pause(Duration::from_millis(50));
            true
        });
    });
    // One connection answers 20 a second; 100 are due.
    let (until, pace) = (Until::Time(Duration::from_millis(500)), Pace::Scheduled { from: 100.0, to: 100.0 });
    let tally = run(Plan { connections: 1, until, pace, ..plan(slow) });
    assert_eq!(tally.exchange.count(), 50, "{tally:?}");
    assert!((35..=50).contains(&tally.unsent), "{tally:?}");
    assert!(tally.exchange.max() > Duration::from_millis(300), "{tally:?}");
    assert!(tally.uncorrected.max() < tally.exchange.max(), "{tally:?}");
}

#[test]
fn a_load_that_is_stopped_ends_at_once_with_what_it_has() {
    let mut crew =
        Crew::start(&Arc::new(Plan { until: Until::Time(Duration::from_secs(600)), ..plan(echo()) }))
            .unwrap();
    let first = block_on(crew.next()).unwrap();
    assert!(first.answered > 0 && first.open == 4, "{first:?}");
    crew.stop();
    let tally = crew.join().unwrap();
    assert!(tally.answered >= first.answered, "{tally:?}");
}

#[test]
fn messages_that_nobody_is_left_for_are_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut message = [0; 64];
        for _ in 0..10 {
            stream.read_exact(&mut message).unwrap();
            stream.write_all(&message).unwrap();
        }
    });
    let timeout = Duration::from_millis(500);
    let tally = run(Plan { connections: 1, timeout, ..plan(address) });
    assert_eq!(tally.answered, 10, "{tally:?}");
    assert!(tally.failures[Failure::Refused] > 0, "{tally:?}");
}

#[test]
fn nobody_there_is_told_for_each_connection() {
    // Bound and not listening: nobody else can listen there meanwhile.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let tally = run(Plan { until: Until::Time(Duration::from_millis(50)), ..plan(address) });
    assert!(tally.failures[Failure::Refused] >= 4 && tally.answered == 0, "{tally:?}");
    assert_eq!(tally.first_error.as_deref(), Some("connection refused"));
}

#[expect(clippy::disallowed_methods, reason = "a test has no engine")]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the server of a test is slow")]
fn pause(time: Duration) {
    thread::sleep(time);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    EventLoop::new().unwrap().block_on(future).unwrap()
}
