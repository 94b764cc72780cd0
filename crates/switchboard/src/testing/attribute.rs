//! `#[switchboard::test]`, documented where it is used.
//!
//! The attribute writes a plain `#[test]` that makes a [`Test`](super::Test) and runs it; so all it does can be read there.

/// Makes an `async fn` a test that runs on every mechanism this system has, and in simulated networks.
///
/// A server and a client in one test; port 0 is whichever is free:
///
/// ```test_harness
/// use std::io;
///
/// use switchboard::net::Stream;
/// use switchboard::server::{Client, Server};
///
/// async fn shout(mut stream: Stream, _: Client) -> io::Result<()> {
///     loop {
///         let data = stream.recv().await?;
///         if data.is_empty() {
///             return Ok(());
///         }
///         stream.write_all(&data.to_ascii_uppercase()).await?;
///     }
/// }
///
/// #[switchboard::test]
/// async fn it_shouts_back() -> io::Result<()> {
///     let server = Server::bind("127.0.0.1:0").await?;
///     let address = server.addresses()[0].clone();
///     let serving = switchboard::spawn(server.serve(shout));
///
///     let mut client = Stream::connect(address).await?;
///     client.write_all(b"hello").await?;
///     let mut answer = [0; 5];
///     client.read_exact(&mut answer).await?; // it may come in pieces
///     assert_eq!(&answer, b"HELLO");
///
///     serving.cancel().await;
///     Ok(())
/// }
/// ```
///
/// The body runs once on each [`Mechanism`](crate::Mechanism), and then in a simulated network once for each of ten seeds: there, all that is
/// left to chance follows from the seed. Packets take 50 to 250 microseconds of simulated time, things that fall on one
/// instant are shuffled, and [what a correct program does not notice](crate::engine::Faults::unseen) goes wrong: receives and sends are short,
/// calls are interrupted, sockets are told to be ready that are not. So orders of events that a test on real sockets brings about once in a
/// year come about each time. Nothing real takes part: there is no other program, no file behind a Unix socket's name, no thread.
///
/// The function takes nothing, and returns what a [task](crate::spawn) may: nothing, a `Result`, any [`Outcome`](crate::Outcome).
/// Other attributes stay, such as `#[ignore]`. With `#[should_panic]` each run has to panic.
///
/// # What fails
///
/// * The body panics, or returns a failure.
/// * A task of it panics, and nobody sees it. Who wants that sets an [`on_failure`](crate::EventLoop::on_failure) in the test.
/// * It hangs: nothing can ever happen again in its simulated network (or nothing has, for a minute, that another thread was to
///   bring about); it goes on for ever without sleeping; or its time is over, which is a minute on a mechanism, and an hour of
///   simulated time. The message lists who waits for what. Code that blocks the thread cannot be interrupted.
/// * `SWITCHBOARD_REQUIRE` names a mechanism that this system lacks. Otherwise, that is said on stdout and the mechanism skipped.
///
/// The first failure ends the test. It says where it was, and how to see it again:
///
/// ```text
/// nothing can ever happen again, and these wait:
///   task "the test" (spawned at tests/it.rs:30:1) waits to receive from 127.0.0.1:49152 on 127.0.0.1:49153
/// failed on sim with seed 17; repeat it with: SWITCHBOARD_ENGINE=sim SWITCHBOARD_SEED=17 cargo test -p my-server --test it works::greets -- --exact
/// ```
///
/// The command knows nothing of features and profiles: give those that were given before.
///
/// # Options
///
/// ```test_harness
/// #[switchboard::test(mechanisms(epoll, uring), seeds = 1000, faults = "default,reset=0", timeout = "10s")]
/// async fn it_survives() {}
/// ```
///
/// * `mechanisms(…)`: only there. The names are those of [`Mechanism`](crate::Mechanism), and `sim`; with `seeds` or `faults`, `sim` is meant as well.
/// * `seeds = 1000`: those from 0 to 999; `seeds = 100..200`: those.
/// * `faults = "…"`: what goes wrong in the simulated networks, [as it is written](crate::engine::Faults). It is checked when the test runs.
/// * `timeout = "10s"`: how long each run may take, by its own clock. Units are `ms`, `s`, `m` and `h`.
///
/// # The environment
///
/// * `SWITCHBOARD_ENGINE=epoll`, or `sim`: only there. A test that does not run there says so, and passes.
/// * `SWITCHBOARD_SEEDS=1000`, or `100..200`: these seeds, whatever a test says; `SWITCHBOARD_SEED=17`: this one.
/// * `SWITCHBOARD_CHAOS=short=0.2,eintr=0.05`: faults on the mechanisms, see [`engine::with`](crate::engine::with).
/// * `SWITCHBOARD_REQUIRE=uring,epoll`: these must not be skipped.
///
/// # What is refused
///
/// What [`main`](macro@crate::main) refuses: a function that is not `async`,
///
/// ```compile_fail
/// #[switchboard::test]
/// fn works() {}
/// ```
///
/// parameters,
///
/// ```compile_fail
/// #[switchboard::test]
/// async fn works(number: u32) {}
/// ```
///
/// generics,
///
/// ```compile_fail
/// #[switchboard::test]
/// async fn works<T>() {}
/// ```
///
/// and what is no function:
///
/// ```compile_fail
/// #[switchboard::test]
/// struct Works;
/// ```
///
/// `#[test]`, which would run it twice:
///
/// ```compile_fail
/// #[switchboard::test]
/// #[test]
/// async fn works() {}
/// ```
///
/// Options that there are not, mechanisms that there are not, seeds that are none, and times that are none:
///
/// ```compile_fail
/// #[switchboard::test(threads = 2)]
/// async fn works() {}
/// ```
///
/// ```compile_fail
/// #[switchboard::test(mechanisms(iocp))]
/// async fn works() {}
/// ```
///
/// ```compile_fail
/// #[switchboard::test(seeds = 0)]
/// async fn works() {}
/// ```
///
/// ```compile_fail
/// #[switchboard::test(timeout = "soon")]
/// async fn works() {}
/// ```
pub use switchboard_macros::test;
