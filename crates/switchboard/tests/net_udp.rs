//! Datagrams, on every engine: whole or said to be cut, each from its sender, shared among tasks.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::io;
use std::rc::Rc;

use network::{Network, on_every_engine};
use switchboard::net::UdpSocket;
use switchboard::spawn;

on_every_engine! {
    f13_a_datagram_that_was_cut_is_said_to_be,
    an_empty_datagram_is_one,
    a_socket_is_shared_by_who_sends_and_who_receives,
    a_host_is_sent_to_at_the_address_that_fits,
    what_cannot_be_sent_or_bound_is_named,
}

fn f13_a_datagram_that_was_cut_is_said_to_be(network: &Network) {
    network.block_on(async {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = receiver.local_addr().unwrap();
        for (length, max) in [(60_000, 1024), (1024, 1024), (1025, 1024), (3, 1), (60_000, 65_536)] {
            sender.send_to(vec![7; length], to).await.unwrap();
            let datagram = receiver.recv_from(max).await.unwrap();
            assert_eq!(datagram.data.len(), length.min(max));
            assert_eq!(datagram.truncated, length > max, "{length} into {max}");
            assert_eq!(datagram.from, sender.local_addr().unwrap());
        }
        // The rest of one is not taken for the next.
        sender.send_to(b"next", to).await.unwrap();
        assert_eq!(&*receiver.recv_from(100).await.unwrap().data, b"next");
    });
}

fn an_empty_datagram_is_one(network: &Network) {
    network.block_on(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(b"", socket.local_addr().unwrap()).await.unwrap();
        let datagram = socket.recv_from(100).await.unwrap();
        assert!(datagram.data.is_empty() && !datagram.truncated);
    });
}

fn a_socket_is_shared_by_who_sends_and_who_receives(network: &Network) {
    network.block_on(async {
        let server = Rc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let to = server.local_addr().unwrap();
        let answering = Rc::clone(&server);
        let echo = spawn(async move {
            for _ in 0..50 {
                let datagram = answering.recv_from(2000).await?;
                answering.send_to(datagram.data, datagram.from).await?;
            }
            io::Result::Ok(())
        });
        let client = Rc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let other = Rc::clone(&client);
        let receiving = spawn(async move {
            let mut numbers = Vec::new();
            while numbers.len() < 50 {
                numbers.push(other.recv_from(1).await.unwrap().data[0]);
            }
            numbers
        });
        for number in 0..50 {
            client.send_to(&[number], to).await.unwrap();
        }
        assert!(receiving.await.into_iter().eq(0..50));
        echo.await.unwrap();
    });
}

fn a_host_is_sent_to_at_the_address_that_fits(network: &Network) {
    network.block_on(async {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let host = format!("localhost:{}", receiver.local_addr().unwrap().port());
        sender.send_to(b"by name", host).await.unwrap();
        assert_eq!(&*receiver.recv_from(100).await.unwrap().data, b"by name");
    });
}

fn what_cannot_be_sent_or_bound_is_named(network: &Network) {
    network.block_on(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        let error = socket.send_to(vec![0; 70_000], at).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot send to {at}: ")), "{error}");
        let error = socket.send_to(b"", "unix:/tmp/a").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        let error = UdpSocket::bind(at).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("cannot bind to {at}: ")), "{error}");
    });
}
