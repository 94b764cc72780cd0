//! What a server keeps: bounded with those who never read, and nothing of those who have gone.
//!
//! In a file of its own, because memory and descriptors are the whole process's.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock and threads")]

mod network;
mod service;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, os, process};

use network::Network;
use network::resident::resident;
use service::{
    DEADLINE, Switch, assert_ends, beside, bind, connect, echo, exchange, exchange_with, real_now, tell,
    tell_on,
};
use switchboard::engine::Address;
use switchboard::net::TcpStream;
use switchboard::server::Server;
use switchboard::{sleep, spawn};

/// One test at a time, as what it measures is the process's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map(|files| files.count()).unwrap_or_default()
}

/// A client that sends 64 MiB and reads nothing, and others that want to be served meanwhile.
#[test]
fn f2_a_sender_that_never_reads_fills_no_memory_and_holds_nobody_up() {
    let _alone = alone();
    for network in network::real() {
        let event_loop = network.event_loop();
        event_loop.on_failure(|_| {});
        let (grown, lent, slowest) = tell_on(&event_loop, async {
            let (server, address) = bind().await?;
            let over = Switch::default();
            let serving = spawn(server.grace(Duration::ZERO).until(over.thrown()).serve(echo));
            exchange(&mut TcpStream::connect(address).await?, &[1; 100_000]).await?;
            let before = resident();
            let greedy: Vec<_> = (0..10)
                .map(|_| {
                    beside(move || {
                        let mut stream = connect(address);
                        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
                        let piece = [7; 64 << 10];
                        // What does not fit its buffers and ours stops it.
                        let sent = (0..1024).take_while(|_| stream.write_all(&piece).is_ok()).count();
                        (stream, sent)
                    })
                })
                .collect();
            let asking = beside(move || slowest_ping(address, Duration::from_millis(400)));
            while !asking.is_finished() {
                sleep(Duration::from_millis(5)).await;
            }
            while !greedy.iter().all(std::thread::JoinHandle::is_finished) {
                sleep(Duration::from_millis(5)).await;
            }
            let grown = resident().saturating_sub(before);
            let lent = event_loop.engine().pool().lent();
            let greedy: Vec<_> = greedy.into_iter().map(|client| client.join().unwrap()).collect();
            assert!(greedy.iter().all(|(_, sent)| *sent < 1024), "somebody took 64 MiB that nobody read");
            over.throw();
            serving.await?;
            Ok((grown, lent, asking.join().unwrap()))
        });
        let name = network.name();
        // A buffer each that is being sent, and a second one on its way, at most.
        assert!(lent <= 20, "{name}: {lent} buffers are lent to ten connections");
        assert!(grown < 4 << 20, "{name}: {} KiB more memory for ten connections", grown >> 10);
        assert!(slowest < Duration::from_millis(300), "{name}: a ping took {slowest:?}");
    }
}

/// The longest that an exchange took, of all within this time.
fn slowest_ping(address: std::net::SocketAddr, time: Duration) -> Duration {
    let mut stream = connect(address);
    let (begun, mut slowest) = (real_now(), Duration::ZERO);
    while begun.elapsed() < time {
        let asked = real_now();
        exchange_with(&mut stream, b"ping").unwrap();
        slowest = slowest.max(asked.elapsed());
    }
    slowest
}

/// The slow reader gets all of it.
#[test]
fn a_slow_reader_gets_all_and_fills_no_memory() {
    let _alone = alone();
    for network in network::real() {
        let (received, grown) = tell(&network, async {
            let (server, address) = bind().await?;
            let over = Switch::default();
            let serving = spawn(server.until(over.thrown()).serve(echo));
            exchange(&mut TcpStream::connect(address).await?, &[1; 100_000]).await?;
            let before = resident();
            let client = beside(move || {
                let mut stream = connect(address);
                let mut writer = stream.try_clone().unwrap();
                let sending = beside(move || {
                    (0..64).for_each(|_| writer.write_all(&[7; 1 << 18]).unwrap());
                    writer.shutdown(std::net::Shutdown::Write).unwrap();
                });
                let (mut received, mut piece) = (0, vec![0; 1 << 18]);
                loop {
                    std::thread::sleep(Duration::from_millis(3));
                    match stream.read(&mut piece).unwrap() {
                        0 => break,
                        count => received += count,
                    }
                }
                sending.join().unwrap();
                received
            });
            let mut most = 0;
            while !client.is_finished() {
                most = most.max(resident());
                sleep(Duration::from_millis(5)).await;
            }
            over.throw();
            serving.await?;
            Ok((client.join().unwrap(), most.saturating_sub(before)))
        });
        assert_eq!(received, 16 << 20);
        assert!(grown < 4 << 20, "{}: {} KiB more memory", network.name(), grown >> 10);
    }
}

/// 100,000 connections over a Unix socket, which uses up no ports.
#[test]
fn a_hundred_thousand_connections_leave_nothing_behind() {
    let _alone = alone();
    let file = File::new();
    let path = file.0.clone();
    let begun = real_now();
    let network = Network::EPOLL;
    let receipt = tell_within(&network, async {
        let server = Server::bind(Address::unix(&path)).await?;
        let over = Switch::default();
        let end = over.clone();
        let (warm, cold) = (Switch::default(), Switch::default());
        let (is_warm, go_on) = (warm.clone(), cold.clone());
        let clients = beside(move || {
            churn(&path, WARM);
            is_warm.throw();
            while !go_on.is_thrown() {
                std::thread::yield_now();
            }
            churn(&path, MANY - WARM);
            end.throw();
        });
        let serving = spawn(server.until(over.thrown()).serve(echo));
        warm.thrown().await;
        sleep(Duration::from_millis(20)).await;
        let before = (resident(), descriptors());
        cold.throw();
        let receipt = serving.await?;
        let after = (resident(), descriptors());
        clients.join().unwrap();
        assert!(
            after.1 < before.1,
            "descriptors: {} before, {} after, without the listener",
            before.1,
            after.1
        );
        assert!(
            after.0 < before.0 + (2 << 20),
            "memory: {} KiB before, {} after",
            before.0 >> 10,
            after.0 >> 10
        );
        Ok(receipt)
    });
    assert_ends(&receipt, MANY as u64, 0, 0);
    assert_eq!((receipt.received, receipt.sent), (MANY as u64 * 5, MANY as u64 * 5));
    println!("{MANY} connections in {:?}", begun.elapsed());
}

/// Connects, exchanges a word and closes, so often, from four threads.
fn churn(path: &Path, times: usize) {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let path = path.to_owned();
            beside(move || {
                for _ in 0..times / 4 {
                    let mut stream = os::unix::net::UnixStream::connect(&path).unwrap();
                    stream.write_all(b"hello").unwrap();
                    let mut back = [0; 5];
                    stream.read_exact(&mut back).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_hundred_thousand_connections_in_memory_leave_nothing_behind() {
    let _alone = alone();
    let begun = real_now();
    let receipt = tell_within(&Network::SIM, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let serving = spawn(server.until(over.thrown()).serve(echo));
        let connect_and_close = async |times: usize| {
            let four: Vec<_> = (0..4)
                .map(|_| {
                    spawn(async move {
                        for _ in 0..times / 4 {
                            exchange(&mut TcpStream::connect(address).await?, b"hello").await?;
                        }
                        io::Result::Ok(())
                    })
                })
                .collect();
            for task in four {
                task.await?;
            }
            io::Result::Ok(())
        };
        connect_and_close(WARM).await?;
        sleep(Duration::from_secs(3)).await;
        let before = resident();
        // Closes are remembered for as long as they may take, and here all of them take no time.
        for _ in 0..MANY / WARM - 1 {
            connect_and_close(WARM).await?;
            sleep(Duration::from_secs(3)).await;
        }
        let after = resident();
        assert!(after < before + (2 << 20), "memory: {} KiB before, {} after", before >> 10, after >> 10);
        over.throw();
        serving.await
    });
    assert_ends(&receipt, MANY as u64, 0, 0);
    println!("{MANY} connections in memory in {:?}", begun.elapsed());
}

/// Tells a story that takes longer than others.
fn tell_within<T>(network: &Network, story: impl Future<Output = io::Result<T>>) -> T {
    let begun: Instant = real_now();
    let told = network.event_loop().block_on(story).unwrap().unwrap();
    assert!(begun.elapsed() < 3 * DEADLINE, "it took {:?}", begun.elapsed());
    told
}

/// The file of a Unix socket.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("switchboard-churn-{}.sock", process::id())))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

const MANY: usize = 100_000;
const WARM: usize = 10_000;
