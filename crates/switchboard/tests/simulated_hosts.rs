//! Hosts of a simulated network that crash at bad moments, come back, never sleep, or wait for centuries.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::or;
use switchboard::engine::Listen;
use switchboard::net::{Listener, Stream};
use switchboard::sim::{Faults, Sim};
use switchboard::{sleep, spawn};

/// A network on which nothing goes wrong but what a test asks for.
fn sim(seed: u64) -> Sim {
    Sim::new(seed).faults(Faults::none())
}

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn who_waits_to_be_let_in_may_crash() {
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    let server = move || {
        let count = Rc::clone(&count);
        async move {
            let listener = Listener::open(Listen { backlog: 1, ..Listen::at("0.0.0.0:7".parse().unwrap()) })?;
            sleep(500 * MILLISECOND).await;
            let accept_all = async {
                loop {
                    listener.accept().await?;
                    count.set(count.get() + 1);
                }
            };
            or(accept_all, async {
                sleep(500 * MILLISECOND).await;
                io::Result::Ok(())
            })
            .await
        }
    };
    let client = async || {
        let knocks: Vec<_> = (0..5).map(|_| spawn(Stream::connect("server:7"))).collect();
        sleep(Duration::from_secs(9)).await;
        drop(knocks);
    };
    let sim = sim(1).host("server", server).host("client", client);
    sim.at(200 * MILLISECOND, |sim| sim.crash("client")).run().unwrap();
    assert_eq!(accepted.get(), 2, "who had crashed was let in, or who was in was not");
}

#[test]
fn destructors_of_a_host_that_crashes_find_nothing() {
    struct Rude(Stream, Rc<RefCell<Vec<io::ErrorKind>>>);

    impl Drop for Rude {
        fn drop(&mut self) {
            let listened = Listener::open(Listen::at("0.0.0.0:8".parse().unwrap())).map(drop);
            let answers = [self.0.local_addr().map(drop), self.0.peer_addr().map(drop), listened];
            self.1.borrow_mut().extend(answers.map(|answer| answer.unwrap_err().kind()));
        }
    }

    let answers = Rc::<RefCell<Vec<_>>>::default();
    let told = Rc::clone(&answers);
    let client = move || {
        let told = Rc::clone(&told);
        async move {
            let _rude = Rude(Stream::connect("server:7").await?, told);
            sleep(Duration::from_secs(9)).await;
            io::Result::Ok(())
        }
    };
    let server = async || {
        let _peer = Listener::bind("0.0.0.0:7").await?.accept().await?;
        sleep(MILLISECOND).await;
        io::Result::Ok(())
    };
    let sim = sim(1).host("server", server).host("client", client);
    let report = sim.at(100 * MILLISECOND, |sim| sim.crash("client")).run().unwrap();
    assert_eq!(report.failures, []);
    use io::ErrorKind::{NetworkDown, NotFound};
    assert_eq!(*answers.borrow(), [NotFound, NotFound, NetworkDown]);
}
