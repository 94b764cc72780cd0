//! Questions in lines, sent ahead of their answers; answers in several parts; and a last one that comes whole although
//! the client was not heard out.

use std::io::{self, IoSlice};

use fastrand::Rng;
use switchboard::net::{Lines, Stream, WriteHalf};
use switchboard::server::{Client, Server};
use switchboard::sim::{Failed, Faults, Sim};
use switchboard::spawn;

use crate::seeds::{bytes, chance, check, nothing_failed, pause, some_buffers, some_link};

/// Every question is answered, in order, and the last answer arrives to its end: behind that question comes more, which
/// the server closes upon.
pub(crate) fn every_question_is_answered_to_its_end(seed: u64) -> Result<(), Failed> {
    let mut rng = chance(seed, 0);
    let mut sim =
        Sim::new(seed).faults(Faults::unseen()).link(some_link(&mut rng)).host("server", move || serve(seed));
    for number in 1..=rng.u64(1..=3) {
        sim = sim.host(&format!("client {number}"), move || ask(seed, number));
    }
    nothing_failed(&sim.run()?);
    Ok(())
}

async fn serve(seed: u64) -> io::Result<()> {
    let server = Server::bind("0.0.0.0:7").await?;
    let handler =
        async move |stream: Stream, client: Client| answer(stream, chance(seed, 100 ^ client.id())).await;
    let receipt = server.serve(handler).await?;
    assert_eq!(receipt.accepted, receipt.finished, "{receipt}");
    Ok(())
}

/// A question is `place size rest`, or `last size`; its answer is that many bytes from that place on, or from 0, behind a
/// line that says how many.
async fn answer(mut stream: Stream, mut rng: Rng) -> io::Result<()> {
    some_buffers(&stream, &mut rng);
    let mut lines = Lines::new(100);
    loop {
        let (reader, writer) = stream.split();
        let Some(line) = lines.next_line(reader).await? else { return Ok(()) };
        assert!(line.is_whole);
        let question = String::from_utf8(line.bytes.to_vec()).expect("questions are text");
        let words: Vec<_> = question.splitn(3, ' ').collect();
        let size: usize = words[1].parse().expect("a size");
        let is_last = words[0] == "last";
        let place = if is_last { 0 } else { words[0].parse().expect("a place") };
        assert!(is_last || words[2] == rest(place), "{question:?}");
        pause(&mut rng).await;
        let (head, body) = (format!("{size}\n"), bytes(7, place..place + size));
        if rng.bool() {
            let mut parts: Vec<_> = [IoSlice::new(head.as_bytes())].into();
            parts.extend(body.chunks(1 + size / rng.usize(1..30)).map(IoSlice::new));
            writer.write_all_vectored(&mut parts).await?;
        } else {
            writer.send_all(head.into_bytes()).await?;
            for part in body.chunks(1 + size / rng.usize(1..5)) {
                writer.write_all(part).await?;
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

/// What stands behind the numbers of a question: with carriage returns, which are part of a line unless they end it.
fn rest(place: usize) -> String {
    "a\rb \r\rc".repeat(place % 7)
}

async fn ask(seed: u64, number: u64) -> io::Result<()> {
    let mut rng = chance(seed, number);
    let mut answers: Vec<(usize, usize)> =
        (0..rng.usize(0..12)).map(|place| (place, rng.usize(0..3_000))).collect();
    answers.push((0, rng.usize(0..60_000)));
    let stream = Stream::connect("server:7").await?;
    some_buffers(&stream, &mut rng);
    let (mut reader, writer) = stream.into_split();
    let sending = spawn(put_questions(writer, answers.clone(), rng.fork()));
    let mut lines = Lines::new(100);
    for (place, size) in answers {
        let line = lines.next_line(&mut reader).await?.expect("an answer");
        assert_eq!(String::from_utf8_lossy(line.bytes), size.to_string());
        let mut body = lines.into_rest().to_vec();
        while body.len() < size {
            let more = reader.recv().await?;
            assert!(!more.is_empty(), "the end came after {} of {size} bytes", body.len());
            body.extend_from_slice(&more);
            pause(&mut rng).await;
        }
        let next = body.split_off(size);
        check(7, place, &body);
        lines = Lines::new(100);
        if !next.is_empty() {
            lines.feed(next);
        }
    }
    assert_eq!(lines.next_line(&mut reader).await?, None);
    sending.await
}

/// All but the last have their own place; behind the last comes what nobody asked for.
async fn put_questions(
    mut writer: WriteHalf,
    mut answers: Vec<(usize, usize)>,
    mut rng: Rng,
) -> io::Result<()> {
    let last = answers.pop().expect("there is a last answer");
    for (place, size) in answers {
        let end = if rng.bool() { "\n" } else { "\r\n" };
        let question = format!("{place} {size} {}{end}", rest(place));
        writer.write_all(question.as_bytes()).await?;
        pause(&mut rng).await;
    }
    let mut end = format!("last {}\n", last.1).into_bytes();
    end.resize(end.len() + rng.usize(0..20_000), b'.');
    writer.send_all(end).await?;
    writer.shutdown().await
}
