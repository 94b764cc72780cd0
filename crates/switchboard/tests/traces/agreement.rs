//! The same program observes the same on every mechanism: each is recorded on all of them, and compared with epoll.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use switchboard::engine::trace::Trace;
use switchboard::engine::{Address, Close, Done, Listen, Op, Plan, Setting, is_transient};
use switchboard::net::Stream;
use switchboard::server::Server;
use switchboard::{Engine, EventLoop, Mechanism, engine, spawn, task};

use crate::engines::Lot;
use crate::programs::{
    accept, connect, datagrams, finish, listen, pending, recv, run, send, settle, try_send,
};
use crate::reserved::ReservedPort;

/// Records a program on every mechanism of this system and in memory, and compares what it observed.
fn agrees_everywhere(program: impl Fn(Box<dyn Engine>)) {
    let record = |engine| {
        let trace = Trace::new();
        program(trace.record("", engine));
        assert!(trace.len() > 3, "a program that observes nothing proves nothing:\n{trace}");
        trace
    };
    let expected = record(engine::with(Mechanism::Epoll).unwrap());
    for lot in Lot::ALL {
        let Some((engine, _network)) = lot.open() else { continue };
        let trace = record(engine);
        for (one, other) in [(&expected, &trace), (&trace, &expected)] {
            if let Err(difference) = one.agrees_with(other) {
                panic!("on {lot:?}: {difference}\n\non epoll:\n{expected}\non {lot:?}:\n{trace}");
            }
        }
    }
}

#[test]
fn an_echo_with_a_half_close() {
    agrees_everywhere(|mut engine| {
        let engine = &mut *engine;
        let (listener, at) = listen(engine);
        let client = connect(engine, &at);
        let server = accept(engine, listener);
        for text in [&b"hello"[..], b"how are you", &[b'x'; 100_000]] {
            let sending = engine.submit(Op::Send { socket: client, parts: vec![text.into()] });
            let mut left = text.len();
            while left > 0 {
                let part = recv(engine, server);
                left -= part.len();
                send(engine, server, &part);
            }
            crate::programs::settled(engine, sending).unwrap();
        }
        run(engine, Op::Shutdown { socket: client, how: Shutdown::Write }).unwrap();
        assert!(recv(engine, server).is_empty());
        engine.close(server, Close::GENTLY);
        while !recv(engine, client).is_empty() {}
        engine.close(client, Close::GENTLY);
        settle(engine);
    });
}

#[test]
fn refused_connects() {
    agrees_everywhere(|mut engine| {
        let engine = &mut *engine;
        let port = ReservedPort::new();
        let at = Address::from(port.address());
        let listener = engine.open(Plan::Listen(Listen::at(at.clone()))).unwrap();
        engine.close(listener, Close::Now);
        for _ in 0..2 {
            let socket = engine.open(Plan::Stream { like: at.clone() }).unwrap();
            run(engine, Op::Connect { socket, to: at.clone() }).unwrap_err();
            engine.close(socket, Close::Now);
        }
    });
}

#[test]
fn a_receive_that_was_given_up() {
    agrees_everywhere(|mut engine| {
        let engine = &mut *engine;
        let (listener, at) = listen(engine);
        let client = connect(engine, &at);
        let server = accept(engine, listener);
        let waits = pending(engine, Op::Recv { socket: server, max: 100, peek: false });
        send(engine, client, b"for whoever comes");
        engine.cancel(waits);
        let mut got = 0;
        while got < b"for whoever comes".len() {
            got += recv(engine, server).len();
        }
        // Of a send only the waiting is given up.
        engine.set(server, Setting::SendBuffer(64 << 10)).unwrap();
        engine.set(client, Setting::ReceiveBuffer(64 << 10)).unwrap();
        let long = Op::Send { socket: server, parts: vec![vec![7; 1 << 20].into()] };
        let waits = pending(engine, long);
        engine.cancel(waits);
        engine.close(server, Close::GENTLY);
        while !recv(engine, client).is_empty() {}
        engine.close(client, Close::Now);
        settle(engine);
    });
}

#[test]
fn datagrams_that_arrive_whole_or_cut() {
    agrees_everywhere(|mut engine| {
        let engine = &mut *engine;
        let (one, one_at) = datagrams(engine);
        let (other, other_at) = datagrams(engine);
        for text in [&b"ping"[..], b"", b"too long for whoever gets it"] {
            run(engine, Op::SendTo { socket: one, to: other_at.clone(), part: text.into() }).unwrap();
            run(engine, Op::RecvFrom { socket: other, max: 9 }).unwrap();
            run(engine, Op::SendTo { socket: other, to: one_at.clone(), part: (&b"pong"[..]).into() })
                .unwrap();
            run(engine, Op::RecvFrom { socket: one, max: 9 }).unwrap();
        }
    });
}

#[test]
fn a_close_with_unread_bytes_resets() {
    agrees_everywhere(|mut engine| {
        let engine = &mut *engine;
        let (listener, at) = listen(engine);
        let client = connect(engine, &at);
        let server = accept(engine, listener);
        send(engine, client, b"never read");
        engine.close(server, Close::Now);
        run(engine, Op::Recv { socket: client, max: 100, peek: false }).unwrap_err();
        let error = try_send(engine, client, b"anybody?").unwrap_err();
        assert!(!is_transient(&error));
        engine.close(client, Close::Now);
    });
}

#[test]
fn what_waits_while_its_socket_is_closed_is_told_so() {
    agrees_everywhere(|mut engine| {
        let engine = &mut *engine;
        let (listener, at) = listen(engine);
        let client = connect(engine, &at);
        let waits = pending(engine, Op::Recv { socket: client, max: 100, peek: false });
        engine.close(client, Close::Now);
        finish(engine, waits).unwrap_err();
        accept(engine, listener);
    });
}

#[test]
fn a_stream_that_is_released_and_adopted() {
    agrees_everywhere(|mut engine| {
        let engine = &mut *engine;
        let (listener, at) = listen(engine);
        let client = connect(engine, &at);
        let server = accept(engine, listener);
        let Ok(Done::Released { descriptor, .. }) = run(engine, Op::Release { socket: server }) else {
            panic!("not released")
        };
        let server = engine.open(Plan::Adopt(descriptor)).unwrap();
        send(engine, client, b"still there?");
        let mut got = 0;
        while got < b"still there?".len() {
            got += recv(engine, server).len();
        }
        engine.close(server, Close::Now);
        assert!(recv(engine, client).is_empty());
    });
}

#[test]
fn a_server_and_its_clients() {
    agrees_everywhere(|engine| {
        EventLoop::with(engine).block_on(serve_and_ask()).unwrap().unwrap();
    });
}

/// A server with clients that come at once, each with something of its own to say.
async fn serve_and_ask() -> io::Result<()> {
    let server = Server::bind("127.0.0.1:0").await?;
    let at = server.addresses()[0].clone();
    let (end, ended) = async_channel::bounded::<()>(1);
    let until = async move { ended.recv().await.unwrap_or(()) };
    let serving = spawn(server.until(until).serve(|mut stream: Stream, _| async move {
        loop {
            let data = stream.recv().await?;
            if data.is_empty() {
                return io::Result::Ok(());
            }
            stream.send_all(data).await?;
        }
    }));
    let clients: Vec<_> = (0..5).map(|number| spawn(ask(at.clone(), number))).collect();
    for client in clients {
        client.await?;
    }
    end.try_send(()).unwrap();
    let receipt = serving.await?;
    assert_eq!(receipt.finished, 5);
    Ok(())
}

async fn ask(at: Address, number: usize) -> io::Result<()> {
    let mut stream = Stream::connect(at).await?;
    for round in 0..10 {
        let text = format!("{number} says {round} for the {number}th time\n");
        stream.write_all(text.as_bytes()).await?;
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).await?;
        assert_eq!(answer, text.as_bytes());
        task::sleep(Duration::from_millis(1)).await;
    }
    stream.shutdown().await?;
    assert!(stream.recv().await?.is_empty());
    Ok(())
}
