//! Clients who leave in the middle: by a reset, or with bytes unread. One line in the log, and nobody else notices.

use std::io::{Read, Write};
use std::time::Instant;

use crate::server::{DEADLINE, assert_echoes, reset};
use crate::table::Model;

on_every_model!(
    a_reset_by_a_client_is_one_failure_and_one_line_in_the_log,
    many_resets_at_once_are_as_many_failures,
    who_breaks_off_in_the_middle_of_an_answer_has_failed,
    who_goes_on_sending_after_the_end_is_not_waited_for_for_ever,
);

fn a_reset_by_a_client_is_one_failure_and_one_line_in_the_log(model: &Model) {
    let server = model.serve_telling_json(&[]);
    let client = server.connect();
    assert_echoes(&client, b"hello");
    let other = server.connect();
    if !model.one_at_a_time {
        assert_echoes(&other, b"before");
    }
    let name = client.local_addr().unwrap();
    reset(client);
    assert_echoes(&other, b"after!");
    drop(other);
    let ended = server.stop();
    let (log, receipt) = ended.log_and_receipt();
    assert_eq!(ended.code, Some(0));
    assert_eq!(log, format!(" WARN client {name} failed: connection reset by peer\n"));
    assert_eq!((&receipt["finished"], &receipt["failed"]), (&1.into(), &1.into()), "{receipt}");
}

fn many_resets_at_once_are_as_many_failures(model: &Model) {
    let server = model.serve_telling_json(&[]);
    for _ in 0..20 / model.at_once(20) {
        let clients: Vec<_> = (0..model.at_once(20)).map(|_| server.connect()).collect();
        clients.iter().for_each(|client| assert_echoes(client, b"hello"));
        clients.into_iter().for_each(reset);
    }
    assert_echoes(&server.connect(), b"after");
    let ended = server.stop();
    let (log, receipt) = ended.log_and_receipt();
    assert_eq!(log.lines().count(), 20, "{log}");
    assert_eq!((&receipt["finished"], &receipt["failed"]), (&1.into(), &20.into()), "{receipt}");
}

fn who_breaks_off_in_the_middle_of_an_answer_has_failed(model: &Model) {
    let server = model.serve_telling_json(&["--service", "chargen"]);
    for _ in 0..2 {
        let mut client = server.connect();
        client.read_exact(&mut [0; 10_000]).unwrap();
        // With bytes unread, closing is a reset (RFC 1122, 4.2.2.13).
        drop(client);
    }
    // Both are noticed before the end.
    let log = [server.next_log(), server.next_log()];
    assert!(log.iter().all(|line| line.starts_with(" WARN client 127.0.0.1:")), "{log:?}");
    let receipt = server.stop().receipt();
    assert_eq!((&receipt["accepted"], &receipt["failed"]), (&2.into(), &2.into()), "{receipt}");
}

fn who_goes_on_sending_after_the_end_is_not_waited_for_for_ever(model: &Model) {
    let server = model.serve_telling_json(&["--service", "hello"]);
    let mut client = server.connect();
    // Not so much that it would be for that.
    let deadline = Instant::now() + DEADLINE / 2;
    while client.write(b"more").is_ok() {
        assert!(Instant::now() < deadline, "it is listened to for ever");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let receipt = server.stop().receipt();
    assert_eq!((&receipt["accepted"], &receipt["finished"]), (&1.into(), &1.into()), "{receipt}");
}
