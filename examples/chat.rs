//! A chat: what one says, all others hear, and who comes and goes.
//!
//! `cargo run --example chat`, then `telnet 127.0.0.1 PORT` with the port it prints, more than once. Everybody has a
//! queue of their own. Who reads so slowly that theirs is full is dropped: nobody waits for them, and what is kept for
//! them is bounded.

use std::{cell::RefCell, collections::HashMap, io, rc::Rc};

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt;
use switchboard::net::{Lines, ReadHalf, Stream, WriteHalf};
use switchboard::server::{Client, Receipt, Server};
use switchboard::yield_now;

#[switchboard::main]
async fn main() -> io::Result<()> {
    let server = Server::bind("127.0.0.1:0").await?.limit(200);
    println!("listening on {}", server.addresses()[0]);
    println!("{}", serve(server).await?);
    Ok(())
}

/// Has whoever comes take part.
pub(crate) async fn serve(server: Server) -> io::Result<Receipt> {
    let room = Room::default();
    server.serve(async move |stream, client| chat(&room, stream, &client).await).await
}

/// Who is here, and the queue of each. All are tasks of one thread, so it needs no lock.
#[derive(Default)]
struct Room(RefCell<HashMap<u64, Sender<Rc<str>>>>);

impl Room {
    /// Tells all others. Whose queue is full is out, and learns it by its end.
    fn tell(&self, from: u64, line: &str) {
        let line = Rc::from(line);
        self.0.borrow_mut().retain(|&id, queue| {
            let has_room = id == from || queue.try_send(Rc::clone(&line)).is_ok();
            if !has_room {
                queue.close();
            }
            has_room
        });
    }
}

async fn chat(room: &Room, mut stream: Stream, client: &Client) -> io::Result<()> {
    let (id, name) = (client.id(), client.peer());
    let (queue, lines) = async_channel::bounded(1000);
    room.0.borrow_mut().insert(id, queue.clone());
    room.tell(id, &format!("* {name} is here\n"));

    // Whichever ends first ends the others: one hears and speaks, until one is too slow, or the server drains.
    let (reader, writer) = stream.split();
    let slow = async {
        queue.closed().await;
        Err(io::Error::other(format!("{name} reads too slowly")))
    };
    let drain = async {
        client.draining().await;
        Ok(())
    };
    let end = slow.or(drain).or(hear(room, client, reader)).or(speak(&lines, writer)).await;

    room.0.borrow_mut().remove(&id);
    room.tell(id, &format!("* {name} has left\n"));
    end
}

/// Passes on what they say, to the end.
async fn hear(room: &Room, client: &Client, reader: &mut ReadHalf) -> io::Result<()> {
    let mut lines = Lines::new(1024);
    while let Some(line) = lines.next_line(reader).await? {
        room.tell(client.id(), &format!("{}: {}\n", client.peer(), String::from_utf8_lossy(line.bytes)));
        yield_now().await; // thousands of lines may come at once: between two of them, all others have their turn
    }
    Ok(())
}

/// Sends them what the others say, as fast as they read.
async fn speak(lines: &Receiver<Rc<str>>, writer: &mut WriteHalf) -> io::Result<()> {
    while let Ok(line) = lines.recv().await {
        writer.write_all(line.as_bytes()).await?;
    }
    Ok(())
}
