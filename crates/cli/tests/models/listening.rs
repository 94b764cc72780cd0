//! Where a server listens and what it says about it: the readiness line, JSON, `--explain`, Unix sockets, several
//! addresses at once.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;

use crate::server::{DEADLINE, assert_echoes};
use crate::table::Model;

on_every_model!(
    the_first_line_tells_the_address_the_service_and_the_model,
    json_tells_the_start_and_the_end,
    explain_says_what_the_model_does,
    unix_sockets_are_served_and_their_files_removed,
    the_file_of_a_killed_server_is_replaced,
    several_addresses_are_served_at_once,
);

fn the_first_line_tells_the_address_the_service_and_the_model(model: &Model) {
    let server = model.serve(&["--service", "upper"]);
    let port = server.address.port();
    assert_ne!(port, 0);
    let engine = model.engine.map(|engine| format!(" on {engine}")).unwrap_or_default();
    let name = model.name;
    assert_eq!(
        server.ready,
        format!("listening on 127.0.0.1:{port} (tcp, upper, {name}{engine}); try: telnet 127.0.0.1 {port}")
    );
    assert_echoes(&server.connect(), b"12345");
    let ended = server.stop();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    let told =
        "ended; 1 accepted: 1 finished, 0 failed, 0 cancelled; at most 1 at once; 5 bytes received, 5 sent\n";
    assert!(ended.stderr.starts_with(told), "{}", ended.stderr);
    // One that asks its sockets over and over tells what that has cost.
    let cost: Vec<_> = ended.stderr.lines().skip(1).collect();
    assert_eq!(cost.len(), usize::from(model.polls), "{cost:?}");
    assert!(cost.iter().all(|line| line.contains(" in vain; ")), "{cost:?}");
}

fn json_tells_the_start_and_the_end(model: &Model) {
    let server = model.serve_telling_json(&["--listen", "127.0.0.1:0"]);
    let ready: Value = serde_json::from_str(&server.ready).unwrap();
    for (key, value) in [
        ("event", "listening"),
        ("address", "127.0.0.1"),
        ("protocol", "tcp"),
        ("service", "echo"),
        ("model", model.name),
    ] {
        assert_eq!(ready[key], value);
    }
    assert_eq!(ready["engine"], model.engine.map_or(Value::Null, Value::from));
    assert_eq!(ready["port"], server.address.port());
    let listeners = ready["listeners"].as_array().unwrap();
    assert_eq!((listeners.len(), &listeners[0]["port"]), (2, &ready["port"]));
    assert_ne!(listeners[0]["port"], listeners[1]["port"]);
    assert_echoes(&server.connect(), b"hello");
    let ended = server.stop();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    let receipt = ended.receipt();
    assert_eq!((&receipt["event"], &receipt["left"]), (&"ended".into(), &Value::Array(vec![])));
    for (key, count) in [
        ("accepted", 1),
        ("finished", 1),
        ("failed", 0),
        ("cancelled", 0),
        ("most_at_once", 1),
        ("received", 5),
        ("sent", 5),
        ("lost", 0),
        ("exhausted", 0),
    ] {
        assert_eq!(receipt[key], count, "{key}: {receipt}");
    }
    assert_eq!(receipt["cost"].is_object(), model.polls, "{receipt}");
}

fn explain_says_what_the_model_does(model: &Model) {
    let server = model.serve(&["--explain"]);
    assert_echoes(&server.connect(), b"hello");
    let ended = server.stop();
    let explained: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("explain: ")).collect();
    assert!(!explained.is_empty(), "{}", ended.stderr);
    assert!(explained.iter().all(|line| line.len() > "explain: ".len()), "{}", ended.stderr);

    // Unasked, it says nothing.
    let server = model.serve(&[]);
    assert_echoes(&server.connect(), b"hello");
    assert!(!server.stop().stderr.contains("explain: "));
}

fn unix_sockets_are_served_and_their_files_removed(model: &Model) {
    let folder = Folder::new("served", model);
    let server = model.serve_on(&[folder.listen("one"), folder.listen("two")], &["--service", "upper"]);
    let engine = model.engine.map(|engine| format!(" on {engine}")).unwrap_or_default();
    assert!(server.ready.contains(&format!(" (unix, upper, {}{engine}); ", model.name)), "{}", server.ready);
    for name in ["one", "two", "one"] {
        assert_upper(UnixStream::connect(folder.path(name)).unwrap());
    }
    let ended = server.stop();
    assert_eq!((ended.code, folder.files()), (Some(0), 0));
    assert!(ended.stderr.starts_with("ended; 3 accepted: 3 finished"), "{}", ended.stderr);
}

fn the_file_of_a_killed_server_is_replaced(model: &Model) {
    let folder = Folder::new("stale", model);
    drop(model.serve_on(&[folder.listen("socket")], &[]));
    assert_eq!(folder.files(), 1, "nobody was left to remove it");
    let server = model.serve_on(&[folder.listen("socket")], &["--service", "upper"]);
    assert_upper(UnixStream::connect(folder.path("socket")).unwrap());
    assert_eq!(server.stop().code, Some(0));
    assert_eq!(folder.files(), 0);
}

fn several_addresses_are_served_at_once(model: &Model) {
    let folder = Folder::new("several", model);
    let server =
        model.serve(&["--service", "upper", "--listen", "127.0.0.1:0", "--listen", &folder.listen("socket")]);
    let (_, after) = server.ready.split_once(" and ").expect("the second is told");
    let second = after.split(' ').next().unwrap();
    for _ in 0..3 {
        assert_upper(server.connect());
        assert_upper(TcpStream::connect(second).unwrap());
        assert_upper(UnixStream::connect(folder.path("socket")).unwrap());
    }
    let ended = server.stop();
    assert!(ended.stderr.starts_with("ended; 9 accepted: 9 finished"), "{}", ended.stderr);
    assert_eq!(folder.files(), 0);
}

/// Whatever the kind of socket.
trait Stream: Read + Write {
    fn prepare(&self);
    fn end(&self);
}

impl Stream for TcpStream {
    fn prepare(&self) {
        self.set_read_timeout(Some(DEADLINE)).unwrap();
    }

    fn end(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Stream for UnixStream {
    fn prepare(&self) {
        self.set_read_timeout(Some(DEADLINE)).unwrap();
    }

    fn end(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

fn assert_upper(mut client: impl Stream) {
    client.prepare();
    client.write_all(b"hello").unwrap();
    client.end();
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("the server answers and ends");
    assert_eq!(answer, "HELLO");
}

/// A folder for sockets, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(story: &str, model: &Model) -> Self {
        let engine = model.engine.unwrap_or_default();
        let name = format!("switchboard-{}-{story}-{}{engine}", std::process::id(), model.name);
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn listen(&self, name: &str) -> String {
        format!("unix:{}", self.path(name).display())
    }

    fn files(&self) -> usize {
        fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
