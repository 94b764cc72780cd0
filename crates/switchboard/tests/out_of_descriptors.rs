//! Out of descriptors: nobody is closed, nobody is stranded, no CPU is burnt.
//!
//! In a file of its own, one test at a time, because the limit is the whole process's.
#![allow(clippy::disallowed_methods, reason = "tests use the real clock and threads")]

mod network;

use std::cell::RefCell;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use network::{finish, listener};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard::engine::{Address, Direction, Done, Engine, Op, Submitted};
use switchboard::event_loop::Acceptor;

/// E1, E2 and E3 of the field's bugs: spinning, closing those who wait, and forgetting them.
#[test]
fn e1_e2_e3_clients_wait_until_descriptors_come_free() {
    let _alone = alone();
    for net in network::real() {
        let event_loop = net.event_loop();
        let (socket, address) = listener(&mut **event_loop.engine());
        let Address::Ip(address) = address else { panic!("not an IP address") };
        let accepted = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&accepted);
        let acceptor =
            Acceptor::start(&event_loop, socket, move |_, socket, _| sink.borrow_mut().push(socket));

        let mut clients: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
        let old = leave(2);

        let (begun, cpu) = (Instant::now(), cpu_time());
        let mut turns = 0;
        while begun.elapsed() < Duration::from_millis(600) {
            event_loop.turn(Some(Duration::from_millis(600))).unwrap();
            turns += 1;
        }
        let burnt = cpu_time() - cpu;
        let waiting = 20 - accepted.borrow().len();
        setrlimit(Resource::Nofile, old).unwrap();

        let name = net.name();
        assert!(waiting >= 17, "{name}: the limit did not bite: {waiting} wait");
        assert!(turns < 60, "{name}: {turns} passes in 600 ms");
        assert!(burnt < Duration::from_millis(60), "{name}: {burnt:?} of CPU while waiting");
        for client in &mut clients {
            client.set_nonblocking(true).unwrap();
            let answer = client.read(&mut [0]).map_err(|error| error.kind());
            assert_eq!(answer, Err(std::io::ErrorKind::WouldBlock), "{name}: nobody was closed");
        }
        // No new client comes: those who wait are served because descriptors came free.
        let begun = Instant::now();
        while accepted.borrow().len() < 20 {
            event_loop.turn(Some(Duration::from_millis(200))).unwrap();
            assert!(begun.elapsed() < Duration::from_secs(5), "{name}: stranded");
        }
        acceptor.stop(&event_loop);
    }
}

/// It is told to those who accept while it lasts: not to who comes later, and not to who only asks for readiness.
#[test]
fn a_shortage_that_is_over_is_told_to_nobody() {
    let _alone = alone();
    for net in network::real() {
        let mut engine = net.engine();
        let (socket, address) = listener(&mut *engine);
        let Address::Ip(address) = address else { panic!("not an IP address") };
        let accept = || Op::Accept { socket, wait: true };
        for op in [accept(), Op::Ready { socket, direction: Direction::Read }] {
            let asks = matches!(op, Op::Ready { .. });
            let old = leave(8);
            let Submitted::Pending(ticket) = engine.submit(op) else { panic!("there is nobody yet") };
            glance(&mut *engine);
            if !asks {
                engine.cancel(ticket);
            }
            let family = rustix::net::AddressFamily::INET;
            let client = rustix::net::socket(family, rustix::net::SocketType::STREAM, None).unwrap();
            // Used up, and not only forbidden: a ring's accept keeps the limit that it began with.
            let all: Vec<_> = std::iter::from_fn(|| rustix::io::dup(&client).ok()).collect();
            rustix::net::connect(&client, &address).unwrap();
            glance(&mut *engine);
            glance(&mut *engine);
            if asks {
                let ready = finish(&mut *engine, Submitted::Pending(ticket));
                assert!(matches!(ready, Ok(Done::Ready)), "{}: {ready:?}", net.name());
            }
            drop(all);
            setrlimit(Resource::Nofile, old).unwrap();
            let submitted = engine.submit(accept());
            let accepted = finish(&mut *engine, submitted);
            assert!(matches!(accepted, Ok(Done::Accepted { .. })), "{}: {accepted:?}", net.name());
        }
    }
}

fn glance(engine: &mut dyn Engine) {
    let now = engine.clock();
    engine.wait(Some(now), &mut Vec::new()).unwrap();
}

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the limit so that so many more can be opened, and tells what it was.
fn leave(spare: u64) -> Rlimit {
    let old = getrlimit(Resource::Nofile);
    let lowest_free = rustix::io::dup(std::io::stdin()).unwrap();
    let used = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&lowest_free)).unwrap();
    drop(lowest_free);
    setrlimit(Resource::Nofile, Rlimit { current: Some(used + spare), maximum: old.maximum }).unwrap();
    old
}

fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap()
}

/// CPU time of this process so far.
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}
