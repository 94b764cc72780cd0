//! A server out of descriptors: nobody is closed, nobody is stranded, no CPU is burnt, and it is said once.
//!
//! In a file of its own, because the limit is the whole process's, and so is the log.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock and threads")]

mod network;
mod service;

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use network::Network;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use service::{Switch, beside, bind, connect, echo, exchange_with, tell};
use switchboard::sleep;
use tracing::field::{Field, Visit};
use tracing::span;

#[test]
fn e1_e2_e3_e4_twenty_clients_wait_for_descriptors_and_are_served() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    for network in network::real() {
        log.lines.lock().unwrap().clear();
        twenty_clients_wait(&network, &log);
    }
}

fn twenty_clients_wait(network: &Network, log: &Log) {
    let name = network.name();
    let receipt = tell(network, async {
        let (server, address) = bind().await?;
        let over = Switch::default();
        let mut clients: Vec<_> = (0..20).map(|_| connect(address)).collect();
        let old = getrlimit(Resource::Nofile);
        let lowest_free = rustix::io::dup(&clients[0])?;
        let used = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&lowest_free)).unwrap();
        drop(lowest_free);
        setrlimit(Resource::Nofile, Rlimit { current: Some(used + 2), maximum: old.maximum })?;

        let serving = switchboard::spawn(server.until(over.thrown()).serve(echo));
        sleep(Duration::from_millis(50)).await;
        let cpu = cpu_time();
        sleep(Duration::from_millis(600)).await;
        let burnt = cpu_time() - cpu;
        setrlimit(Resource::Nofile, old)?;
        assert!(burnt < Duration::from_millis(60), "{name}: {burnt:?} of CPU in 600 ms of waiting");
        for client in &mut clients {
            client.set_nonblocking(true)?;
            let answer = client.read(&mut [0]).map_err(|error| error.kind());
            assert_eq!(answer, Err(io::ErrorKind::WouldBlock), "{name}: nobody was closed");
            client.set_nonblocking(false)?;
        }
        // No new client comes: those who wait are served because descriptors came free.
        let (end, served) = (over.clone(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&served);
        let exchanging = beside(move || {
            for client in &mut clients {
                exchange_with(client, b"hello").unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
            // They are all connected at once, and none was closed meanwhile.
            clients.iter_mut().for_each(|client| client.write_all(b"bye").unwrap());
            drop(clients);
            end.throw();
        });
        let receipt = serving.await?;
        exchanging.join().unwrap();
        assert_eq!(served.load(Ordering::Relaxed), 20);
        Ok(receipt)
    });
    assert_eq!(receipt.accepted, 20, "{name}: {receipt}");
    assert_eq!(receipt.exhausted, 1, "{name}: {receipt}");
    assert_eq!(receipt.cancelled, 0, "{name}: {receipt}");
    let lines = log.lines.lock().unwrap();
    let said: Vec<_> = lines.iter().filter(|line| line.contains("cannot accept for now")).collect();
    assert_eq!(said.len(), 1, "{name}: {lines:#?}");
}

/// CPU time of this process so far.
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}

/// Keeps the lines of the log.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}
