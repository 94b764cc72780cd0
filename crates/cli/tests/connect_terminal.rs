//! `switchboard connect` with a person at a terminal: what is typed and shown, and that the terminal is given back.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod client;
mod server;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use std::{fs, thread};

use client::terminal::{Program, Terminal};
use client::{Peer, connect};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::process::Signal;
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use server::{DEADLINE, assert_ends_after};

#[test]
fn a_line_goes_out_the_answer_is_shown_and_ctrl_d_ends_our_side() {
    let (terminal, program, mut stream) = call(&[]);
    let flags = fcntl_getfl(terminal.program()).unwrap();
    terminal.type_keys("hello\r");
    hear(&mut stream, "hello\n");
    stream.write_all(b"login: ").unwrap();
    terminal.wait_for("login: ", 1);
    assert!(!terminal.is_as_found(), "keys are handed over one by one");
    assert!(!fcntl_getfl(terminal.program()).unwrap().contains(OFlags::NONBLOCK));
    terminal.type_keys("\x04");
    assert_ends_after(&stream, b"");
    stream.write_all(b"bye\r\n").unwrap();
    drop(stream);
    assert_eq!(program.end(), Some(0));
    terminal.wait_for("bye", 1);
    assert!(terminal.is_as_found());
    assert_eq!(fcntl_getfl(terminal.program()).unwrap(), flags);
}

#[test]
fn a_line_is_edited_and_comes_back_from_history() {
    let (terminal, program, mut stream) = call(&[]);
    // wrld, two to the left, o between them; and hello before it.
    terminal.type_keys("wrld\x1b[D\x1b[D\x1b[Do\x01hello \r");
    hear(&mut stream, "hello world\n");
    terminal.type_keys("another\r");
    hear(&mut stream, "another\n");
    terminal.type_keys("half\x1b[A\x1b[A\x7f\x7f\r");
    hear(&mut stream, "hello wor\n");
    drop(stream);
    assert_eq!(program.end(), Some(0));
}

#[test]
fn what_the_peer_says_meanwhile_does_not_destroy_what_is_typed() {
    let (terminal, program, mut stream) = call(&[]);
    terminal.type_keys("half a li");
    terminal.wait_for("half a li", 1);
    stream.write_all(b"news\r\n").unwrap();
    // Taken away, the news shown, and put back below it.
    terminal.wait_for("\r\x1b[Knews\r", 1);
    terminal.wait_for("half a li", 2);
    terminal.type_keys("ne\r");
    hear(&mut stream, "half a line\n");
    drop(stream);
    assert_eq!(program.end(), Some(0));
}

#[test]
fn the_terminal_is_given_back_whatever_ends_it() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let (terminal, program, stream) = call(&[]);
        terminal.type_keys("half");
        terminal.wait_for("half", 1);
        program.signal(signal);
        assert_eq!(program.end(), Some(code));
        assert!(terminal.is_as_found(), "after {signal:?}");
        drop(stream);
    }
    let (terminal, program, stream) = call(&["--idle-timeout", "200ms"]);
    assert_eq!(program.end(), Some(3));
    assert!(terminal.is_as_found());
    drop(stream);
    let (terminal, program, stream) = call(&[]);
    client::reset(stream);
    assert_eq!(program.end(), Some(1));
    assert!(terminal.is_as_found());
    terminal.wait_for("connection reset by peer", 1);
}

#[test]
fn ctrl_c_ends_it_and_the_terminal_is_given_back() {
    let peer = Peer::new();
    let terminal = Terminal::new();
    let Some(program) = terminal.start_session(&connect(&[&peer.address])) else { return };
    let mut stream = peer.accept();
    stream.write_all(b"ready").unwrap();
    terminal.wait_for("ready", 1);
    wait_until("it has taken the terminal", || !terminal.is_as_found());
    terminal.type_keys("half\x03");
    assert_eq!(program.end(), Some(130));
    assert!(terminal.is_as_found());
}

#[test]
fn stopped_it_has_given_the_terminal_back_and_takes_it_again_when_it_goes_on() {
    let (terminal, program, mut stream) = call(&[]);
    program.signal(Signal::TSTP);
    wait_until("it is stopped", || state(&program) == Some('T'));
    assert!(terminal.is_as_found());
    program.signal(Signal::CONT);
    wait_until("it goes on", || !terminal.is_as_found());
    terminal.type_keys("again\r");
    hear(&mut stream, "again\n");
    drop(stream);
    assert_eq!(program.end(), Some(0));
    assert!(terminal.is_as_found());
}

#[test]
fn in_the_background_it_prints_and_ends_and_leaves_the_terminal_alone() {
    let peer = Peer::new();
    let terminal = Terminal::new();
    let mut shell = std::process::Command::new("sh");
    // With job control (-m), so that it is in the background; `wait` tells how it ended.
    shell.args(["-m", "-c", "\"$0\" connect \"$1\" & wait $!; echo code $?"]);
    shell.args([env!("CARGO_BIN_EXE_switchboard"), &peer.address]);
    let Some(program) = terminal.start_session(&shell) else { return };
    let mut stream = peer.accept();
    stream.write_all(b"from far away").unwrap();
    terminal.wait_for("from far away", 1);
    assert!(terminal.is_as_found());
    drop(stream);
    terminal.wait_for("code 0", 1);
    assert_eq!(program.end(), Some(0));
    assert!(terminal.is_as_found());
}

#[test]
fn the_menu_tells_ends_and_goes_back_to_what_was_typed() {
    let (terminal, program, mut stream) = call(&[]);
    terminal.type_keys("half\x1dstatus\r");
    terminal.wait_for("[connected to 127.0.0.1:", 1);
    terminal.type_keys("\x1dnonsense\r");
    terminal.wait_for("there is no \"nonsense\"; give one of status, send,", 1);
    terminal.type_keys(" line\r");
    hear(&mut stream, "half line\n");
    terminal.type_keys("\x1dsend escape\r");
    hear(&mut stream, "\x1d");
    terminal.type_keys("\x1dclose\r");
    assert_ends_after(&stream, b"");
    terminal.type_keys("\x1dstat\r");
    terminal.wait_for("our side has ended", 1);
    terminal.type_keys("\x1dquit\r");
    assert_eq!(program.end(), Some(0));
    assert!(terminal.is_as_found());
}

#[test]
fn a_telnet_peer_that_echoes_gets_every_key_and_knows_the_terminal() {
    let (terminal, program, mut stream) = call(&["--telnet"]);
    // WILL ECHO, WILL SUPPRESS-GO-AHEAD, DO NAWS.
    stream.write_all(b"\xff\xfb\x01\xff\xfb\x03\xff\xfd\x1flogin: ").unwrap();
    hear_within(&mut stream, b"\xff\xfa\x1f\0\x50\0\x18\xff\xf0");
    terminal.wait_for("login: ", 1);
    wait_until("keys are the peer's", || !is_on(&terminal, LocalModes::ISIG));
    terminal.type_keys("x");
    hear_within(&mut stream, b"x");
    terminal.type_keys("\x03");
    hear_within(&mut stream, b"\x03");
    let size = Winsize { ws_row: 50, ws_col: 132, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal.program(), size).unwrap();
    program.signal(Signal::WINCH);
    hear_within(&mut stream, b"\xff\xfa\x1f\0\x84\0\x32\xff\xf0");
    terminal.type_keys("\x1dsend ayt\r");
    hear_within(&mut stream, b"\xff\xf6");
    // WONT ECHO: lines again.
    stream.write_all(b"\xff\xfc\x01").unwrap();
    wait_until("lines are edited again", || is_on(&terminal, LocalModes::ISIG));
    terminal.type_keys("whole\r");
    hear_within(&mut stream, b"whole\r\n");
    drop(stream);
    assert_eq!(program.end(), Some(0));
    assert!(terminal.is_as_found());
}

#[test]
fn a_password_is_neither_shown_nor_remembered() {
    let (terminal, program, mut stream) = call(&["--telnet"]);
    stream.write_all(b"\xff\xfb\x01password: ").unwrap();
    terminal.wait_for("password: ", 1);
    hear_within(&mut stream, b"\xff\xfd\x01");
    terminal.type_keys("sesame\r");
    hear_within(&mut stream, b"sesame\r\n");
    stream.write_all(b"\xff\xfc\x01welcome\r\n").unwrap();
    terminal.wait_for("welcome", 1);
    hear_within(&mut stream, b"\xff\xfe\x01");
    terminal.type_keys("\x1b[Aopen\r");
    hear_within(&mut stream, b"open\r\n");
    terminal.wait_for("open", 1);
    assert!(!terminal.shown().contains("sesame"), "{}", terminal.shown());
    drop(stream);
    assert_eq!(program.end(), Some(0));
}

#[test]
fn what_is_typed_goes_out_although_the_terminal_shows_nothing_more() {
    let (terminal, program, stream) = call_on(Terminal::unread(), &[]);
    let (mut stream, _) = server::fill(stream);
    terminal.type_keys("still here\r");
    hear(&mut stream, "still here\n");
    program.signal(Signal::TERM);
    assert_eq!(program.end(), Some(143));
    assert!(terminal.is_as_found());
}

/// A client on a terminal of its own that has connected, and taken the terminal.
fn call(arguments: &[&str]) -> (Terminal, Program, TcpStream) {
    call_on(Terminal::new(), arguments)
}

fn call_on(terminal: Terminal, arguments: &[&str]) -> (Terminal, Program, TcpStream) {
    let peer = Peer::new();
    let program = terminal.start(connect(&[&[peer.address.as_str()], arguments].concat()));
    let stream = peer.accept();
    wait_until("it has taken the terminal", || !terminal.is_as_found());
    (terminal, program, stream)
}

/// Waits for exactly this from the client.
fn hear(stream: &mut TcpStream, text: &str) {
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), text);
}

/// Waits until this comes, whatever comes before it.
fn hear_within(stream: &mut TcpStream, bytes: &[u8]) {
    let mut heard = Vec::new();
    while !heard.ends_with(bytes) {
        let mut byte = [0];
        let count = stream.read(&mut byte).unwrap_or_else(|error| panic!("{error}: only {heard:?} came"));
        assert!(count > 0, "the client ended: {heard:?}");
        heard.extend(byte);
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn is_on(terminal: &Terminal, mode: LocalModes) -> bool {
    tcgetattr(terminal.program()).unwrap().local_modes.contains(mode)
}

/// The state of a process, such as `T` for stopped (proc(5)); `T` where there is no /proc, to be believed.
fn state(program: &Program) -> Option<char> {
    let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", program.0.id())) else { return Some('T') };
    stat.rsplit_once(") ")?.1.chars().next()
}
