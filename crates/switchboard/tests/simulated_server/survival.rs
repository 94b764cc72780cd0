//! Living on, whatever goes wrong: connections are reset, descriptors run out, strangers come, signals arrive too early,
//! and for seconds nothing crosses between two hosts.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use switchboard::net::Stream;
use switchboard::server::{Client, Receipt, Server};
use switchboard::sim::{Failed, Faults, Sim};
use switchboard::{interrupt, sleep, timeout};

use crate::seeds::{bytes, chance, check, pause, some_link};

/// What a server and its clients know of each other beside the network.
#[derive(Default)]
pub(crate) struct State {
    /// How many clients are not done.
    pub(crate) left: Cell<u64>,
    /// The server drains, or is to begin anew.
    pub(crate) is_ending: Cell<bool>,
}

/// A client that tries again gets its answer, and what it hears is right as far as it goes.
pub(crate) fn who_tries_again_is_served(seed: u64) -> Result<(), Failed> {
    let mut rng = chance(seed, 0);
    let state = Rc::<State>::default();
    state.left.set(rng.u64(1..=4));
    let knows = Rc::clone(&state);
    let server = move || serve_again_and_again(Rc::clone(&knows), async |server| server.serve(echo).await);
    let mut sim = Sim::new(seed).faults(Faults::default()).link(some_link(&mut rng)).host("server", server);
    if rng.bool() {
        let cut = Duration::from_millis(rng.u64(0..1_000));
        let mended = cut + Duration::from_millis(rng.u64(0..10_000));
        sim = sim
            .at(cut, |sim| sim.partition("client 1", "server"))
            .at(mended, |sim| sim.heal("client 1", "server"));
    }
    for number in 1..=state.left.get() {
        let state = Rc::clone(&state);
        sim = sim.host(&format!("client {number}"), move || try_again(seed, number, Rc::clone(&state)));
    }
    sim.run().map(drop)
}

/// A signal that comes too early has the server begin anew, as whoever supervises servers would.
pub(crate) async fn serve_again_and_again(
    state: Rc<State>,
    serve: impl AsyncFn(Server) -> io::Result<Receipt>,
) -> io::Result<()> {
    loop {
        let ends = Rc::clone(&state);
        let until = async move {
            let outcome = interrupt().await;
            ends.is_ending.set(true);
            outcome.map(drop)
        };
        let server = match Server::bind("0.0.0.0:7").await {
            Ok(server) => server.until(until),
            Err(error) if is_lack(&error) => {
                sleep(MOMENT).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let receipt = serve(server).await?;
        assert_eq!(receipt.accepted, receipt.finished + receipt.failed + receipt.cancelled, "{receipt}");
        if state.left.get() == 0 {
            return Ok(());
        }
        state.is_ending.set(false);
    }
}

async fn echo(mut stream: Stream, _: Client) -> io::Result<()> {
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            return Ok(());
        }
        stream.send_all(data).await?;
    }
}

async fn try_again(seed: u64, number: u64, state: Rc<State>) -> io::Result<()> {
    let mut rng = chance(seed, number);
    for _ in 0..rng.u8(1..5) {
        let size = rng.usize(0..10_000);
        let mut attempts = 0;
        loop {
            let tried = timeout(PATIENCE, try_once(number, size, &state)).await;
            match tried.expect("an exchange has come to an end, one way or the other") {
                Ok(()) => break,
                Err(error) => assert!(may_happen(&error), "{error:?}"),
            }
            attempts += 1;
            assert!(attempts < MOST_ATTEMPTS, "client {number} is never served");
            sleep(MOMENT * attempts).await;
        }
        pause(&mut rng).await;
    }
    state.left.set(state.left.get() - 1);
    Ok(())
}

async fn try_once(number: u64, size: usize, state: &State) -> io::Result<()> {
    let mut stream = Stream::connect("server:7").await?;
    stream.send_all(bytes(number, 0..size)).await?;
    stream.shutdown().await?;
    let mut heard = 0;
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            break;
        }
        check(number, heard, &data);
        heard += data.len();
    }
    match heard {
        _ if heard == size => Ok(()),
        _ if state.is_ending.get() => Err(ErrorKind::UnexpectedEof.into()),
        _ => panic!("the end came after {heard} of {size} bytes, and nobody had said why"),
    }
}

/// Whether it is something that is made to go wrong here.
pub(crate) fn may_happen(error: &io::Error) -> bool {
    let kinds = [
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionRefused,
        ErrorKind::BrokenPipe,
        ErrorKind::UnexpectedEof,
    ];
    is_lack(error) || kinds.contains(&error.kind())
}

/// Whether descriptors or memory ran out. What a bind or a connect fails with says so in words only.
fn is_lack(error: &io::Error) -> bool {
    let lacks = [Errno::MFILE, Errno::NOBUFS].map(|errno| io::Error::from(errno).to_string());
    lacks.iter().any(|lack| error.to_string().ends_with(lack))
}

const MOMENT: Duration = Duration::from_millis(20);

/// How long an exchange may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// More often nothing goes wrong: what is not unseen has a budget.
const MOST_ATTEMPTS: u32 = 60;
