//! That `switchboard load` counts right: what it says it sent has come to the server, and what it says of the answers is so.
//!
//! None of it depends on how fast the machine is; what does is in `measures`.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod measured;

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use measured::peer::{Delaying, Echo, serve};
use measured::{Folder, Load, Measured, PERCENTILES, measure, merge};

#[test]
fn what_was_sent_has_come_to_the_server_whatever_the_way() {
    let folder = Folder::new("counts");
    let unix = || Echo::on_unix(&folder.path(format!("{:?}", Instant::now())));
    let tcp = || Echo::on_tcp("127.0.0.1:0");
    for (server, arguments, count, size) in [
        (tcp(), "-c 4 -n 2000 -s 64", 2000, 64),
        (tcp(), "-c 4 -n 2000 -s 1", 2000, 1),
        (tcp(), "-c 3 -n 7 -s 10000000", 7, 10_000_000),
        (tcp(), "-c 4 -n 20000 -s 16 --in-flight 1000", 20_000, 16),
        (tcp(), "-c 5 -n 2001 -s 64 -t 2", 2001, 64),
        (tcp(), "-c 9 -n 5 -s 64 -t 2", 5, 64),
        (tcp(), "-c 4 -n 300 -s 64 --churn", 300, 64),
        (tcp(), "-c 4 -n 301 -s 64 --churn -t 2", 301, 64),
        (tcp(), "-c 4 -R 500 -d 2s -s 64 -t 2 --in-flight 8", 1000, 64),
        (tcp(), "-c 16 -R 100:500 -d 2s -s 64 --in-flight 8", 600, 64),
        (Echo::on_tcp("[::1]:0"), "-c 4 -n 2000 -s 64 --in-flight 4", 2000, 64),
        (unix(), "-c 4 -n 2000 -s 64 --in-flight 4 -t 2", 2000, 64),
        (unix(), "-c 4 -n 300 -s 64 --churn", 300, 64),
        (Echo::on_udp("127.0.0.1:0"), "-c 4 -n 2000 -s 64 --udp -t 2", 2000, 64),
        (Echo::on_udp("[::1]:0"), "-c 4 -n 500 -s 1200 --udp --in-flight 3", 500, 1200),
    ] {
        let measured = measure(&server.target, &format!("{arguments} --timeout 60s"));
        assert_eq!(measured.number("failures/total"), 0, "{arguments}: {}", measured.report);
        let sent = count - measured.number("unsent");
        assert_eq!(measured.number("exchange/count"), count, "{arguments}: {}", measured.report);
        assert_eq!(measured.number("uncorrected/count"), sent, "{arguments}: {}", measured.report);
        assert_eq!(server.bytes(), sent * size, "{arguments}: {}", measured.report);
        if !arguments.contains("-R") {
            assert_eq!(measured.number("answered"), count, "{arguments}: {}", measured.report);
            assert_eq!(measured.number("sent_bytes"), count * size, "{arguments}: {}", measured.report);
            assert_eq!(measured.number("received_bytes"), count * size, "{arguments}: {}", measured.report);
        }
        let datagrams = server.counts.datagrams.load(Ordering::Relaxed);
        assert_eq!(datagrams, if arguments.contains("--udp") { sent } else { 0 }, "{arguments}");
        if arguments.contains("--churn") {
            assert_eq!(measured.number("connections"), count, "{arguments}: {}", measured.report);
            // And the one by which it is seen that somebody is there.
            assert_eq!(server.connections(), count + 1, "{arguments}");
        }
    }
}

#[test]
fn datagrams_to_any_address_are_answered_by_this_machine() {
    let server = Echo::on_udp("0.0.0.0:0");
    let measured = measure(&server.target, "-c 2 -n 100 --udp --timeout 60s");
    assert_eq!((measured.number("answered"), server.counts.datagrams.load(Ordering::Relaxed)), (100, 100));
}

#[test]
fn each_byte_is_verified_and_a_wrong_one_costs_one_exchange() {
    for (size, arguments) in [(64, "-s 64 --in-flight 64"), (16, "-s 16 --in-flight 16"), (5000, "-s 5000")] {
        // Each 50th message has a byte that is wrong, the next one each time.
        let server = Echo::changing(move |before, bytes| {
            for (at, byte) in (before..).zip(bytes) {
                let (message, offset) = (at / size, at % size);
                if message % 50 == 49 && message / 50 == offset {
                    *byte ^= 1 << (message % 8);
                }
            }
        });
        let wrong = size.min(64);
        let count = wrong * 50;
        let measured = measure(&server.target, &format!("-c 1 -n {count} --timeout 60s {arguments}"));
        let failures = (measured.number("failures/mismatch"), measured.number("failures/total"));
        assert_eq!(failures, (wrong, wrong), "{arguments}: {}", measured.report);
        assert_eq!(measured.number("answered"), count - wrong, "{arguments}: {}", measured.report);
        assert_eq!(server.connections(), 2, "{arguments}: the one that was tried, and the one");
    }
}

#[test]
fn answers_out_of_step_are_no_answers() {
    // A byte is lost on each connection, and one is doubled on each.
    for lost in [true, false] {
        let server = serve(move |mut stream| {
            let (mut bytes, mut heard) = (vec![0; 4096], 0);
            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                let mut answer = bytes[..count].to_vec();
                if (heard..heard + count).contains(&1000) {
                    let at = 1000 - heard;
                    if lost {
                        answer.remove(at);
                    } else {
                        answer.insert(at, answer[at]);
                    }
                }
                heard += count;
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
        });
        let measured = measure(&server.to_string(), "-c 1 -n 200 -s 16 --in-flight 8 --timeout 60s");
        let of = |path: &str| measured.number(path);
        assert_eq!(of("answered") + of("failures/mismatch"), 200, "{}", measured.report);
        // Of about 62 on each connection, the one that is hit, and those that were on their way with it.
        assert!((6..=40).contains(&of("failures/mismatch")), "{}", measured.report);
        assert_eq!(of("failures/total"), of("failures/mismatch"), "{}", measured.report);
    }
}

#[test]
fn exchanges_that_timed_out_are_in_the_tail() {
    let number = AtomicU64::new(0);
    // Each 20th is never answered.
    let server = serve(move |mut stream| {
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            let is_answered = number.fetch_add(1, Ordering::Relaxed) % 20 != 19;
            if is_answered && stream.write_all(&message).is_err() {
                return;
            }
        }
    });
    let measured = measure(&server.to_string(), "-c 10 -n 200 -s 64 --timeout 2s");
    let of = |path: &str| measured.number(path);
    assert_eq!(
        (of("failures/timeout"), of("failures/total"), of("answered")),
        (10, 10, 190),
        "{}",
        measured.report
    );
    assert_eq!((of("exchange/count"), of("uncorrected/count")), (200, 200));
    let late = |path: &str| 200 - measured.histogram(path).count_between(0, 1_990_000_000);
    assert_eq!((late("exchange"), late("uncorrected")), (10, 10), "{}", measured.report);
    assert!(measured.seconds("exchange/p99") > 1.99, "{}", measured.report);
}

#[test]
fn a_rate_that_nobody_can_keep_shows_in_what_was_not_sent_and_in_the_latencies() {
    // 20 a second, of 100. The k-th is answered 40 ms later than the one before, counted from when it was due.
    let server = Delaying::new(64, vec![Duration::from_millis(50)]);
    let measured = measure(&server.address.to_string(), "-c 1 -R 100 -d 3s -s 64 --timeout 60s");
    let sent = server.take().len() as u64;
    let of = |path: &str| measured.number(path);
    assert!(sent <= 61, "{}", measured.report);
    assert_eq!((of("unsent"), of("exchange/count")), (300 - sent, 300), "{}", measured.report);
    assert_eq!(of("uncorrected/count"), sent);
    // Those that were sent took 50 ms to 2.4 s; those that were not waited for up to as long.
    assert!((0.9..2.0).contains(&measured.seconds("exchange/p50")), "{}", measured.report);
    assert!(measured.seconds("uncorrected/p50") < 0.3, "{}", measured.report);
}

#[test]
fn two_halves_that_are_merged_are_one_whole() {
    let delays = (1..=40).map(Duration::from_millis).collect();
    let server = Delaying::new(64, delays);
    let target = server.address.to_string();
    let halves = ["-c 8 -n 150 -s 64", "-c 8 -n 250 -s 64"];
    let halves = halves.map(|arguments| Load::start(&target, &format!("{arguments} --timeout 60s")));
    let halves = halves.map(Load::end);
    let delays = server.take();
    let whole = merge(&halves);

    let sum = |path: &str| halves.iter().map(|half| half.number(path)).sum::<u64>();
    for path in ["answered", "connections", "sent_bytes", "received_bytes", "exchange/count", "connect/count"]
    {
        assert_eq!(whole.number(path), sum(path), "{path}");
    }
    assert_eq!((whole.number("loads"), whole.number("answered")), (2, delays.len() as u64));
    for times in ["exchange", "first_byte", "connect", "uncorrected"] {
        assert_is_one_histogram(&whole, &halves, times);
    }
    // Nobody hears an answer sooner than it is sent.
    for (name, percent) in PERCENTILES {
        let by_the_server = measured::percentile(&delays, percent);
        assert!(
            whole.seconds(&format!("exchange/{name}")) >= by_the_server * 0.999,
            "{name}: {by_the_server} s"
        );
    }
}

/// That the report says what one histogram would have, of the values of all these.
fn assert_is_one_histogram(whole: &Measured, parts: &[Measured], times: &str) {
    let mut all = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
    for part in parts {
        for step in part.histogram(times).iter_recorded() {
            all.record_n(step.value_iterated_to(), step.count_at_value()).unwrap();
        }
    }
    assert_eq!(whole.number(&format!("{times}/count")), all.len(), "{times}");
    for (name, percent) in PERCENTILES {
        let (is, should_be) = (whole.number(&format!("{times}/{name}")), all.value_at_percentile(percent));
        assert!(all.equivalent(is, should_be), "{times}/{name} is {is}, and should be {should_be}");
    }
    assert!(all.equivalent(whole.number(&format!("{times}/max")), all.max()), "{times}");
    assert!(all.equivalent(whole.number(&format!("{times}/min")), all.min()), "{times}");
    assert_eq!(whole.histogram(times), all, "{times}");
}

#[test]
fn what_happens_while_it_warms_up_is_not_counted() {
    let begun = Instant::now();
    // Wrong for as long as it warms up, and right from then on.
    let server = Echo::changing(move |_, bytes| {
        if begun.elapsed() < Duration::from_secs(1) {
            bytes[0] ^= 1;
        }
    });
    let measured = measure(&server.target, "-c 2 -n 100 -s 64 --warm-up 3s --timeout 60s");
    assert_eq!(measured.number("failures/total"), 0, "{}", measured.report);
    assert_eq!((measured.number("answered"), measured.number("exchange/count")), (100, 100));
}
