//! The receipt of a server, as it is printed and as it is serialised. In memory, where its times are exact.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;
mod service;

use std::io;
use std::time::Duration;

use network::Network;
use rustix::io::Errno;
use service::{Switch, bind, exchange, recv_to_end, tell_on};
use switchboard::net::{Stream, TcpStream};
use switchboard::server::{Client, Receipt, Why};
use switchboard::{sleep, spawn};

/// One of each kind: finished, failed, idle, and left at the end of the drain with bytes that were not sent.
fn one_of_each() -> Receipt {
    let (event_loop, faults) = Network::SIM.faulty();
    event_loop.on_failure(|_| {});
    tell_on(&event_loop, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        faults.accepts.borrow_mut().extend([Errno::CONNABORTED, Errno::MFILE, Errno::PROTO]);
        let server = server.idle_timeout(Duration::from_secs(10)).grace(Duration::ZERO).until(over.thrown());
        let serving = spawn(server.serve(async |mut stream: Stream, _: Client| {
            let word = stream.recv().await?;
            stream.write_all(&word).await?;
            match &*word {
                b"fail" => Err(io::Error::other("as it was told")),
                b"stay" => std::future::pending().await,
                b"much" => stream.send_all(vec![7; 1_000_000]).await,
                _ => Ok(()),
            }
        }));
        for word in [&b"hello"[..], b"fail"] {
            let mut client = TcpStream::connect(address).await?;
            client.write_all(word).await?;
            assert_eq!(recv_to_end(&mut client).await?, word);
        }
        let mut stays = TcpStream::connect(address).await?;
        exchange(&mut stays, b"stay").await?;
        assert!(recv_to_end(&mut stays).await?.is_empty());
        let mut never_reads = TcpStream::connect(address).await?;
        exchange(&mut never_reads, b"much").await?;
        sleep(Duration::from_millis(1_234)).await;
        over.throw();
        serving.await
    })
}

#[test]
fn a_receipt_prints_as_a_sentence_and_a_line_for_each_who_was_left() {
    let receipt = one_of_each();
    let ports: Vec<_> = receipt.left.iter().map(|left| left.peer.port().unwrap()).collect();
    let unsent = receipt.left[1].unsent;
    let expected = format!(
        "4 accepted: 1 finished, 1 failed, 2 cancelled; at most 1 at once; 17 bytes received, {} sent; \
         2 gone before they were accepted; out of descriptors once\n  \
         127.0.0.1:{} cancelled (idle) after 10.2 s with 0 bytes unsent\n  \
         127.0.0.1:{} cancelled (drain) after 1.4 s with {unsent} bytes unsent",
        receipt.sent, ports[0], ports[1],
    );
    assert_eq!(receipt.to_string(), expected);
    // All of it but what its kernel has room for.
    assert_eq!(unsent, 1_000_000 - 65_536, "{receipt}");
}

#[test]
fn a_receipt_that_nobody_was_left_on_is_one_line() {
    let receipt = Receipt::default();
    let expected =
        "0 accepted: 0 finished, 0 failed, 0 cancelled; at most 0 at once; 0 bytes received, 0 sent";
    assert_eq!(receipt.to_string(), expected);
}

#[test]
fn who_keeps_the_books_writes_down_all_who_were_cancelled_and_the_first_thousand_by_name() {
    let mut receipt = Receipt::default();
    for number in 0..1005_u16 {
        let peer = format!("10.0.0.1:{}", 1 + number).parse().unwrap();
        let why = if number == 0 { Why::Idle } else { Why::Drain };
        receipt.leave(peer, Duration::from_millis(1500), number.into(), why);
    }
    assert_eq!((receipt.cancelled, receipt.left.len()), (1005, 1000));
    let lines: Vec<_> = receipt.to_string().lines().map(str::to_owned).collect();
    assert!(lines[0].contains(" 1005 cancelled;"), "{}", lines[0]);
    assert_eq!(lines[1], "  10.0.0.1:1 cancelled (idle) after 1.5 s with 0 bytes unsent");
    assert_eq!(lines[1000], "  10.0.0.1:1000 cancelled (drain) after 1.5 s with 999 bytes unsent");
}

#[test]
fn a_receipt_serialises_with_the_names_of_its_fields() {
    let receipt = one_of_each();
    let json = serde_json::to_string(&receipt).unwrap();
    let (idle, left) = (&receipt.left[0], &receipt.left[1]);
    let expected = format!(
        "{{\"accepted\":4,\"finished\":1,\"failed\":1,\"cancelled\":2,\"most_at_once\":1,\"received\":17,\
         \"sent\":{},\"lost\":2,\"exhausted\":1,\"left\":[\
         {{\"peer\":\"{}\",\"age\":{},\"unsent\":0,\"why\":\"idle\"}},\
         {{\"peer\":\"{}\",\"age\":{},\"unsent\":{},\"why\":\"drain\"}}]}}",
        receipt.sent,
        idle.peer,
        idle.age.as_secs_f64(),
        left.peer,
        left.age.as_secs_f64(),
        left.unsent,
    );
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["left"][0]["why"], "idle");
}

/// The same program on the same network does the same thing, to the nanosecond.
#[test]
fn two_runs_in_memory_have_one_receipt() {
    let (one, other) = (one_of_each(), one_of_each());
    assert_eq!(one, other);
}
