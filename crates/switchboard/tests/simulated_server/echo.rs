//! Echoes: what comes back is what was sent, to the byte, by whatever calls it is sent, received and answered.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::rc::Rc;

use fastrand::Rng;
use switchboard::net::{ReadHalf, Stream, WriteHalf};
use switchboard::server::{Client, Server};
use switchboard::sim::{Failed, Faults, Sim};
use switchboard::spawn;

use crate::seeds::{bytes, chance, check, nothing_failed, pause, some_buffers, some_link, some_size};

/// Clients that send and receive at once, end their side, and count what comes back.
pub(crate) fn what_is_echoed_is_what_was_sent(seed: u64) -> Result<(), Failed> {
    let mut rng = chance(seed, 0);
    let clients = rng.u64(1..=4);
    let total = Rc::new(Cell::new(0));
    let totals = Rc::clone(&total);
    let mut sim = Sim::new(seed)
        .faults(Faults::unseen())
        .link(some_link(&mut rng))
        .host("server", move || serve(seed, clients, Rc::clone(&totals)));
    for number in 1..=clients {
        let total = Rc::clone(&total);
        sim = sim.host(&format!("client {number}"), move || converse(seed, number, Rc::clone(&total)));
    }
    nothing_failed(&sim.run()?);
    Ok(())
}

async fn serve(seed: u64, clients: u64, total: Rc<Cell<u64>>) -> io::Result<()> {
    let server = Server::bind("0.0.0.0:7").await?;
    let handler =
        async move |stream: Stream, client: Client| echo(stream, chance(seed, 100 ^ client.id())).await;
    let receipt = server.serve(handler).await?;
    assert_eq!((receipt.accepted, receipt.finished, receipt.lost), (clients, clients, 0), "{receipt}");
    assert_eq!((receipt.received, receipt.sent), (total.get(), total.get()), "{receipt}");
    Ok(())
}

/// Answers as one of many servers would.
async fn echo(mut stream: Stream, mut rng: Rng) -> io::Result<()> {
    some_buffers(&stream, &mut rng);
    if rng.u8(0..4) == 0 {
        return echo_at_the_end(stream, rng).await;
    }
    let (reader, writer) = stream.split();
    loop {
        let data = receive(reader, &mut rng, usize::MAX).await?;
        if data.is_empty() {
            return Ok(());
        }
        pause(&mut rng).await;
        send(writer, data, &mut rng).await?;
    }
}

/// Hears the client out before it says a word.
async fn echo_at_the_end(mut stream: Stream, mut rng: Rng) -> io::Result<()> {
    let mut heard = Vec::new();
    let (reader, writer) = stream.split();
    loop {
        let data = receive(reader, &mut rng, usize::MAX).await?;
        if data.is_empty() {
            return send(writer, heard, &mut rng).await;
        }
        heard.extend(data);
    }
}

async fn converse(seed: u64, number: u64, total: Rc<Cell<u64>>) -> io::Result<()> {
    let mut rng = chance(seed, number);
    let size = some_size(&mut rng, 16);
    total.set(total.get() + size as u64);
    let stream = Stream::connect("server:7").await?;
    some_buffers(&stream, &mut rng);
    let (mut reader, mut writer) = stream.into_split();
    let mut other = rng.fork();
    let sending = spawn(async move {
        let mut sent = 0;
        while sent < size {
            let next = size.min(sent + other.usize(1..20_000));
            send(&mut writer, bytes(number, sent..next), &mut other).await?;
            sent = next;
            pause(&mut other).await;
        }
        writer.shutdown().await
    });
    let mut heard = 0;
    loop {
        let data = receive(&mut reader, &mut rng, size - heard).await?;
        check(number, heard, &data);
        heard += data.len();
        if data.is_empty() {
            break;
        }
        pause(&mut rng).await;
    }
    assert_eq!(heard, size, "the end came early");
    sending.await
}

/// Receives by one of the calls there are; `left` bytes are known to come.
pub(crate) async fn receive(reader: &mut ReadHalf, rng: &mut Rng, left: usize) -> io::Result<Vec<u8>> {
    let most = 1 + some_size(rng, 14);
    match rng.u8(0..5) {
        0 => Ok(reader.recv_at_most(most).await?.to_vec()),
        1 => {
            let mut into = vec![0; most];
            let count = reader.read(&mut into).await?;
            into.truncate(count);
            Ok(into)
        }
        2 => {
            let seen = reader.peek().await?.to_vec();
            let data = reader.recv_at_most(most).await?.to_vec();
            let same = seen.len().min(data.len());
            assert!(
                seen[..same] == data[..same] && seen.is_empty() == data.is_empty(),
                "peeked and received differ"
            );
            Ok(data)
        }
        3 if left > 0 && left < usize::MAX => {
            let mut into = vec![0; most.min(left)];
            reader.read_exact(&mut into).await?;
            Ok(into)
        }
        _ => Ok(reader.recv().await?.to_vec()),
    }
}

/// Sends by one of the calls there are.
pub(crate) async fn send(writer: &mut WriteHalf, data: Vec<u8>, rng: &mut Rng) -> io::Result<()> {
    match rng.u8(0..4) {
        0 => writer.send_all(data).await,
        1 => writer.write_all(&data).await,
        2 => {
            let mut sent = 0;
            while sent < data.len() {
                sent += writer.write(&data[sent..]).await?;
            }
            Ok(())
        }
        _ => {
            let size = 1 + data.len() / rng.usize(1..40);
            let mut parts: Vec<_> = data.chunks(size).map(IoSlice::new).collect();
            writer.write_all_vectored(&mut parts).await
        }
    }
}
