//! `switchboard load` on real servers: what it reports, in words and in JSON, what adds up, and with which code it ends.
//!
//! Where the machine is busy, a measurement may not be trusted, and that is no failure here: [`Ended::assert_code`].
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod client;
mod server;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use std::{env, process, thread};

use client::terminal::Terminal;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use rustix::process::Signal;
use serde_json::Value;
use server::{Ended, Server, on_every_engine, run_to_end, switchboard};

on_every_engine!(
    an_echo_is_counted_timed_and_verified,
    capitals_lines_sockets_files_and_datagrams_are_understood,
    an_open_loop_keeps_its_rate,
    a_connection_for_each_message_is_one_for_each,
);

fn an_echo_is_counted_timed_and_verified(engine: &str) {
    let server = Server::with("poll", &[]);
    let told =
        load_json(&server, &["--engine", engine, "-n", "2000", "-c", "20", "--in-flight", "3", "-s", "100"]);
    assert_eq!(told["load"]["engines"], Value::from(vec![engine]));
    assert_eq!((&told["load"]["size"], &told["load"]["transport"]), (&100.into(), &"tcp".into()));
    assert_eq!((count(&told["answered"]), count(&told["connections"])), (2000, 20), "{told}");
    assert_eq!((count(&told["failures"]["total"]), count(&told["unsent"])), (0, 0), "{told}");
    assert_eq!(count(&told["exchange"]["count"]), 2000);
    assert_eq!(count(&told["connect"]["count"]), 20);
    assert_eq!(count(&told["received_bytes"]), 200_000, "{told}");
    let times = ["min", "p50", "p75", "p90", "p99", "p99.9", "p99.99", "max"];
    let times: Vec<_> = times.map(|name| count(&told["exchange"][name])).into();
    assert!(times.is_sorted() && times[0] > 0, "{times:?}");
    let seconds = told["seconds"].as_f64().unwrap();
    assert!((told["rate"].as_f64().unwrap() * seconds - 2000.0).abs() < 1.0, "{told}");
    // One more was to see whether anybody is there.
    let ended = server.stop();
    assert!(ended.stderr.contains("; 21 accepted: "), "{}", ended.stderr);
}

fn capitals_lines_sockets_files_and_datagrams_are_understood(engine: &str) {
    let folder = Folder::new("understood", engine);
    let message = folder.write("message", b"from a file");
    let socket = format!("unix:{}", folder.0.join("socket").display());
    for (serve, load) in [
        (&["--listen", "127.0.0.1:0", "--service", "upper"][..], &["--expect", "upper"][..]),
        (&["--listen", "127.0.0.1:0", "--service", "line"], &["--expect", "line", "-s", "20"]),
        (
            &["--listen", "127.0.0.1:0", "--service", "line", "--greeting", "Welcome!\r\n"],
            &["--expect", "line", "--message", "hello\\n"],
        ),
        (
            &["--listen", "127.0.0.1:0", "--service", "discard"],
            &["--expect", "none", "--message-file", &message],
        ),
        (&["--listen", &socket], &[]),
        (&["--listen", "127.0.0.1:0", "--udp"], &["--udp", "-s", "1000"]),
    ] {
        let server = Server::start(serve);
        let target = if serve[1] == socket { socket.clone() } else { server.address.to_string() };
        let mut command =
            switchboard(&["load", &target, "--json", "--engine", engine, "-n", "100", "-c", "4"]);
        command.args(load);
        let told = json(&run_to_end(command));
        assert_eq!(
            (count(&told["answered"]), count(&told["failures"]["total"])),
            (100, 0),
            "{load:?}: {told}"
        );
    }
}

fn an_open_loop_keeps_its_rate(engine: &str) {
    let server = Server::on("poll");
    let told =
        load_json(&server, &["--engine", engine, "-R", "500", "-d", "1s", "--warm-up", "200ms", "-c", "10"]);
    // With those that were answered when it was over, and those that never began.
    let all = count(&told["exchange"]["count"]);
    assert!((495..=505).contains(&all), "{told}");
    assert_eq!((&told["load"]["loop"], &told["load"]["pace"]["to"]), (&"open".into(), &500.0.into()));
    assert!(count(&told["generator"]["slip"]["count"]) > 0, "{told}");
    assert!(count(&told["uncorrected"]["p50"]) <= count(&told["exchange"]["max"]), "{told}");
}

fn a_connection_for_each_message_is_one_for_each(engine: &str) {
    let server = Server::on("poll");
    let told = load_json(&server, &["--engine", engine, "--churn", "-n", "200", "-c", "5", "-t", "2"]);
    assert_eq!((count(&told["answered"]), count(&told["connections"])), (200, 200), "{told}");
    assert_eq!(count(&told["connect"]["count"]), 200);
}

#[test]
fn a_report_in_words_has_a_row_for_each_percentile() {
    let server = Server::on("poll");
    let address = server.address.to_string();
    let ended = load(&[&address, "-n", "500", "-c", "5"]);
    ended_with(&ended, 0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    let first = format!(
        "{address} over tcp: 5 connections, 64 B a message, echo, verified, closed loop; 1 thread on "
    );
    assert!(lines[0].starts_with(&first), "{}", ended.stdout);
    assert!(lines[1].starts_with("answered     500 in "), "{}", ended.stdout);
    assert!(lines[4].ends_with("     connect  first byte    exchange"), "{}", ended.stdout);
    let rows = ["p50", "p75", "p90", "p99", "p99.9", "p99.99", "max", "mean", "count"];
    for (line, row) in lines[5..].iter().zip(rows) {
        assert!(line.starts_with(&format!("{row} ")), "{line}");
    }
    assert!(ended.stdout.contains("\nfailed       0\n"), "{}", ended.stdout);
    assert_eq!(ended.code == Some(4), ended.stdout.contains("\nnot trustworthy: "), "{}", ended.stdout);
}

#[test]
fn each_second_is_a_line_on_stderr_or_one_of_a_stream() {
    let server = Server::on("poll");
    let address = server.address.to_string();
    let ended = load(&[&address, "-d", "2200ms", "-c", "5", "--think", "5ms"]);
    ended_with(&ended, 0);
    for second in ["1 s: ", "2 s: "] {
        assert!(ended.stderr.lines().any(|line| line.starts_with(second)), "{}", ended.stderr);
    }

    let ended = load(&[&address, "-d", "2200ms", "-c", "5", "--think", "5ms", "--json-stream"]);
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (report, seconds) = lines.split_last().unwrap();
    assert!(
        seconds.len() >= 3 && seconds.iter().all(|second| second["event"] == "interval"),
        "{}",
        ended.stdout
    );
    let answered: u64 = seconds.iter().map(|second| count(&second["answered"])).sum();
    assert!(answered >= count(&report["answered"]), "{}", ended.stdout);
    assert_eq!((&seconds[0]["phase"], &seconds[0]["open"]), (&"measuring".into(), &5.into()));
    assert_eq!(report["event"], "load");
    assert!(!ended.stderr.contains(" s: "), "{}", ended.stderr);
}

#[test]
fn on_a_terminal_the_line_changes_and_is_taken_away() {
    let server = Server::on("poll");
    let arguments = ["load", &server.address.to_string(), "-d", "1200ms", "-c", "5", "--think", "5ms"];
    let terminal = Terminal::new();
    let program = terminal.start(switchboard(&arguments));
    terminal.wait_for("1 s: ", 1);
    terminal.wait_for("answered     ", 1);
    let code = program.end();
    assert!(matches!(code, Some(0 | 4)), "{code:?}");
    let shown = terminal.shown();
    let (progress, report) = shown.split_once(&server.address.to_string()).unwrap();
    assert!(progress.ends_with("\u{1b}[2K"), "{progress:?}");
    assert!(!report.contains("1 s: ") && terminal.is_as_found(), "{report}");
}

#[test]
fn a_terminal_that_is_stopped_stops_nothing() {
    let server = Server::on("poll");
    let mut command =
        switchboard(&["load", &server.address.to_string(), "-d", "10m", "-c", "5", "--think", "5ms"]);
    let terminal = Terminal::unread();
    rustix::termios::tcflow(terminal.program(), rustix::termios::Action::OOff).unwrap();
    command.stdout(Stdio::piped()).stderr(Stdio::from(terminal.program().try_clone().unwrap()));
    let client = Server::spawn(command, server.address);
    // Some lines would have been shown by now.
    thread::sleep(Duration::from_millis(2500));
    client.signal(Signal::TERM);
    let ended = client.end();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    assert!(ended.stdout.contains("\ninterrupted  by SIGTERM; "), "{}", ended.stdout);
}

#[test]
fn two_halves_add_up_to_the_whole() {
    let server = Server::on("poll");
    let folder = Folder::new("halves", "");
    let halves = [(); 2].map(|()| load_json(&server, &["-n", "300", "-c", "3"]));
    let (a, b) = (
        folder.write("a.json", halves[0].to_string().as_bytes()),
        folder.write("b", halves[1].to_string().as_bytes()),
    );
    let ended = load(&["--merge", &a, &b, "--json", "--fail-if", "p50>1h"]);
    let whole = json(&ended);
    for key in ["answered", "connections", "received_bytes", "sent_bytes"] {
        assert_eq!(count(&whole[key]), halves.iter().map(|half| count(&half[key])).sum::<u64>(), "{key}");
    }
    for key in ["connect", "first_byte", "exchange", "uncorrected"] {
        let of = |name| halves.each_ref().map(|half| count(&half[key][name])).into_iter();
        assert_eq!(count(&whole[key]["count"]), of("count").sum::<u64>(), "{key}");
        assert_eq!(Some(count(&whole[key]["max"])), of("max").max(), "{key}");
        assert_eq!(Some(count(&whole[key]["min"])), of("min").min(), "{key}");
    }
    assert_eq!((count(&whole["loads"]), count(&whole["load"]["connections"])), (2, 6));
    let ended = load(&["--merge", &a, &b, "--fail-if", "max>1us"]);
    ended_with(&ended, 3);
    assert!(ended.stdout.contains("\nloads        2 added up\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("\nmissed       --fail-if max>1us: it was "), "{}", ended.stdout);
}

#[test]
fn the_log_of_histograms_is_read_by_the_reader_of_such_logs() {
    let server = Server::on("poll");
    let folder = Folder::new("log", "");
    // What was there before is gone, however long it was.
    let file = folder.write("hdr.log", &[b'x'; 100_000]);
    let told = load_json(&server, &["-n", "300", "-c", "3", "--hdr", &file]);
    let log = fs::read(&file).unwrap();
    let mut tags = Vec::new();
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.expect("it is a log") {
            let tag = interval.tag().expect("each has a tag").as_str();
            assert_eq!(told[tag]["histogram"], interval.encoded_histogram(), "{tag}");
            tags.push(tag.to_owned());
        }
    }
    assert_eq!(tags, ["connect", "first_byte", "exchange", "uncorrected"]);
}

#[test]
fn a_page_shows_the_figures_of_the_report() {
    let server = Server::on("poll");
    let folder = Folder::new("page", "");
    let file = folder.write("page.html", b"");
    let told = load_json(&server, &["-n", "300", "-c", "3", "--html", &file]);
    let page = fs::read_to_string(&file).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"), "{page}");
    for name in ["p50", "p99", "max"] {
        let seconds = count(&told["exchange"][name]) as f64 / 1e9;
        assert!(page.contains(&format!("<data value=\"{seconds}\">")), "{name} {seconds}: {page}");
    }
    assert!(page.contains(&server.address.to_string()) && page.contains("<svg"));
    assert_eq!(told["trustworthy"] == false, page.contains("Not trustworthy"));

    // Of reports that were added up, too.
    let (report, sum) = (folder.write("a.json", told.to_string().as_bytes()), folder.write("sum.html", b""));
    ended_with(&load(&["--merge", &report, &report, "--html", &sum]), 0);
    let page = fs::read_to_string(&sum).unwrap();
    assert!(page.contains("<data value=\"600\">"), "{page}");
}

#[test]
fn a_limit_that_is_missed_is_exit_code_3() {
    let server = Server::with("poll", &["--delay", "5ms"]);
    let address = server.address.to_string();
    let ended = load(&[&address, "-n", "50", "-c", "5", "--fail-if", "errors>0", "--fail-if", "p50>4ms"]);
    ended_with(&ended, 3);
    assert!(ended.stdout.contains("\nmissed       --fail-if p50>4ms: it was "), "{}", ended.stdout);
    assert!(!ended.stdout.contains("errors>0"), "{}", ended.stdout);
    let ended =
        load(&[&address, "-n", "50", "-c", "5", "--fail-if", "errors>0", "--fail-if", "p50<4ms", "--json"]);
    ended_with(&ended, 0);
    let told = json(&ended);
    assert_eq!(
        (&told["limits"][0]["failed"], &told["limits"][1]["fail_if"]),
        (&false.into(), &"p50<4ms".into())
    );
}

#[test]
fn the_highest_rate_that_keeps_a_limit_is_found() {
    // Two connections and 10 ms an answer: 200 a second, whatever the machine.
    let server = Server::with("poll", &["--delay", "10ms"]);
    let address = server.address.to_string();
    let ended = load(&[&address, "-c", "2", "--seek", "p90<100ms", "-R", "40", "-d", "700ms", "--json"]);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    let seek = &told["seek"];
    let steps = seek["steps"].as_array().unwrap();
    assert_eq!((&seek["limit"], &steps[0]["rate"]), (&"p90<100ms".into(), &40.0.into()));
    if ended.code != Some(4) {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let rate = seek["rate"].as_f64().unwrap();
        assert!((40.0..=240.0).contains(&rate), "{seek:#}");
        assert_eq!(seek["end"], "server");
        assert!(
            steps.iter().any(|step| step["outcome"] == "missed" || step["outcome"] == "behind"),
            "{seek:#}"
        );
    }
    assert!(ended.stderr.contains("40.0 a second: "), "{}", ended.stderr);
}

#[test]
fn no_rate_that_keeps_a_limit_is_exit_code_3() {
    let server = Server::with("poll", &["--delay", "20ms"]);
    let address = server.address.to_string();
    let ended = load(&[&address, "-c", "2", "--seek", "p50<5ms", "-R", "20", "-d", "300ms"]);
    ended_with(&ended, 3);
    assert!(ended.stdout.contains("\nhighest      no rate that was tried keeps p50<5ms"), "{}", ended.stdout);
}

#[test]
fn ctrl_c_tells_what_was_measured_until_then() {
    let server = Server::on("poll");
    let mut command =
        switchboard(&["load", &server.address.to_string(), "-d", "10m", "-c", "5", "--think", "1ms"]);
    command.stdout(Stdio::piped());
    let client = Server::spawn(command, server.address);
    client.wait_for_log("1 s: ");
    client.signal(Signal::INT);
    let ended = client.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("\ninterrupted  by SIGINT; this is what was measured until then\n"),
        "{}",
        ended.stdout
    );
    let answered = ended.stdout.lines().find_map(|line| line.strip_prefix("answered     ")).unwrap();
    assert!(!answered.starts_with("0 "), "{}", ended.stdout);
}

#[test]
fn a_report_that_cannot_be_written_takes_no_other_with_it() {
    if !fs::exists("/dev/full").unwrap() {
        return eprintln!("skipped: this system has no /dev/full");
    }
    let server = Server::on("poll");
    let address = server.address.to_string();
    let ended = load(&[&address, "-n", "50", "-c", "5", "--hdr", "/dev/full"]);
    assert!(
        ended.stdout.contains("\nanswered     50 in ") || ended.stdout.starts_with(&address),
        "{}",
        ended.stdout
    );
    let said = "error: --hdr /dev/full: cannot write there: no space left on device; give another file";
    assert!(ended.stderr.lines().any(|line| line == said), "{}", ended.stderr);
    assert!(matches!(ended.code, Some(1 | 4)), "{ended:?}");

    let folder = Folder::new("full", "");
    let file = folder.0.join("hdr.log");
    let mut command = switchboard(&["load", &address, "-n", "50", "-c", "5", "--hdr"]);
    command.arg(&file).stdout(File::create("/dev/full").unwrap());
    let ended = Server::spawn(command, server.address).end();
    let said = "error: cannot write the report on stdout: no space left on device";
    assert!(ended.stderr.lines().any(|line| line == said), "{}", ended.stderr);
    assert!(matches!(ended.code, Some(1 | 4)), "{ended:?}");
    assert!(fs::read(&file).unwrap().starts_with(b"#[switchboard load "));
}

#[test]
fn what_a_peer_does_wrong_is_a_class() {
    let half = peer(|mut stream| {
        let mut message = [0; 64];
        if stream.read_exact(&mut message).is_ok() {
            stream.write_all(&message[..32]).ok();
        }
    });
    let wrong = peer(|mut stream| {
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            message[63] ^= 1;
            stream.write_all(&message).ok();
        }
    });
    let reset = peer(|mut stream| {
        stream.read_exact(&mut [0; 64]).ok();
        server::reset(stream);
    });
    let early = peer(|mut stream| {
        stream.read_exact(&mut [0; 64]).ok();
    });
    let silent = peer(|mut stream| {
        stream.read_to_end(&mut Vec::new()).ok();
    });
    for (address, class) in
        [(half, "short"), (wrong, "mismatch"), (reset, "reset"), (early, "short"), (silent, "timeout")]
    {
        // Whoever is only slow is not taken for one who is silent.
        let timeout = if class == "timeout" { "100ms" } else { "10s" };
        let ended = load(&[&address.to_string(), "-c", "2", "-d", "400ms", "--timeout", timeout, "--json"]);
        let told: Value = serde_json::from_str(&ended.stdout).unwrap();
        let of_class = count(&told["failures"][class]);
        assert!(
            of_class > 0 && of_class == count(&told["failures"]["total"]),
            "{class}: {}",
            told["failures"]
        );
        if class == "timeout" {
            assert!(count(&told["exchange"]["max"]) >= 100_000_000, "what timed out is in the tail: {told}");
        }
        ended_with(&ended, 1);
        let said = format!("error: {address} answered nothing: {class} {of_class}");
        assert!(ended.code == Some(4) || ended.stderr.lines().any(|line| line == said), "{}", ended.stderr);
    }
}

/// A peer that does this with each connection, for as long as the test goes on.
fn peer(talk: impl Fn(TcpStream) + Send + Sync + Copy + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || talk(stream));
        }
    });
    address
}

fn load(arguments: &[&str]) -> Ended {
    run_to_end(switchboard(&[&["load"], arguments].concat()))
}

fn load_json(server: &Server, arguments: &[&str]) -> Value {
    json(&load(&[&[server.address.to_string().as_str(), "--json"], arguments].concat()))
}

/// The report of a load that went well.
fn json(ended: &Ended) -> Value {
    ended_with(ended, 0);
    serde_json::from_str(&ended.stdout).expect("the report is JSON")
}

/// With this code, unless the machine was too busy to be believed, and that is told.
fn ended_with(ended: &Ended, code: i32) {
    let said = [&ended.stdout, &ended.stderr];
    let is_doubted = said.iter().any(|text| text.lines().any(|line| line.starts_with("not trustworthy: ")));
    assert_eq!(ended.code, Some(if is_doubted { 4 } else { code }), "{}\n{}", ended.stdout, ended.stderr);
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

/// A folder of a test, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, engine: &str) -> Self {
        let path = env::temp_dir().join(format!("switchboard-load-{name}-{engine}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().expect("the path is a text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
