//! `switchboard serve` on Unix sockets, and what becomes of their files.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Signal;
use server::{DEADLINE, Server, assert_echoes, on_every_engine, run_to_end, switchboard};

on_every_engine!(
    several_listeners_are_named_in_one_line_and_all_are_served,
    the_file_is_removed_at_the_end,
    the_file_is_removed_when_a_second_signal_ends_the_server,
    the_file_of_a_killed_server_is_replaced,
    a_file_that_took_the_place_of_ours_stays,
);

fn several_listeners_are_named_in_one_line_and_all_are_served(engine: &str) {
    let folder = Folder::new("several", engine);
    let (one, two) = (folder.listen("one"), folder.listen("two"));
    let server = Server::with(engine, &["--listen", &one, "--listen", "127.0.0.1:0", "--listen", &two]);
    let address = server.address;
    let said =
        server.ready.strip_prefix(&format!("listening on {address} and {one} and 127.0.0.1:")).unwrap();
    let (port, said) = said.split_once(' ').unwrap();
    let port: u16 = port.parse().unwrap();
    assert_ne!(port, address.port());
    assert_eq!(
        said,
        format!(
            "and {two} (tcp and unix, echo, tasks on {engine}); try: telnet {} {}",
            address.ip(),
            address.port()
        )
    );
    assert_echoes(&server.connect(), b"over the first");
    for name in ["one", "two"] {
        echoed(&folder.path(name));
    }
    let mut other = std::net::TcpStream::connect((address.ip(), port)).unwrap();
    other.set_read_timeout(Some(DEADLINE)).unwrap();
    other.write_all(b"over the last").unwrap();
    other.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "over the last");
    let ended = server.stop();
    assert!(ended.stderr.starts_with("ended; 4 accepted: 4 finished"), "{}", ended.stderr);
}

fn the_file_is_removed_at_the_end(engine: &str) {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = Folder::new("removed", engine);
        let server = serve(engine, &[&folder.listen("socket")]);
        echoed(&folder.path("socket"));
        server.signal(signal);
        assert_eq!(server.end().code, Some(0));
        assert_eq!(folder.files(), 0);
    }
}

fn the_file_is_removed_when_a_second_signal_ends_the_server(engine: &str) {
    let folder = Folder::new("second", engine);
    let server =
        Server::start(&["--listen", &folder.listen("socket"), "--engine", engine, "--grace", "1h", "-v"]);
    let mut client = connect(&folder.path("socket"));
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    server.signal(Signal::TERM);
    server.wait_for_log("accepting no more");
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, Some(143));
    assert_eq!(folder.files(), 0);
}

fn the_file_of_a_killed_server_is_replaced(engine: &str) {
    let folder = Folder::new("stale", engine);
    let killed = serve(engine, &[&folder.listen("socket")]);
    drop(killed);
    assert_eq!(folder.files(), 1);
    let server = serve(engine, &[&folder.listen("socket")]);
    echoed(&folder.path("socket"));
    assert_eq!(server.stop().code, Some(0));
    assert_eq!(folder.files(), 0);
}

fn a_file_that_took_the_place_of_ours_stays(engine: &str) {
    let folder = Folder::new("other", engine);
    let server = serve(engine, &[&folder.listen("socket"), &folder.listen("moved")]);
    fs::remove_file(folder.path("socket")).unwrap();
    let _other = UnixListener::bind(folder.path("socket")).unwrap();
    fs::rename(folder.path("moved"), folder.path("elsewhere")).unwrap();
    assert_eq!(server.stop().code, Some(0));
    assert!(folder.path("socket").exists(), "somebody else's socket is gone");
    assert!(folder.path("elsewhere").exists(), "what was moved away is no longer ours to remove");
}

#[test]
fn a_server_that_drains_leaves_the_file_of_its_successor_alone() {
    let folder = Folder::new("successor", "auto");
    let listen = folder.listen("socket");
    let old = Server::start(&["--listen", &listen, "--grace", "20s", "-v"]);
    let mut client = connect(&folder.path("socket"));
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    old.signal(Signal::TERM);
    old.wait_for_log("accepting no more");
    // Until its listener is closed, there is somebody.
    let new = loop {
        let mut command = switchboard(&["serve", "--listen", &listen]);
        command.stdout(Stdio::piped());
        let new = Server::spawn(command, old.address);
        if new.is_ready() {
            break new;
        }
    };
    drop(client);
    assert_eq!(old.end().code, Some(0));
    echoed(&folder.path("socket"));
    assert_eq!(new.stop().code, Some(0));
    assert_eq!(folder.files(), 0);
}

#[test]
fn what_is_in_the_way_and_not_ours_to_remove_is_an_error_and_stays() {
    let folder = Folder::new("in-the-way", "auto");
    let (path, listen) = (folder.path("it"), folder.listen("it"));

    fs::write(&path, "precious").unwrap();
    assert_refused(
        &listen,
        "a file is there that is no socket; remove it, or choose another path with --listen",
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    assert_refused(
        &listen,
        "a directory is there; give the path of a file in it, or of another, with --listen",
    );
    fs::remove_dir(&path).unwrap();

    std::os::unix::fs::symlink(folder.path("nowhere"), &path).unwrap();
    assert_refused(
        &listen,
        "a file is there that is no socket; remove it, or choose another path with --listen",
    );
    fs::remove_file(&path).unwrap();

    let somebody = UnixListener::bind(&path).unwrap();
    let in_use = "address already in use; stop what listens there, or choose another path with --listen";
    rustix::net::listen(&somebody, 0).unwrap();
    assert_refused(&listen, in_use);
    // Whoever asked is still in the queue, which is full; it is somebody's all the same.
    assert_refused(&listen, in_use);
    drop(somebody);
    fs::remove_file(&path).unwrap();

    let _datagrams = UnixDatagram::bind(&path).unwrap();
    assert_refused(&listen, "a socket is there, and whether somebody listens on it cannot be found out (");
    assert!(path.exists());
}

#[test]
fn who_cannot_listen_on_all_listens_on_none_and_leaves_no_file() {
    let folder = Folder::new("all-or-none", "auto");
    let (one, two) = (folder.listen("one"), folder.listen("no/such/folder"));
    let ended = run_to_end(switchboard(&["serve", "--listen", &one, "--listen", &two]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        ended.stderr,
        format!(
            "error: cannot listen on {two}: no such directory; make it, or choose another path with --listen\n"
        )
    );
    assert_eq!(folder.files(), 0);
    // The first is somebody's then: the server itself.
    let ended = run_to_end(switchboard(&["serve", "--listen", &one, "--listen", &one]));
    assert_eq!((ended.code, folder.files()), (Some(1), 0), "{}", ended.stderr);
}

#[test]
fn a_relative_path_is_understood_where_the_command_was_started() {
    let folder = Folder::new("relative", "auto");
    let mut command = switchboard(&["serve", "--listen", "unix:socket"]);
    command.current_dir(&folder.0).stdout(Stdio::piped());
    let server = Server::spawn(command, std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    assert!(server.is_ready());
    echoed(&folder.path("socket"));
    assert_eq!(server.stop().code, Some(0));
    assert_eq!(folder.files(), 0);
}

fn assert_refused(listen: &str, said: &str) {
    let ended = run_to_end(switchboard(&["serve", "--listen", listen]));
    let expected = format!("error: cannot listen on {listen}: {said}");
    assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (Some(1), "", 1));
}

/// A server on these Unix sockets alone.
fn serve(engine: &str, listen: &[&str]) -> Server {
    let listen: Vec<_> = listen.iter().flat_map(|listen| ["--listen", listen]).collect();
    let server = Server::start(&[&listen[..], &["--engine", engine, "--grace", "500ms"]].concat());
    assert!(server.ready.contains("(unix, echo, tasks on "), "{}", server.ready);
    server
}

fn connect(path: &Path) -> UnixStream {
    let client = UnixStream::connect(path).expect("the server accepts");
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.set_write_timeout(Some(DEADLINE)).unwrap();
    client
}

/// Sends something there, and reads it back to the end.
fn echoed(path: &Path) {
    let mut client = connect(path);
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("the server answers and ends");
    assert_eq!(answer, "hello");
}

/// A folder for sockets, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(story: &str, engine: &str) -> Self {
        let path = std::env::temp_dir().join(format!("switchboard-{}-{story}-{engine}", std::process::id()));
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
