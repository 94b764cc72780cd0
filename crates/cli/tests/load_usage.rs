//! What `switchboard load` refuses, and what hinders it: one line that says what, on what and what to do, and an exit code.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod client;
mod server;

use std::env;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use server::{Ended, Server, run_to_end, switchboard};

#[test]
fn wrong_use_is_one_line_and_exit_code_2() {
    let duration = "give a number with a unit (ms, s, m or h), such as 10s, 250ms or 1.5s";
    let help = "see `switchboard load --help`";
    for (arguments, said) in [
        ("-c 0", "--connections 0: nobody would send anything; give 1 or more".to_owned()),
        ("-c x", "--connections x: not a count; give a number, such as 500, 10k or 1M".into()),
        ("-c 2M", "--connections 2M: too many; give at most 1000000".into()),
        ("-d 0s", "--duration 0s: nothing can be done in no time; give more".into()),
        ("-d 0", format!("--duration 0: a duration without a unit; {duration}")),
        ("-n 0", "--messages 0: nothing would be sent; give 1 or more".into()),
        (
            "-d 1s -n 1",
            format!("the argument '--duration <TIME>' cannot be used with '--messages <N>'; {help}"),
        ),
        ("-s 0", "--size 0: nothing would be sent; give 1 or more".into()),
        ("-s -1", "--size -1: not a size; give a number of bytes, such as 512, 64KiB or 1MB".into()),
        ("-s 65MiB", "--size 65MiB: too long a message; give at most 64MiB".into()),
        ("-s 65508 --udp", "--size 65508: no datagram is as long; give at most 65507".into()),
        ("-s 2 --expect line", "--size 2: a line is a byte and its end; give 3 or more".into()),
        (
            "-s 1 --message x",
            format!("the argument '--size <SIZE>' cannot be used with '--message <TEXT>'; {help}"),
        ),
        ("--message=", "--message \"\": nothing would be sent; give at least a byte".into()),
        (
            "--message a\\q",
            "--message a\\q: no such escape: \\q; give one of \\n \\r \\t \\0 \\xHH \\\\".into(),
        ),
        (
            "--message a\\nb --expect line",
            "--message a\\nb: several lines, and an answer is one; give a line, or another with --expect"
                .into(),
        ),
        (
            "--message-file /nowhere",
            "--message-file /nowhere: cannot be read: no such file or directory; give the file of a message"
                .into(),
        ),
        (
            "--message-file /dev/zero",
            "--message-file /dev/zero: too long a message; give at most 67108864 bytes".into(),
        ),
        ("--expect tea", "--expect tea: no such answer; give echo, upper, line or none".into()),
        ("--expect line --udp", "--expect line: datagrams are no lines; give echo, upper or none".into()),
        ("--in-flight 0", "--in-flight 0: nothing would be sent; give 1 or more".into()),
        (
            "--in-flight 2 --churn",
            "--in-flight: with --churn a connection has one message; leave one of them out".into(),
        ),
    ] {
        assert_refused(&load(&format!("127.0.0.1:9 {arguments}")), 2, &said);
    }
}

#[test]
fn wrong_paces_and_limits_are_one_line_and_exit_code_2() {
    let duration = "give a number with a unit (ms, s, m or h), such as 10s, 250ms or 1.5s";
    let rate = "give how many a second, such as 1000, 10k or 0.5";
    let help = "see `switchboard load --help`";
    for (arguments, said) in [
        ("-R 0", format!("--rate 0: that would be never; {rate}")),
        ("-R x", format!("--rate x: not a rate; {rate}")),
        ("-R 100:", format!("--rate 100:: not a rate; {rate}")),
        ("-R 1:2:3", format!("--rate 1:2:3: not a rate; {rate}")),
        ("-R 1:2 -n 5", "--rate: a ramp needs a time to go up in; give --duration instead of --messages".into()),
        (
            "-R 1 --think 1s",
            format!("the argument '--rate <RATE>' cannot be used with '--think <TIME>'; {help}"),
        ),
        ("--think 1", format!("--think 1: a duration without a unit; {duration}")),
        ("--connect-rate 0", format!("--connect-rate 0: that would be never; {rate}")),
        ("--churn --udp", "--churn: datagrams need no connection; leave it or --udp out".into()),
        ("--connect-rate 5 --udp", "--connect-rate: datagrams need no connection; leave it or --udp out".into()),
        ("-t 0", "--threads 0: give 1 to 48, or auto".into()),
        ("-t 4 -c 3", "--threads 4: each needs a connection, and there are 3; give more with -c".into()),
        ("--timeout 0s", "--timeout 0s: nothing can be done in no time; give more".into()),
        ("--warm-up x", format!("--warm-up x: not a duration; {duration}")),
        (
            "--engine tea",
            "--engine tea: no such engine; give one of auto, uring, kqueue, epoll, devpoll, poll, select".into(),
        ),
        (
            "--fail-if p99=5ms",
            "--fail-if p99=5ms: nothing is compared; give such as 'p99<5ms', 'rate>=1000' or 'errors>0.1%', in quotes".into(),
        ),
        ("--fail-if p101>5ms", "--fail-if p101>5ms: no such percentile; give one from p50 to p99.999, or max".into()),
        (
            "--seek rate>5",
            "--seek rate>5: no rate would be too high for it; give what may not be exceeded, such as 'p99<5ms'".into(),
        ),
        ("--seek p99<5ms -R 1:2", "--rate 1:2: with --seek it is where to begin; give one rate".into()),
        (
            "--seek p99<5ms -n 5",
            format!("the argument '--seek <LIMIT>' cannot be used with '--messages <N>'; {help}"),
        ),
        ("--conections 5", format!("unexpected argument '--conections' found; did you mean --connections?; {help}")),
    ] {
        assert_refused(&load(&format!("127.0.0.1:9 {arguments}")), 2, &said);
    }
}

#[test]
fn a_target_that_is_none_is_wrong_use() {
    let cannot = "cannot understand the address";
    for (arguments, said) in [
        ("8000", format!("{cannot} 8000: no host; give HOST:PORT, such as 127.0.0.1:8000")),
        ("127.0.0.1:0", format!("{cannot} 127.0.0.1:0: nobody can listen on port 0; give one from 1 to 65535")),
        ("localhost:0", format!("{cannot} localhost:0: nobody can listen on port 0; give one from 1 to 65535")),
        (
            "unix:/tmp/x --udp",
            "cannot send datagrams to unix:/tmp/x: it is a Unix socket; give HOST:PORT, or leave out --udp".to_owned(),
        ),
        (
            "-c 5",
            "the following required arguments were not provided: <TARGET>; see `switchboard load --help`".to_owned(),
        ),
        (
            "127.0.0.1:9 --merge a",
            "the argument '[TARGET]' cannot be used with '--merge <FILES>...'; see `switchboard load --help`".to_owned(),
        ),
        (
            "--merge a -c 5",
            "the argument '--merge <FILES>...' cannot be used with '--connections <N>'; see `switchboard load --help`".to_owned(),
        ),
    ] {
        assert_refused(&load(arguments), 2, &said);
    }
}

#[test]
fn a_server_that_is_not_there_is_told_with_what_to_do() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = format!("cannot connect to {free}: connection refused; is a server listening there?");
    assert_refused(&load(&free.to_string()), 1, &said);
    let ended = load(&format!("localhost:{}", free.port()));
    assert!(
        ended.stderr.starts_with(&format!("error: cannot connect to localhost:{}: ", free.port())),
        "{ended:?}"
    );
    assert!(ended.stderr.contains(&format!("127.0.0.1:{}: connection refused", free.port())), "{ended:?}");
    assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(1)), "{ended:?}");
    // Never a host, RFC 6761.
    let ended = load("nobody.invalid:80");
    assert!(ended.stderr.ends_with("; check its name, or give an IP address\n"), "{ended:?}");
    assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(1)), "{ended:?}");
}

#[test]
fn a_server_that_does_not_answer_is_given_up_in_time_or_by_ctrl_c() {
    let (address, kept) = client::silent_port();
    let said = format!(
        "cannot connect to {address} within 300ms: no answer; is it up, and does no firewall drop this? --timeout gives \
         it more time"
    );
    assert_refused(&load(&format!("{address} --timeout 300ms")), 1, &said);

    let mut command = switchboard(&["load", &address.to_string(), "-v", "--timeout", "1h"]);
    command.stdout(Stdio::piped());
    let running = Server::spawn(command, address);
    running.wait_for_log("engine");
    // From there on to the catching of signals is a moment.
    std::thread::sleep(Duration::from_millis(300));
    running.signal(Signal::INT);
    let ended = running.end();
    assert_eq!((ended.stdout.as_str(), ended.code), ("", Some(130)), "{}", ended.stderr);
    let said = format!("interrupted by SIGINT: {address} had not answered yet, and nothing was measured\n");
    assert!(ended.stderr.ends_with(&said), "{}", ended.stderr);
    drop(kept);
}

#[test]
fn datagrams_that_nobody_takes_are_failures() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = load(&format!("{free} --udp -c 2 -n 10 --timeout 100ms"));
    assert!(matches!(ended.code, Some(1 | 4)), "{ended:?}");
    assert!(ended.stdout.contains("\nfailed       10: ") || ended.stdout.contains("refused"), "{ended:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_the_load() {
    let server = Server::on("poll");
    let ended = load(&format!("{} -d 10m --hdr /nowhere/hdr.log", server.address));
    let said = "--hdr /nowhere/hdr.log: cannot write there: no such file or directory; give another file";
    assert_refused(&ended, 1, said);
}

#[test]
fn what_is_no_report_cannot_be_added() {
    let path = env::temp_dir().join(format!("switchboard-{}.no-report", std::process::id()));
    let shown = path.display().to_string();
    for (text, said) in [
        ("hello", "no report of `switchboard load --json`: it is not JSON"),
        ("{\"event\": \"simulated\"}", "no report of `switchboard load --json`: it tells of something else"),
        (
            "{\"event\": \"load\", \"version\": 1}",
            "no report of `switchboard load --json`: it lacks \"targets\" in its \"load\" (list)",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let ended = load(&format!("--merge {shown}"));
        assert_refused(&ended, 2, &format!("--merge {shown}: {said}"));
    }
    std::fs::remove_file(&path).unwrap();
    assert_refused(
        &load(&format!("--merge {shown}")),
        1,
        &format!("--merge {shown}: cannot be read: no such file or directory"),
    );
}

#[test]
fn an_engine_that_goes_wrong_on_purpose_is_a_doubt() {
    let server = Server::on("poll");
    let mut command = switchboard(&["load", &server.address.to_string(), "-c", "2", "-n", "100"]);
    command.env("SWITCHBOARD_CHAOS", "seed=7,short=0.2");
    let ended = run_to_end(command);
    let said =
        "not trustworthy: engines go wrong on purpose, by SWITCHBOARD_CHAOS=seed=7,short=0.2; unset it\n";
    assert!(ended.code == Some(4) && ended.stdout.contains(said), "{ended:?}");
}

#[test]
fn more_connections_than_descriptors_are_refused() {
    let server = Server::on("poll");
    let address = server.address.to_string();
    let mut command = Command::new("sh");
    command.arg("-c").arg("ulimit -n 1000; exec \"$0\" \"$@\"").arg(env!("CARGO_BIN_EXE_switchboard"));
    command.args(["load", &address, "-c", "5000"]).stdin(Stdio::null()).stderr(Stdio::piped());
    let said = "no room for 5000 connections: they take 5032 descriptors, and a process may have 1000 here; allow more \
                with `ulimit -Hn 5032` (as root), or give fewer with -c";
    assert_refused(&run_to_end(command), 1, said);
}

/// In a network of its own, which has a hundred ports, and does not use them again for a minute.
#[test]
fn ports_that_do_not_suffice_are_told_before_the_load() {
    const TEST: &str = "ports_that_do_not_suffice_are_told_before_the_load";
    if env::var_os(INSIDE).is_some() {
        return among_a_hundred_ports();
    }
    let script = "ip link set lo up && cd /proc/sys/net/ipv4 && echo 40000 40099 >ip_local_port_range && \
                  echo 0 >tcp_tw_reuse && echo ready && exec \"$@\"";
    let inner = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", script, "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(INSIDE, "1")
        .output();
    let output = match inner {
        Err(error) => return println!("skipped: unshare cannot be run: {error}"),
        Ok(output) => output,
    };
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !said.contains("ready") {
        return println!("skipped: no namespace of its own: {failed}");
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}{failed}");
}

fn among_a_hundred_ports() {
    let server = Server::start(&["--listen", "127.0.0.1:8000", "--engine", "poll"]);
    let more = "sysctl net.ipv4.ip_local_port_range=\"1024 65535\"";
    let said = format!(
        "no room for 101 connections: to one address there are 100 ports to come from (40000 to 40099); have more with \
         `{more}`, or give fewer with -c"
    );
    assert_refused(&load("127.0.0.1:8000 -c 101"), 1, &said);

    let ended = load("127.0.0.1:8000 -c 10 --churn -n 150");
    let warning = format!(
        "warning: --churn may run out of ports: a port is taken for 60s after its connection was closed, and there are \
         100; have fewer a second with --connect-rate, more ports with `{more}`, or them reused after a second with \
         `sysctl net.ipv4.tcp_tw_reuse=1`"
    );
    assert_eq!(ended.stderr.lines().next(), Some(warning.as_str()), "{}", ended.stderr);
    // And so it is.
    assert!(ended.stdout.contains(": exhausted "), "{}", ended.stdout);
    server.stop();
}

fn load(arguments: &str) -> Ended {
    run_to_end(switchboard(&["load"].into_iter().chain(arguments.split(' ')).collect::<Vec<_>>()))
}

fn assert_refused(ended: &Ended, code: i32, said: &str) {
    let told = (ended.stderr.as_str(), ended.stdout.as_str(), ended.code);
    assert_eq!(told, (format!("error: {said}\n").as_str(), "", Some(code)));
}

/// Set for the test that runs in the namespace.
const INSIDE: &str = "SWITCHBOARD_TEST_IN_NAMESPACE";
