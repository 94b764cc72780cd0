//! Tests that fail, or tell where they run, when they are asked to: each in a process that `main.rs` begins. Elsewhere
//! they do nothing, or panic as they are expected to.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use switchboard::net::{Listener, Stream};
use switchboard::{EventLoop, sleep, spawn, spawn_named, timeout, yield_now};

/// Whether this is a process that `main.rs` has begun.
fn is_asked() -> bool {
    std::env::var_os("THESE_BODIES_ARE_RUN").is_some()
}

/// Says the engine's name, and something of it.
fn tell(what: impl std::fmt::Display) {
    if is_asked() {
        println!("it {}: {what}", name());
    }
}

fn name() -> String {
    EventLoop::with_current(|event_loop| event_loop.engine().name().to_owned()).unwrap()
}

fn random() -> u64 {
    EventLoop::with_current(|event_loop| event_loop.engine().random()).unwrap()
}

#[switchboard::test]
async fn tells_where_it_runs() {
    tell(random());
}

#[switchboard::test(mechanisms(poll, select))]
async fn runs_on_two() {
    tell("");
}

#[switchboard::test(mechanisms(poll), seeds = 3)]
async fn runs_on_one_and_three_seeds() {
    tell("");
}

#[switchboard::test(mechanisms(sim))]
async fn runs_on_sim() {
    tell("");
}

#[switchboard::test(mechanisms(devpoll, sim), seeds = 1)]
async fn runs_on_devpoll_and_sim() {
    tell("");
}

/// All names there are mean what they say.
#[switchboard::test(mechanisms(uring, kqueue, epoll, devpoll, poll, select, sim), timeout = "1m")]
async fn each_mechanism_has_its_name() {}

#[switchboard::test]
async fn tells_who_came_first() -> io::Result<()> {
    let listener = Listener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let came = Rc::<RefCell<Vec<u8>>>::default();
    let tasks: Vec<_> = (0..4)
        .map(|number| {
            let (address, came) = (address.clone(), Rc::clone(&came));
            spawn(async move {
                let stream = Stream::connect(address).await;
                came.borrow_mut().push(number);
                stream
            })
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    tell(format_args!("{:?}", came.borrow()));
    Ok(())
}

#[switchboard::test(seeds = 2000)]
async fn panics_with_some_seeds() {
    if !is_asked() {
        return;
    }
    tell("");
    assert!(name() != "sim" || random() % 64 != 1, "an unlucky number");
}

#[switchboard::test]
async fn returns_a_failure() -> Result<(), &'static str> {
    if !is_asked() {
        return Ok(());
    }
    yield_now().await;
    Err("the disk is full")
}

#[switchboard::test]
async fn loses_a_panic() {
    if !is_asked() {
        return;
    }
    spawn_named("forgotten", async { panic!("out of cheese") }).detach();
    std::future::pending::<()>().await;
}

#[switchboard::test(mechanisms(sim))]
async fn is_woken_by_a_thread() {
    let handle = EventLoop::with_current(EventLoop::handle).unwrap();
    #[expect(clippy::disallowed_methods, reason = "another thread is what this is about")]
    let thread = std::thread::spawn(move || handle.soon(|_| ()).unwrap());
    thread.join().unwrap();
    yield_now().await;
}

#[switchboard::test(mechanisms(sim), timeout = "100ms")]
async fn waits_for_a_thread() {
    if !is_asked() {
        return;
    }
    let _handle = EventLoop::with_current(EventLoop::handle);
    std::future::pending::<()>().await;
}

struct Touchy;

impl Drop for Touchy {
    fn drop(&mut self) {
        panic!("never mind");
    }
}

#[switchboard::test]
async fn panics_when_cancelled() {
    if !is_asked() {
        return;
    }
    let touchy = Touchy;
    spawn(async move {
        let _touchy = touchy;
        std::future::pending::<()>().await;
    })
    .detach();
    yield_now().await;
}

#[switchboard::test]
async fn loses_an_error() {
    if !is_asked() {
        return;
    }
    spawn(async { Err::<(), _>("no matter") }).detach();
    yield_now().await;
}

#[switchboard::test]
async fn loses_a_wake_up() {
    if !is_asked() {
        return;
    }
    let is_full = Rc::new(Cell::new(false));
    let full = Rc::clone(&is_full);
    let task =
        spawn_named("forgetful", poll_fn(move |_| if full.get() { Poll::Ready(()) } else { Poll::Pending }));
    yield_now().await;
    yield_now().await;
    // Whoever fills it ought to wake who waits for it.
    is_full.set(true);
    task.await;
}

#[switchboard::test(timeout = "300ms")]
async fn hangs() -> io::Result<()> {
    if !is_asked() {
        return Ok(());
    }
    let listener = Listener::bind("127.0.0.1:0").await?;
    spawn_named("sleeper", sleep(Duration::from_secs(1_000))).detach();
    listener.accept().await.map(drop)
}

#[switchboard::test]
async fn sleeps_for_ever() {
    if !is_asked() {
        return;
    }
    loop {
        sleep(Duration::from_secs(100)).await;
    }
}

#[switchboard::test(timeout = "20ms")]
async fn never_sleeps() {
    if !is_asked() {
        return;
    }
    loop {
        yield_now().await;
    }
}

#[switchboard::test(mechanisms(poll, sim))]
#[should_panic]
async fn panics_on_poll_only() {
    if !is_asked() {
        panic!("as expected");
    }
    assert_eq!(name(), "sim");
}

#[switchboard::test(mechanisms(poll, sim))]
#[should_panic(expected = "poll is no fun")]
async fn panics_differently() {
    panic!("{} is no fun", if is_asked() { name() } else { "poll".to_owned() });
}

#[switchboard::test(mechanisms(poll))]
#[should_panic(expected = "poll is no fun")]
async fn panics_on_poll() {
    panic!("{} is no fun", name());
}

#[switchboard::test(mechanisms(sim), faults = "reset=1:1")]
async fn tells_what_became_of_a_connection() -> io::Result<()> {
    let listener = Listener::bind("127.0.0.1:0").await?;
    let mut stream = Stream::connect(listener.local_addr()?).await?;
    match stream.write_all(b"hello").await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => tell("connection reset"),
        other => tell(format_args!("{other:?}")),
    }
    Ok(())
}

/// Who comes to a listener beside those who are meant to.
#[switchboard::test(mechanisms(sim), faults = "early=1:1,late=1:1,half=1:1")]
async fn tells_who_came_uninvited() -> io::Result<()> {
    let listener = Listener::bind("127.0.0.1:0").await?;
    let _client = Stream::connect(listener.local_addr()?).await?;
    let mut uninvited = 0;
    while let Ok(accepted) = timeout(Duration::from_secs(1), listener.accept()).await {
        accepted?;
        uninvited += 1;
    }
    tell(format_args!("{} uninvited", uninvited - 1));
    Ok(())
}
