//! What a trace looks like, and that one program writes one text.

use std::net::Shutdown;
use std::time::Duration;

use switchboard::Engine;
use switchboard::engine::sim::Network;
use switchboard::engine::trace::Trace;
use switchboard::engine::{Address, Close, Direction, Done, Op, Plan, Setting};

use crate::programs::{
    accept, connect, datagrams, finish, listen, local, pending, run, send, settle, try_send,
};

/// Nearly all that can be asked, in a network in memory, after a second in which nothing happens.
fn everything(engine: &mut dyn Engine) -> [Address; 3] {
    let (listener, at) = listen(engine);
    let second = engine.clock() + Duration::from_secs(1);
    engine.wait(Some(second), &mut Vec::new()).unwrap();
    let client = connect(engine, &at);
    let from = local(engine, client);
    engine.set(client, Setting::NoDelay(true)).unwrap();
    let server = accept(engine, listener);
    assert_eq!(try_send(engine, client, b"hello\n").unwrap(), 6);
    assert_eq!(engine.try_recv(server, &mut [0; 9]).unwrap(), 6);
    engine.try_recv(server, &mut [0; 9]).unwrap_err();
    let waits = pending(engine, Op::Recv { socket: server, max: 9, peek: false });
    send(engine, client, &[b'a'; 30]);
    finish(engine, waits).unwrap();
    let given_up = pending(engine, Op::Ready { socket: client, direction: Direction::Read });
    engine.cancel(given_up);
    run(engine, Op::Recv { socket: server, max: 1, peek: true }).unwrap();
    engine.close(server, Close::Reset);
    run(engine, Op::Recv { socket: client, max: 9, peek: false }).unwrap_err();
    run(engine, Op::Shutdown { socket: client, how: Shutdown::Write }).unwrap();
    engine.close(client, Close::GENTLY);
    settle(engine);
    engine.close(listener, Close::Now);
    let stream = engine.open(Plan::Stream { like: at.clone() }).unwrap();
    run(engine, Op::Connect { socket: stream, to: at.clone() }).unwrap_err();
    run(engine, Op::Send { socket: client, parts: vec![] }).unwrap_err();
    let (socket, to) = datagrams(engine);
    let waits = pending(engine, Op::RecvFrom { socket, max: 2 });
    run(engine, Op::SendTo { socket, to: to.clone(), part: (&b"ping"[..]).into() }).unwrap();
    finish(engine, waits).unwrap();
    run(engine, Op::Resolve { host: "localhost".into(), port: 80 }).unwrap();
    run(engine, Op::Call { work: Box::new(|| Box::new(7)) }).unwrap();
    engine.open(Plan::Datagram { bind: to.clone() }).unwrap_err();
    engine.wait(None, &mut Vec::new()).unwrap_err();
    [at, from, to]
}

#[test]
fn a_trace_is_read_line_by_line() {
    let trace = Trace::new();
    let mut engine = trace.record("", Network::new().engine());
    let [at, from, to] = everything(&mut *engine);
    let expected = format!(
        r##"0.000000  open     listener 1 at {at}
1.000000  open     stream 2
1.000000  connect  stream 2 to {at}: waits
1.000000  connect  stream 2 to {at}: connected from {from}
1.000000  set      stream 2 NoDelay(true)
1.000000  accept   listener 1 -> stream 3 from {from}
1.000000  send     stream 2: 6 bytes "hello\n"
1.000000  recv     stream 3: 6 bytes "hello\n"
1.000000  recv     stream 3: operation would block
1.000000  recv     stream 3: waits
1.000000  send     stream 2: 30 bytes "aaaaaaaaaaaaaaaaaaaaaaaa…" #29248787878787c4
1.000000  recv     stream 3: 9 bytes "aaaaaaaaa"
1.000000  ready    stream 2 to read: waits
1.000000  ready    stream 2 to read: given up
1.000000  peek     stream 3: 1 byte "a"
1.000000  close    stream 3 with a reset
1.000000  recv     stream 2: connection reset
1.000000  shutdown stream 2 to write
1.000000  close    stream 2 gently
1.000000  close    listener 1 at once
1.000000  open     stream 4
1.000000  connect  stream 4 to {at}: waits
1.000000  connect  stream 4 to {at}: connection refused
1.000000  send     closed socket: entity not found
1.000000  open     datagram socket 5 at {to}
1.000000  recvfrom datagram socket 5: waits
1.000000  sendto   datagram socket 5 to {to}: 4 bytes "ping"
1.000000  recvfrom datagram socket 5: 2 bytes "pi" from {to}, cut
1.000000  resolve  localhost:80: waits
1.000000  resolve  localhost:80: 127.0.0.1:80
1.000000  call     waits
1.000000  call     returned
1.000000  open     datagram socket at {to}: address in use
1.000000  wait     deadlock
"##
    );
    assert_eq!(trace.to_string(), expected);
}

#[test]
fn hosts_have_a_column_and_others_may_note() {
    let (trace, network) = (Trace::new(), Network::new());
    let mut server = trace.record("server", network.engine());
    let mut far = trace.record("far away", network.engine());
    let (_, at) = listen(&mut *server);
    let later = server.clock() + Duration::from_millis(1500);
    trace.note("", later, "partition server\nfar away");
    far.open(Plan::Stream { like: at.clone() }).unwrap();
    let expected = format!(
        "0.000000  server    open     listener 1 at {at}\n\
         1.500000            partition server | far away\n\
         0.000000  far away  open     stream 2\n"
    );
    assert_eq!(trace.to_string(), expected);
}

#[test]
fn what_is_beyond_the_limit_is_counted() {
    let trace = Trace::with_limit(2);
    let mut engine = trace.record("", Network::new().engine());
    let (_, at) = listen(&mut *engine);
    connect(&mut *engine, &at);
    let lines: Vec<_> = trace.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines[1..], ["0.000000  open     stream 2", "… and 2 more: the trace keeps 2 events"]);
    assert_eq!(trace.len(), 4);
}

#[test]
fn the_same_program_writes_the_same_bytes() {
    let run = || {
        let trace = Trace::new();
        everything(&mut *trace.record("", Network::with_seed(7).engine()));
        trace.to_string()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_send_that_nobody_waits_for_is_kept_with_its_bytes() {
    let trace = Trace::new();
    let mut engine = trace.record("", Network::new().engine());
    let (listener, at) = listen(&mut *engine);
    let client = connect(&mut *engine, &at);
    let server = accept(&mut *engine, listener);
    let all = Op::Send { socket: client, parts: vec![vec![7; 10 << 20].into()] };
    let waits = pending(&mut *engine, all);
    engine.cancel(waits);
    let last = trace.to_string().lines().last().unwrap().to_owned();
    assert!(last.starts_with("0.000000  send     stream 2: 10485760 bytes"), "{last}");
    assert!(last.ends_with(", not waited for"), "{last}");
    let all = Op::Send { socket: server, parts: vec![vec![7; 10 << 20].into()] };
    let waits = pending(&mut *engine, all);
    engine.close(client, Close::Reset);
    finish(&mut *engine, waits).unwrap_err();
    let last = trace.to_string().lines().last().unwrap().to_owned();
    let sent = last.strip_prefix("0.000000  send     stream 3: connection reset after ").unwrap();
    let sent: usize = sent.strip_suffix(" of 10485760 bytes").unwrap().parse().unwrap();
    assert!((1..5 << 20).contains(&sent), "no buffer in memory is that large: {sent}");
}

#[test]
fn what_comes_out_with_a_released_descriptor_is_noted() {
    let trace = Trace::new();
    let mut engine = trace.record("", Network::new().engine());
    let (listener, at) = listen(&mut *engine);
    let client = connect(&mut *engine, &at);
    let server = accept(&mut *engine, listener);
    let waits = pending(&mut *engine, Op::Recv { socket: server, max: 9, peek: false });
    send(&mut *engine, client, b"parked");
    let mut finished = Vec::new();
    engine.wait(None, &mut finished).unwrap();
    assert_eq!(finished, [waits]);
    engine.cancel(waits);
    let before = trace.to_string();
    let Ok(Done::Released { descriptor, parked }) = run(&mut *engine, Op::Release { socket: server }) else {
        panic!("not released")
    };
    assert_eq!(parked.len(), 1);
    engine.try_recv(server, &mut [0]).unwrap_err();
    engine.open(Plan::Adopt(descriptor)).unwrap();
    assert_eq!(
        trace.to_string().strip_prefix(&before).unwrap(),
        format!(
            "0.000000  release  stream 3\n\
             0.000000  recv     stream 3: 6 bytes \"parked\"\n\
             0.000000  recv     closed socket: entity not found\n\
             0.000000  open     stream 4 at {at}\n"
        )
    );
}

/// Numbers, ports, times and outcomes: all that a program could tell a recorded run by.
#[test]
fn recording_changes_nothing_of_what_is_recorded() {
    let run = |record: &dyn Fn(Box<dyn Engine>) -> Box<dyn Engine>| {
        let mut engine = record(Network::with_seed(7).engine());
        let begun = engine.clock();
        let mut seen = vec![format!("{:?}", engine.random())];
        for _ in 0..3 {
            seen.push(format!("{:?}", everything(&mut *engine)));
            seen.push(format!(
                "{:?} {:?} {:?}",
                engine.random(),
                engine.clock() - begun,
                engine.now() - begun
            ));
        }
        seen
    };
    assert_eq!(run(&|engine| Trace::new().record("", engine)), run(&|engine| engine));
}
