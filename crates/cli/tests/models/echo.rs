//! Bytes there and back: exact, for few and many, for the slow and for those who never read.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::server::{assert_echoes, assert_ends_after, assert_hears_nothing, fill, pattern};
use crate::table::Model;

on_every_model!(
    echo_is_exact_for_1_client,
    echo_is_exact_for_50_clients,
    echo_is_exact_for_500_clients,
    who_has_ended_their_side_gets_everything_back_before_the_end,
    a_slow_reader_gets_everything_in_order,
    who_never_reads_is_stopped_and_costs_little_and_hinders_nobody,
);

fn echo_is_exact_for_1_client(model: &Model) {
    assert_echo_is_exact(model, 1, 900_000);
}

fn echo_is_exact_for_50_clients(model: &Model) {
    assert_echo_is_exact(model, 50, 300_000);
}

fn echo_is_exact_for_500_clients(model: &Model) {
    assert_echo_is_exact(model, 500, 100_000);
}

fn assert_echo_is_exact(model: &Model, count: usize, length: usize) {
    let count = count.min(model.most);
    let server = model.serve_telling_json(&[]);
    let clients: Vec<_> = (0..count).map(|_| server.connect()).collect();
    // Each sends another part, so that bytes that went to somebody else are seen.
    let bytes = pattern(1, length + count);
    let talks: Vec<_> = clients.iter().zip(bytes.windows(length)).collect();
    for group in talks.chunks(model.at_once(count)) {
        converse(group);
    }
    drop(clients);
    let receipt = server.stop().receipt();
    for (name, expected) in [
        ("accepted", count),
        ("finished", count),
        ("most_at_once", model.at_once(count)),
        ("received", count * length),
        ("sent", count * length),
    ] {
        assert_eq!(receipt[name], expected, "{name}: {receipt}");
    }
}

/// All send a piece before the first reads one.
fn converse(talks: &[(&TcpStream, &[u8])]) {
    let length = talks[0].1.len();
    let mut answer = vec![0; PIECE];
    for start in (0..length).step_by(PIECE) {
        let piece = start..length.min(start + PIECE);
        for &(mut client, bytes) in talks {
            client.write_all(&bytes[piece.clone()]).unwrap();
        }
        for (number, &(mut client, bytes)) in talks.iter().enumerate() {
            let answer = &mut answer[..piece.len()];
            client.read_exact(answer).unwrap();
            assert!(*answer == bytes[piece.clone()], "client {number} got other bytes");
        }
    }
    for (client, _) in talks {
        client.shutdown(Shutdown::Write).unwrap();
    }
    talks.iter().for_each(|(client, _)| assert_ends_after(client, b""));
}

fn who_has_ended_their_side_gets_everything_back_before_the_end(model: &Model) {
    let server = model.serve_telling_json(&[]);
    let (client, bytes) = (server.connect(), pattern(1, 1 << 20));
    thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(&bytes).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        assert_ends_after(&client, &bytes);
    });
    drop(client);
    let receipt = server.stop().receipt();
    assert_eq!((&receipt["finished"], &receipt["sent"]), (&1.into(), &(1 << 20).into()), "{receipt}");
}

fn a_slow_reader_gets_everything_in_order(model: &Model) {
    // Received in large pieces, the answers do not fit into what room there is.
    let server = model.serve(&["--read-size", "1MiB"]);
    let (mut client, bytes) = (server.connect(), pattern(1, 8 << 20));
    let (mut sent, mut read, mut answer) = (0, 0, [0; 20_000]);
    while read < bytes.len() {
        // All buffers are full, again and again, and a little is taken out: so most sends are partial.
        client.set_nonblocking(true).unwrap();
        while sent < bytes.len() {
            match client.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
            if sent == bytes.len() {
                client.shutdown(Shutdown::Write).unwrap();
            }
        }
        client.set_nonblocking(false).unwrap();
        let most = answer.len().min(bytes.len() - read);
        let count = client.read(&mut answer[..most]).unwrap();
        assert!(count > 0 && answer[..count] == bytes[read..read + count], "other bytes after {read}");
        read += count;
    }
    assert_ends_after(&client, b"");
}

fn who_never_reads_is_stopped_and_costs_little_and_hinders_nobody(model: &Model) {
    let server = model.serve(&[]);
    let clients: Vec<_> = (0..model.at_once(4)).map(|_| server.connect()).collect();
    clients.iter().for_each(|client| assert_echoes(client, b"before"));
    let before = server.memory();
    let greedy = thread::scope(|scope| {
        let fillers: Vec<_> = clients.into_iter().map(|client| scope.spawn(|| fill(client))).collect();
        fillers.into_iter().map(|filler| filler.join().unwrap()).collect::<Vec<_>>()
    });
    let mut other = server.connect();
    if model.one_at_a_time {
        // The lesson: one who does not read keeps all others waiting.
        other.write_all(b"is anybody there?").unwrap();
        assert_hears_nothing(&other);
    } else {
        assert_echoes(&other, &pattern(1, 40_000));
    }
    match before.zip(server.memory()) {
        Some((before, now)) => {
            let grown = now.saturating_sub(before);
            assert!(grown < greedy.len() * model.memory, "{} clients cost {grown} bytes", greedy.len());
        }
        None => eprintln!("skipped: this system does not tell the memory of a process"),
    }
    drop(greedy);
    if model.one_at_a_time {
        crate::server::expect(&other, b"is anybody there?");
    }
    assert_echoes(&other, b"after");
}

/// What fits between a server and a client who both have only begun.
const PIECE: usize = 30_011;
