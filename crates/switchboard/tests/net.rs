//! Streams and listeners, on every engine: what is sent arrives, and what is dropped is closed well.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::io;
use std::time::Duration;

use network::{Network, on_every_engine};
use switchboard::net::{Close, TcpListener, TcpStream};
use switchboard::{spawn, timeout};

on_every_engine! {
    what_is_sent_comes_back_from_an_echo,
    slices_and_leases_may_be_mixed,
    a_write_all_that_was_dropped_half_way_ends_the_sending,
    what_was_cut_off_does_not_look_like_an_end,
    what_a_gentle_close_had_no_time_to_send_does_not_look_like_an_end,
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            return Ok(());
        }
        stream.send_all(data).await?;
    }
}

/// A stream to an echo.
async fn connect_to_echo() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move { echo(listener.accept().await.unwrap().0).await }).detach();
    TcpStream::connect(address).await.unwrap()
}

fn what_is_sent_comes_back_from_an_echo(network: &Network) {
    let event_loop = network.event_loop();
    let ended = event_loop.block_on(async {
        let (mut reader, mut writer) =
            Into::<switchboard::net::Stream>::into(connect_to_echo().await).into_split();
        let sent: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
        let copy = sent.clone();
        let sending = spawn(async move { writer.write_all(&copy).await });
        let mut received = Vec::new();
        loop {
            let lease = reader.recv().await?;
            if lease.is_empty() {
                break;
            }
            received.extend_from_slice(&lease);
        }
        sending.await?;
        assert!(received == sent);
        io::Result::Ok(())
    });
    ended.unwrap().unwrap();
}

fn slices_and_leases_may_be_mixed(network: &Network) {
    let event_loop = network.event_loop();
    let ended = event_loop.block_on(async {
        let mut stream = connect_to_echo().await;
        stream.write_all(b"one ").await?;
        stream.send_all(&b"two "[..]).await?;
        stream.write_all(b"three").await?;
        let mut received = [0; 13];
        stream.read_exact(&mut received).await?;
        assert_eq!(&received, b"one two three");
        stream.shutdown().await?;
        assert!(stream.recv().await?.is_empty());
        io::Result::Ok(())
    });
    ended.unwrap().unwrap();
}

fn a_write_all_that_was_dropped_half_way_ends_the_sending(network: &Network) {
    let event_loop = network.event_loop();
    let ended = event_loop.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let _peer = listener.accept().await?;
        let much = vec![1; 64 << 20];
        timeout(Duration::from_millis(10), client.write_all(&much)).await.unwrap_err();
        let error = client.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let error = client.send_all(&b"more"[..]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        io::Result::Ok(())
    });
    ended.unwrap().unwrap();
}

/// Reads to the end, or to what breaks it off.
async fn read_out(stream: &mut TcpStream) -> io::Result<usize> {
    let mut bytes = 0;
    loop {
        match stream.recv().await? {
            lease if lease.is_empty() => return Ok(bytes),
            lease => bytes += lease.len(),
        }
    }
}

fn what_was_cut_off_does_not_look_like_an_end(network: &Network) {
    let event_loop = network.event_loop();
    let ended = event_loop.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let (mut peer, _) = listener.accept().await?;
        let much = vec![1; 64 << 20];
        timeout(Duration::from_millis(10), client.write_all(&much)).await.unwrap_err();
        assert_eq!(client.shutdown().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        drop(client);
        let error = read_out(&mut peer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        io::Result::Ok(())
    });
    ended.unwrap().unwrap();
}

fn what_a_gentle_close_had_no_time_to_send_does_not_look_like_an_end(network: &Network) {
    let event_loop = network.event_loop();
    let ended = event_loop.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let (mut peer, _) = listener.accept().await?;
        timeout(Duration::from_millis(10), client.send_all(vec![1; 64 << 20])).await.unwrap_err();
        let time = Duration::from_millis(20);
        switchboard::net::Stream::from(client).close(Close::Gently { bytes: 1 << 20, time });
        switchboard::sleep(10 * time).await;
        let error = read_out(&mut peer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        io::Result::Ok(())
    });
    ended.unwrap().unwrap();
}
