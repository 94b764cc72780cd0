//! No descriptor is leaked, whoever ends what and when. One test in a process of its own: it counts them all.

mod rig;

use std::fs;
use std::net::Shutdown;
use std::time::Duration;

use rig::{Lot, Rig, accept, ready, recv, send};
use switchboard::engine::{Close, Direction, Done, Op, Plan};

#[test]
fn a11_whatever_is_opened_is_closed() {
    // What the process opens once and keeps, it opens here.
    rig::run(Lot::Epoll, a_closed_listener_leaks_no_parked_connection);
    for lot in Lot::ALL.into_iter().filter(|lot| lot.is_real()) {
        let before = descriptors();
        rig::run(lot, a_closed_listener_leaks_no_parked_connection);
        rig::run(lot, an_engine_dropped_in_the_middle_leaks_nothing);
        rig::run(lot, cancelled_connects_and_closes_leak_nothing);
        rig::run(lot, released_descriptors_are_their_owners_to_close);
        rig::run(lot, what_cannot_be_opened_leaks_nothing);
        assert_eq!(descriptors(), before, "{lot:?}");
    }
}

fn a_closed_listener_leaks_no_parked_connection(rig: &mut Rig) {
    for how in [Close::Now, Close::Reset, Close::GENTLY] {
        let before = descriptors();
        let (listener, address) = rig.listener();
        // Parked, finished and untaken, and still in the system's queue when the listener is closed.
        let parked = [rig.pending(accept(listener)), rig.pending(accept(listener))];
        let untaken = rig.pending(accept(listener));
        let clients: Vec<_> = (0..5).map(|_| rig.client_of(&address)).collect();
        rig.told(untaken);
        parked.into_iter().for_each(|ticket| rig.give_up(ticket));
        rig.close(listener, how);
        rig.give_up(untaken);
        for client in clients {
            rig.close(client, Close::Now);
        }
        assert_eq!(descriptors(), before, "{how:?}");
    }
}

/// The engine is dropped at the end of the body, with all this in it.
fn an_engine_dropped_in_the_middle_leaks_nothing(rig: &mut Rig) {
    let (listener, address) = rig.listener();
    let parked = rig.pending(accept(listener));
    rig.pending(accept(listener));
    let client = rig.client_of(&address);
    rig.told(parked);
    rig.give_up(parked);
    let (near, far) = rig.pair();
    rig.pending(send(near, &[1; 4 << 20]));
    rig.pending(recv(near, 10));
    rig.pending(Op::Release { socket: near });
    drop(rig.submit(recv(far, 1)));
    rig.pending(ready(client, Direction::Read));
    let (_near, far) = rig.pair();
    rig.close(far, Close::Gently { bytes: 1 << 20, time: rig::GUARD });
}

fn cancelled_connects_and_closes_leak_nothing(rig: &mut Rig) {
    let before = descriptors();
    let (listener, address) = rig.listener();
    for _ in 0..100 {
        let client = rig.stream();
        if let switchboard::engine::Submitted::Pending(ticket) =
            rig.submit(Op::Connect { socket: client, to: address.clone() })
        {
            rig.give_up(ticket);
        }
        rig.close(client, Close::Reset);
        let (near, far) = {
            let near = rig.client_of(&address);
            (near, rig.accept(listener).0)
        };
        rig.close(near, Close::Gently { bytes: 100, time: Duration::from_millis(5) });
        rig.close(far, Close::GENTLY);
    }
    rig.close(listener, Close::Now);
    rig.until("the closes are over", |rig| rig.closing() == 0);
    assert_eq!(descriptors(), before);
}

fn released_descriptors_are_their_owners_to_close(rig: &mut Rig) {
    let before = descriptors();
    let (near, far) = rig.pair();
    rig.shut(far, Shutdown::Write);
    let Ok(Done::Released { descriptor, .. }) = rig.run(Op::Release { socket: near }) else {
        panic!("not released")
    };
    rig.close(near, Close::Now);
    rig.close(far, Close::Now);
    assert_eq!(descriptors(), before + 1);
    drop(descriptor);
    assert_eq!(descriptors(), before);
}

fn what_cannot_be_opened_leaks_nothing(rig: &mut Rig) {
    let (_listener, address) = rig.listener();
    let before = descriptors();
    for _ in 0..10 {
        let twice = rig.open(Plan::Listen(switchboard::engine::Listen::at(address.clone())));
        assert_eq!(twice.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        let (reader, _writer) = std::io::pipe().unwrap();
        let pipe = std::os::fd::OwnedFd::from(reader);
        assert!(rig.open(Plan::Adopt(pipe.into())).is_err());
    }
    assert_eq!(descriptors(), before);
}

/// How many descriptors this process has open, the one that counts them included.
fn descriptors() -> usize {
    let folder = ["/proc/self/fd", "/dev/fd"].into_iter().find_map(|path| fs::read_dir(path).ok());
    folder.expect("a folder that lists descriptors").count()
}
