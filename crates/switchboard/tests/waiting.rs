//! Who waits for what: in the error of a simulated program that hangs, and whenever a loop is asked.

mod network;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use network::streams::{tcp_pair, unix_listener, unix_pair};
use network::{DEADLINE, Network, listener, on_every_engine, pair, until};
use switchboard::engine::sim::Network as Simulated;
use switchboard::engine::{
    Address, Done, Fact, Failed, Listen, Op, Plan, Question, Socket, Submitted, Ticket,
};
use switchboard::event_loop::{Acceptor, Callback, Completion, Connection, Woken};
use switchboard::net::{Stream, TcpListener, TcpStream, UdpSocket};
use switchboard::server::{Client, Server};
use switchboard::task::TaskFuture;
use switchboard::task::entry::end_of;
use switchboard::{
    EventLoop, Task, signal, sleep_until, spawn, spawn_blocking, spawn_named, timeout, yield_now,
};

on_every_engine! {
    tasks_that_wait_on_sockets_are_told_with_both_ends,
    ends_without_a_name_are_left_out,
    tasks_that_wait_for_anything_else_are_told,
    callbacks_that_wait_are_told,
    a_connect_is_told_with_where_it_leads,
    who_waits_for_two_things_is_told_twice,
    who_runs_or_is_about_to_is_not_told,
    a_future_that_hands_on_a_waker_of_its_own_is_told_apart,
    clients_of_a_server_are_told_with_the_place_that_serves_them,
}

/// Every line of the message, with every place and address: the same program hangs in the same words each time.
#[test]
fn a_hang_is_a_message_that_says_who_waits_for_what() {
    let event_loop = EventLoop::with(Simulated::new().engine());
    let line = line!();
    let error = event_loop.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:80").await.unwrap();
        let mut quiet = TcpStream::connect("127.0.0.1:80").await.unwrap();
        let _silent = listener.accept().await.unwrap();
        let _unread = TcpStream::connect("127.0.0.1:80").await.unwrap();
        let (mut full, _) = listener.accept().await.unwrap();
        let (_sender, receiver) = async_channel::unbounded::<u8>();
        spawn_named("door", async move { listener.accept().await.map(drop) }).detach();
        spawn_named("reader", async move { quiet.recv().await.map(drop) }).detach();
        spawn_named("writer", async move { full.send_all(vec![1; 9 << 20]).await }).detach();
        let mailbox = spawn(async move { receiver.recv().await });
        spawn_named("stop", signal(15)).detach();
        spawn_named("end", mailbox).detach();
        pending::<()>().await;
    });
    let error = error.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Deadlock);
    let at = |lines: u32, column: u32| format!("{}:{}:{column}", file!(), line + lines);
    let message = error.to_string();
    let (why, who) = message.split_once('\n').unwrap();
    assert_eq!(
        why,
        "nothing can ever happen again on this engine: it waits without a limit, nothing is under way, and nobody \
         holds a bell; this is who waits:"
    );
    let expected = vec![
        format!("the main future (run at {}) {CHANNEL}", at(1, 28)),
        format!("task \"door\" (spawned at {}) waits to accept on 127.0.0.1:80", at(8, 9)),
        format!(
            "task \"reader\" (spawned at {}) waits to receive from 127.0.0.1:80 on 127.0.0.1:32768",
            at(9, 9)
        ),
        format!(
            "task \"writer\" (spawned at {}) waits to send to 127.0.0.1:32769 on 127.0.0.1:80",
            at(10, 9)
        ),
        format!("task (spawned at {}) {CHANNEL}", at(11, 23)),
        format!("task \"stop\" (spawned at {}) waits for signal 15", at(12, 9)),
        format!(
            "task \"end\" (spawned at {}) waits for the end of task (spawned at {})",
            at(13, 9),
            at(11, 23)
        ),
    ];
    let told: Vec<_> = who.lines().map(|line| line.strip_prefix("  ").unwrap()).collect();
    assert_eq!(sorted(told), sorted(expected));
}

#[test]
fn a_hang_of_very_many_is_told_in_part() {
    let event_loop = EventLoop::with(Simulated::new().engine());
    let error = event_loop.block_on(async {
        (0..120).for_each(|_| spawn(pending::<()>()).detach());
        pending::<()>().await;
    });
    let message = error.unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1 + 100 + 1, "{message}");
    assert_eq!(message.lines().last(), Some("  and 21 more"));
}

#[test]
fn a_hang_of_nobody_is_told_as_it_is() {
    let event_loop = EventLoop::with(Simulated::new().engine());
    let message = event_loop.turn(None).unwrap_err().to_string();
    assert!(message.ends_with("and nobody holds a bell"), "{message}");
}

#[test]
fn a_main_function_is_told_with_the_place_of_its_attribute() {
    let line = line!() + 1;
    #[switchboard::main]
    async fn told() -> Vec<String> {
        spawn(async { EventLoop::with_current(all).unwrap() }).await
    }
    let place = |lines: u32, column: u32| format!("{}:{}:{column}", file!(), line + lines);
    let expected = format!(
        "the main future (run at {}) waits for the end of task (spawned at {})",
        place(0, 5),
        place(2, 9)
    );
    assert_eq!(told(), [expected]);
}

/// What stands in for a `main` with this attribute, but for its name.
#[test]
fn a_main_is_told_with_the_place_of_its_attribute() {
    let told = Cell::new(Vec::new());
    let line = line!() + 1;
    end_of(async { told.set(spawn(async { EventLoop::with_current(all).unwrap() }).await) });
    let told = told.take();
    let main = format!("the main future (run at {}:{line}:5) ", file!());
    assert!(told.len() == 1 && told[0].starts_with(&main), "{told:?}");
}

fn tasks_that_wait_on_sockets_are_told_with_both_ends(network: &Network) {
    let event_loop = network.event_loop();
    let (expected, _kept) = event_loop
        .block_on(async {
            let mut ends = Vec::new();
            let mut kept = Vec::new();
            for _ in 0..4 {
                let (near, far) = tcp_pair().await;
                ends.push((near.local_addr().unwrap(), near.peer_addr().unwrap()));
                kept.push((near, far));
            }
            let (mut streams, kept): (Vec<_>, Vec<_>) = kept.into_iter().unzip();
            let mut next = || streams.remove(0);
            let (mut receives, mut reads, mut sends, mut writes) = (next(), next(), next(), next());
            let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mailbox = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let to =
                |what, end: usize, word| format!("waits to {what} {word} {} on {}", ends[end].1, ends[end].0);
            let at_door = format!("waits to accept on {}", door.local_addr().unwrap());
            let at_mailbox = format!("waits to receive a datagram on {}", mailbox.local_addr().unwrap());
            let expected = vec![
                start("accept", &at_door, async move { door.accept().await.map(drop) }),
                start("datagram", &at_mailbox, async move { mailbox.recv_from(9).await.map(drop) }),
                start("recv", &to("receive", 0, "from"), async move { receives.recv().await.map(drop) }),
                start("read", &to("read", 1, "from"), async move { reads.read(&mut [0]).await.map(drop) }),
                start("send", &to("send", 2, "to"), async move { sends.send_all(vec![1; MUCH]).await }),
                start("write", &to("write", 3, "to"), async move { writes.write_all(&vec![1; MUCH]).await }),
            ];
            (expected, kept)
        })
        .unwrap();
    comes_to(&event_loop, || expected.clone());
}

fn ends_without_a_name_are_left_out(network: &Network) {
    let event_loop = network.event_loop();
    let expected = event_loop.block_on(async {
        let listener = unix_listener(&format!("waiting-{}", network.name())).await;
        let at = listener.local_addr().unwrap();
        let (mut near, mut far) = unix_pair(&listener).await;
        vec![
            start("near", &format!("waits to receive from {at}"), async move { near.recv().await.map(drop) }),
            start("far", &format!("waits to receive on {at}"), async move { far.recv().await.map(drop) }),
        ]
    });
    let mut expected = expected.unwrap();
    let _other_end = network.is_real().then(|| {
        let (end, other) = UnixStream::pair().unwrap();
        let socket = event_loop.engine().open(Plan::Adopt(OwnedFd::from(end).into())).unwrap();
        event_loop.on_readable(socket, |_, _| {});
        expected.push(format!("a watch waits to read on {socket:?}"));
        other
    });
    comes_to(&event_loop, || expected.clone());
}

fn tasks_that_wait_for_anything_else_are_told(network: &Network) {
    let event_loop = network.event_loop();
    let due = event_loop.deadline(Duration::from_secs(3600));
    let (release, held) = mpsc::channel::<()>();
    let (mut expected, sleeper, _sender) = event_loop
        .block_on(async {
            let (sender, receiver) = async_channel::unbounded::<u8>();
            let (task, name) = unnamed(pending::<()>());
            let mut expected = vec![
                format!("{name} {CHANNEL}"),
                start("end", &format!("waits for the end of {name}"), task),
                start("channel", CHANNEL, async move { receiver.recv().await.map(drop) }),
                start("signal", "waits for signal 12", signal(12)),
            ];
            // A simulated engine does the work in its own thread, and has nothing to wait for.
            if network.is_real() {
                let (task, name) = blocking(move || assert!(held.recv().is_err()));
                expected.push(format!("{name} waits for blocking work"));
                task.detach();
            }
            (expected, start("sleep", "", sleep_until(due)), sender)
        })
        .unwrap();
    expected.push(String::new());
    comes_to(&event_loop, || {
        let left = due - event_loop.now();
        *expected.last_mut().unwrap() = format!("{sleeper}sleeps, for {left:?} yet");
        expected.clone()
    });
    drop(release);
}

fn callbacks_that_wait_are_told(network: &Network) {
    let event_loop = network.event_loop();
    let (door, at) = listener(&mut **event_loop.engine());
    let (near, far) = pair(&mut **event_loop.engine());
    let (other, _other_far) = pair(&mut **event_loop.engine());
    let _acceptor = Acceptor::start(&event_loop, door, |_, _, _| {});
    let own = |socket| local(&event_loop, socket);
    let _connection = Connection::start(&event_loop, near, own(far), |_: &Connection, _: &[u8]| {});
    event_loop.on_readable(far, |_, _| {});
    event_loop.on_signal(12, |_, _| {});
    let due = event_loop.deadline(Duration::from_secs(3600));
    event_loop.at(due, |_| {});
    let op = Op::Recv { socket: other, max: 1, peek: false };
    assert!(matches!(event_loop.submit(op, Rc::new(Nobody)), Submitted::Pending(_)));
    let (_, _waker) = event_loop.on_wake(Rc::new(Nobody));
    let (near, far, other, other_far) = (own(near), own(far), own(other), own(_other_far));
    comes_to(&event_loop, || {
        vec![
            format!("an acceptor waits to accept on {at}"),
            format!("a connection waits to receive from {far} on {near}"),
            format!("a watch waits to read from {near} on {far}"),
            "a watch waits for signal 12".to_owned(),
            format!("a callback is to be called in {:?}", due - event_loop.now()),
            format!("waiting::Nobody waits to receive from {other_far} on {other}"),
            format!("waiting::Nobody {CHANNEL}"),
        ]
    });
}

/// It has no peer yet that the engine could be asked for.
fn a_connect_is_told_with_where_it_leads(network: &Network) {
    let event_loop = network.event_loop();
    let at: Address = "127.0.0.1:0".parse().unwrap();
    let full = event_loop.engine().open(Plan::Listen(Listen { backlog: 1, ..Listen::at(at) })).unwrap();
    let to = local(&event_loop, full);
    let mut clients = Vec::new();
    for _ in 0..5 {
        let socket = event_loop.engine().open(Plan::Stream { like: to.clone() }).unwrap();
        drop(event_loop.submit(Op::Connect { socket, to: to.clone() }, Rc::new(Nobody)));
        clients.push(socket);
    }
    event_loop.turn(Some(Duration::from_millis(1))).unwrap();
    // The first two are in the queue, and the last is not.
    let [.., last] = clients[..] else { unreachable!("there are five") };
    let last = format!("waiting::Nobody waits to connect to {to} on {}", local(&event_loop, last));
    let told = all(&event_loop);
    assert_eq!(told.last(), Some(&last), "{told:?}");
}

fn who_waits_for_two_things_is_told_twice(network: &Network) {
    let event_loop = network.event_loop();
    let (receives, sleeps, due, _far) = event_loop
        .block_on(async {
            let (mut near, far) = tcp_pair().await;
            let (own, other) = (near.local_addr().unwrap(), near.peer_addr().unwrap());
            let due = EventLoop::with_current(|event_loop| event_loop.deadline(DEADLINE * 9)).unwrap();
            let both = futures_lite::future::or(async move { near.recv().await.map(drop) }, async move {
                sleep_until(due).await;
                Ok(())
            });
            let who = start("both", "", both);
            (format!("{who}waits to receive from {other} on {own}"), format!("{who}sleeps, for "), due, far)
        })
        .unwrap();
    comes_to(&event_loop, || vec![receives.clone(), format!("{sleeps}{:?} yet", due - event_loop.now())]);
}

fn who_runs_or_is_about_to_is_not_told(network: &Network) {
    let told = || EventLoop::with_current(all).unwrap();
    let event_loop = network.event_loop();
    let run = event_loop.block_on(async {
        let (sender, receiver) = async_channel::unbounded::<u8>();
        let expected = start("channel", CHANNEL, async move { receiver.recv().await.map(drop) });
        assert_eq!(told(), [""; 0], "one that has not begun is told");
        until_told(1).await;
        assert_eq!(told(), [expected], "the one that runs is told, or the one that waits is not");
        sender.try_send(1).unwrap();
        assert_eq!(told(), [""; 0], "one that was woken is told");
        let within = spawn(async move { told() });
        let main = within.await;
        assert!(
            main.len() == 1 && main[0].starts_with("the main future"),
            "a task is told that runs: {main:?}"
        );
    });
    run.unwrap();
}

fn a_future_that_hands_on_a_waker_of_its_own_is_told_apart(network: &Network) {
    let event_loop = network.event_loop();
    let (expected, _far) = event_loop
        .block_on(async {
            let (mut near, far) = tcp_pair().await;
            let (own, other) = (near.local_addr().unwrap(), near.peer_addr().unwrap());
            let wrapped = async move {
                let mut receiving = pin!(near.recv());
                poll_fn(|cx| {
                    let waker = Waker::from(Arc::new(Forward(cx.waker().clone())));
                    receiving.as_mut().poll(&mut Context::from_waker(&waker)).map(drop)
                })
                .await;
            };
            let apart = format!("a future with a waker of its own waits to receive from {other} on {own}");
            (vec![start("wrapped", CHANNEL, wrapped), apart], far)
        })
        .unwrap();
    comes_to(&event_loop, || expected.clone());
}

fn clients_of_a_server_are_told_with_the_place_that_serves_them(network: &Network) {
    let event_loop = network.event_loop();
    let (expected, _client) = event_loop
        .block_on(async {
            let server = Server::bind("127.0.0.1:0").await.unwrap().until(pending::<()>());
            let at = server.addresses()[0].clone();
            let (serving, place) = serve(server);
            spawn(serving).detach();
            let client = Stream::connect(at.clone()).await.unwrap();
            let own = client.local_addr().unwrap();
            let name = format!("task \"client {own}\" (spawned at {place})");
            (format!("{name} waits to receive from {own} on {at}"), client)
        })
        .unwrap();
    until(&event_loop, &expected, || all(&event_loop).contains(&expected));
}

/// Serves, and says from where.
#[track_caller]
fn serve(server: Server) -> (impl Future<Output = io::Result<()>>, &'static Location<'static>) {
    let serving = server.serve(async |mut stream: Stream, _: Client| stream.recv().await.map(drop));
    (async move { serving.await.map(drop) }, Location::caller())
}

/// Spawns a task, and says how it is to be told.
#[track_caller]
fn start<F>(name: &'static str, what: &str, future: F) -> String
where
    F: TaskFuture + 'static,
    F::Output: 'static,
{
    spawn_named(name, future).detach();
    format!("task {name:?} (spawned at {}) {what}", Location::caller())
}

/// The same of one without a name.
#[track_caller]
fn unnamed(future: impl Future<Output = ()> + 'static) -> (Task<()>, String) {
    (spawn(future), format!("task (spawned at {})", Location::caller()))
}

/// The same of blocking work.
#[track_caller]
fn blocking(work: impl FnOnce() + Send + 'static) -> (Task<()>, String) {
    (spawn_blocking(work), format!("task (spawned at {})", Location::caller()))
}

/// Turns the loop until it tells of these, in whatever order, and of nobody else.
#[track_caller]
fn comes_to(event_loop: &EventLoop, mut expected: impl FnMut() -> Vec<String>) {
    let end = event_loop.deadline(PATIENCE);
    loop {
        let (told, expected) = (sorted(all(event_loop)), sorted(expected()));
        if told == expected {
            return;
        }
        assert!(event_loop.now() < end, "told are {told:#?}, and not {expected:#?}");
        event_loop.turn(Some(Duration::from_millis(1))).unwrap();
    }
}

/// Lets others run until so many are told of.
async fn until_told(count: usize) {
    let told = async {
        while EventLoop::with_current(all).unwrap().len() != count {
            yield_now().await;
        }
    };
    timeout(PATIENCE, told).await.expect("not told: so many who wait");
}

fn all(event_loop: &EventLoop) -> Vec<String> {
    event_loop.waiting().iter().map(ToString::to_string).collect()
}

fn sorted<T: Into<String>>(lines: Vec<T>) -> Vec<String> {
    let mut lines: Vec<_> = lines.into_iter().map(Into::into).collect();
    lines.sort();
    lines
}

fn local(event_loop: &EventLoop, socket: Socket) -> Address {
    match event_loop.engine().ask(socket, Question::Local) {
        Ok(Fact::Address(address)) => address,
        other => panic!("no local address: {other:?}"),
    }
}

/// Waits, and does nothing.
struct Nobody;

impl Completion for Nobody {
    fn complete(self: Rc<Self>, _: &EventLoop, _: Ticket, _: Result<Done, Failed>) {}
}

impl Woken for Nobody {
    fn woken(self: Rc<Self>, _: &EventLoop, _: Callback) {}
}

/// Wakes another.
struct Forward(Waker);

impl Wake for Forward {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// What is told of who waits for what the loop does not know.
const CHANNEL: &str = "waits to be woken, by a channel, a lock or the like";

/// More than fits between the two ends of a connection.
const MUCH: usize = 32 << 20;

/// How long it may take until all wait.
const PATIENCE: Duration = Duration::from_secs(5);
