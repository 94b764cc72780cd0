//! `peer-smol [PORT]`: smol, on one thread.
//!
//! Tuned as by the documentation of `smol::spawn`, which advises an executor of one's own rather than the global one, and
//! of `LocalExecutor`: one thread, no `Send`. `block_on` then waits for events on that very thread, so that the one that
//! async-io keeps for programs without it has nothing to do. Streams are `Async<TcpStream>`, as in smol's own example of an
//! echo server, the thinnest that it has; one buffer for each connection; TCP_NODELAY.

#![forbid(unsafe_code)]

use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::rc::Rc;

use peers::{BUFFER, PAUSE};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, LocalExecutor, Timer};

fn main() -> ExitCode {
    listen::run("peer-smol", |listener| {
        let executor = Rc::new(LocalExecutor::new());
        listen::ready(&listener, "smol")?;
        smol::block_on(executor.run(serve(&executor, listener)))
    })
}

async fn serve(executor: &LocalExecutor<'_>, listener: TcpListener) -> io::Result<()> {
    let listener = Async::new(listener)?;
    loop {
        match listener.accept().await {
            // Who resets is no news here: the load checks what it gets.
            Ok((stream, _)) => executor.spawn(async { echo(stream).await.ok() }).detach(),
            Err(error) if listen::concerns_one_peer(&error) => {}
            Err(_) => {
                Timer::after(PAUSE).await;
            }
        }
    }
}

async fn echo(mut stream: Async<TcpStream>) -> io::Result<()> {
    stream.get_ref().set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
