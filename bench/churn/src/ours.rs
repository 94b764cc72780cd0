//! Switchboard: a listener, and a task for each connection, on the engine that `SWITCHBOARD_ENGINE` names.
//!
//! It is written as the README has it: what is received lies in a buffer that the engine lends and takes back. No
//! `Server`, which counts and drains, and for which tokio has nothing to be compared with. Dropping a stream closes it
//! gently: what the peer still sends is read away first, so that the last words arrive. That is part of the price.

use std::io;

use switchboard::net::{TcpListener, TcpStream};
use switchboard::{EventLoop, spawn};

use crate::{GREETING, Scenario, listening};

pub(crate) fn serve(scenario: Scenario) -> io::Result<()> {
    switchboard::run(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let engine = EventLoop::with_current(|event_loop| event_loop.engine().name().to_owned());
        listening(listener.local_addr()?, &engine.unwrap_or_default())?;
        loop {
            let (stream, _) = listener.accept().await?;
            // Who resets is no news here: the clients check what they get.
            spawn(async move {
                let _ = match scenario {
                    Scenario::Echo => echo(stream).await,
                    Scenario::Greet => greet(stream).await,
                };
            })
            .detach();
        }
    })?
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    loop {
        let data = stream.recv().await?;
        if data.is_empty() {
            return Ok(());
        }
        stream.send_all(data).await?;
    }
}

async fn greet(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(&GREETING).await
}
