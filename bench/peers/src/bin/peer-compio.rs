//! `peer-compio [PORT]`: compio on io_uring; it has no other driver here, and fails where there is no io_uring.
//!
//! As the echo server of its own examples: a buffer that is lent to the kernel and comes back. By its documentation of
//! `ProactorBuilder`: one issuer, and the kernel's work deferred to the wait, which measured best of what that offers a
//! runtime of one thread (`coop_taskrun` is the other). Reading into buffers of the runtime's own, once or multishot, measured
//! slower than into one for each connection. No timers; TCP_NODELAY.

#![forbid(unsafe_code)]

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::rc::Rc;

use compio::BufResult;
use compio::driver::ProactorBuilder;
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::TcpStream;
use compio::runtime::Runtime;
use peers::{BUFFER, Departures};

fn main() -> ExitCode {
    listen::run("peer-compio", |listener| {
        let mut proactor = ProactorBuilder::new();
        proactor.single_issuer(true).defer_taskrun(true);
        let runtime = Runtime::builder().with_proactor(proactor).build()?;
        listen::ready(&listener, "compio on io_uring")?;
        runtime.block_on(serve(listener))
    })
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = compio::net::TcpListener::from_std(listener)?;
    let departures = Rc::new(Departures::default());
    loop {
        let ended = departures.count();
        match listener.accept().await {
            Ok((stream, _)) => {
                let departures = departures.clone();
                let task = compio::runtime::spawn(async move {
                    // Who resets is no news here: the load checks what it gets.
                    echo(stream).await.ok();
                    departures.one_more();
                });
                task.detach();
            }
            Err(error) if listen::concerns_one_peer(&error) => {}
            Err(_) => departures.beyond(ended).await,
        }
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        let BufResult(result, read) = stream.read(buffer).await;
        if result? == 0 {
            return Ok(());
        }
        let BufResult(result, written) = stream.write_all(read).await;
        result?;
        buffer = written;
        buffer.clear();
    }
}
