//! Idle connections of a server, on every engine: ended when nothing goes over them, and not before.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;
mod service;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use network::{Network, on_every_engine};
use service::{Switch, assert_ends, bind, echo, exchange, recv_to_end, tell};
use switchboard::net::{Stream, TcpStream};
use switchboard::server::{Client, Receipt, Server, Why};
use switchboard::{sleep, spawn, yield_now};

on_every_engine! {
    an_idle_client_is_ended_and_its_handler_may_still_flush,
    a_handler_that_ignores_the_end_of_an_idle_client_is_cancelled,
    a_client_that_talks_is_never_idle,
    a_client_that_only_trickles_is_not_idle,
    a_client_that_is_only_sent_a_trickle_is_not_idle,
    a_client_that_never_reads_is_idle_when_its_buffers_are_full,
    a_client_that_reads_slowly_is_not_idle,
    an_idle_timeout_for_ever_ends_nobody,
}

/// Long enough that a busy machine does not make those idle who are not.
const IDLE: Duration = Duration::from_millis(400);

/// Serves for as long as the story of its clients lasts.
async fn serve<H, S, F>(server: Server, handler: H, story: S) -> io::Result<Receipt>
where
    H: AsyncFn(Stream, Client) -> io::Result<()> + 'static,
    S: FnOnce(std::net::SocketAddr) -> F,
    F: Future<Output = io::Result<()>>,
{
    let (over, address) = (Switch::default(), service::address_of(&server));
    let serving = spawn(server.until(over.thrown()).serve(handler));
    yield_now().await;
    story(address).await?;
    over.throw();
    serving.await
}

fn an_idle_client_is_ended_and_its_handler_may_still_flush(network: &Network) {
    let receipt = tell(network, async {
        let server = bind().await?.0.idle_timeout(IDLE);
        let handler = async |mut stream: Stream, _: Client| {
            loop {
                if stream.recv().await?.is_empty() {
                    sleep(Duration::from_millis(50)).await;
                    return stream.write_all(b"bye").await;
                }
            }
        };
        serve(server, handler, async |address| {
            let mut client = TcpStream::connect(address).await?;
            client.write_all(b"hello").await?;
            assert_eq!(recv_to_end(&mut client).await?, b"bye");
            Ok(())
        })
        .await
    });
    // It ended by itself, and well.
    assert_ends(&receipt, 1, 0, 0);
}

fn a_handler_that_ignores_the_end_of_an_idle_client_is_cancelled(network: &Network) {
    let receipt = tell(network, async {
        let server = bind().await?.0.idle_timeout(IDLE);
        let handler = async |_stream: Stream, _: Client| std::future::pending().await;
        serve(server, handler, async |address| {
            let mut client = TcpStream::connect(address).await?;
            let mut other = TcpStream::connect(address).await?;
            assert!(recv_to_end(&mut client).await?.is_empty());
            assert!(recv_to_end(&mut other).await?.is_empty());
            Ok(())
        })
        .await
    });
    assert_ends(&receipt, 0, 0, 2);
    for left in &receipt.left {
        assert_eq!(left.why, Why::Idle);
        let due = IDLE + Duration::from_millis(200);
        assert!(left.age >= due && left.age < due + Duration::from_secs(2), "{receipt}");
        assert!(network.is_real() || left.age < due + Duration::from_millis(1), "{receipt}");
    }
}

fn a_client_that_talks_is_never_idle(network: &Network) {
    let receipt = tell(network, async {
        let server = bind().await?.0.idle_timeout(IDLE);
        serve(server, echo, async |address| {
            let mut client = TcpStream::connect(address).await?;
            for _ in 0..30 {
                exchange(&mut client, b"hello").await?;
                sleep(Duration::from_millis(20)).await;
            }
            // Nor is it for the talk it had: from here on it says nothing.
            assert!(recv_to_end(&mut client).await?.is_empty());
            Ok(())
        })
        .await
    });
    assert_ends(&receipt, 1, 0, 0);
    assert_eq!(receipt.received, 30 * 5);
}

fn a_client_that_only_trickles_is_not_idle(network: &Network) {
    let receipt = tell(network, async {
        let server = bind().await?.0.idle_timeout(IDLE);
        let handler = async |mut stream: Stream, _: Client| {
            while !stream.recv().await?.is_empty() {}
            stream.write_all(b"bye").await
        };
        serve(server, handler, async |address| {
            let mut client = TcpStream::connect(address).await?;
            for _ in 0..15 {
                client.write_all(b"x").await?;
                sleep(Duration::from_millis(40)).await;
            }
            client.shutdown().await?;
            assert_eq!(recv_to_end(&mut client).await?, b"bye");
            Ok(())
        })
        .await
    });
    assert_ends(&receipt, 1, 0, 0);
    assert_eq!(receipt.received, 15);
}

fn a_client_that_is_only_sent_a_trickle_is_not_idle(network: &Network) {
    let receipt = tell(network, async {
        let server = bind().await?.0.idle_timeout(IDLE);
        let handler = async |mut stream: Stream, _: Client| {
            for _ in 0..15 {
                stream.write_all(b"x").await?;
                sleep(Duration::from_millis(40)).await;
            }
            Ok(())
        };
        serve(server, handler, async |address| {
            let mut client = TcpStream::connect(address).await?;
            assert_eq!(recv_to_end(&mut client).await?.len(), 15);
            Ok(())
        })
        .await
    });
    assert_ends(&receipt, 1, 0, 0);
}

fn a_client_that_never_reads_is_idle_when_its_buffers_are_full(network: &Network) {
    let receipt = tell(network, async {
        let server = bind().await?.0.idle_timeout(IDLE);
        let sent = Rc::new(Cell::new(0));
        let count = Rc::clone(&sent);
        let handler = async move |mut stream: Stream, _: Client| {
            loop {
                stream.write_all(&[7; 10_000]).await?;
                count.set(count.get() + 10_000);
            }
        };
        serve(server, handler, async |address| {
            let client = TcpStream::connect(address).await?;
            let mut witness = TcpStream::connect(address).await?;
            let mut received = 0;
            // The other one reads for as long, and is not idle.
            while received < 3_000_000 {
                received += witness.recv().await?.len();
                sleep(Duration::from_millis(5)).await;
            }
            sleep(3 * IDLE).await;
            drop(client);
            Ok(())
        })
        .await
    });
    assert_eq!((receipt.accepted, receipt.finished), (2, 0), "{receipt}");
    assert!(receipt.left.iter().any(|left| left.why == Why::Idle && left.unsent > 10_000), "{receipt}");
}

/// What counts is that bytes go: those of one long send, and those that the kernel has taken over.
fn a_client_that_reads_slowly_is_not_idle(network: &Network) {
    for in_one_piece in [true, false] {
        let receipt = tell(network, async {
            let server = bind().await?.0.idle_timeout(IDLE);
            let handler = async move |mut stream: Stream, _: Client| {
                let much = vec![7; 12_000_000];
                if in_one_piece { stream.send_all(much).await } else { stream.write_all(&much).await }
            };
            serve(server, handler, async |address| {
                let mut client = TcpStream::connect(address).await?;
                let (mut received, mut piece) = (0, vec![0; 300_000]);
                while received < 12_000_000 {
                    let read = client.read_exact(&mut piece).await;
                    read.unwrap_or_else(|error| panic!("cut off after {received} bytes: {error}"));
                    received += piece.len();
                    sleep(Duration::from_millis(25)).await;
                }
                Ok(())
            })
            .await
        });
        assert_ends(&receipt, 1, 0, 0);
    }
}

fn an_idle_timeout_for_ever_ends_nobody(network: &Network) {
    let receipt = tell(network, async {
        let server = bind().await?.0.idle_timeout(Duration::MAX).grace(Duration::MAX);
        serve(server, echo, async |address| {
            let mut client = TcpStream::connect(address).await?;
            sleep(Duration::from_millis(50)).await;
            exchange(&mut client, b"hello").await
        })
        .await
    });
    assert_ends(&receipt, 1, 0, 0);
}
