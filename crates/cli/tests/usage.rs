//! How `switchboard` answers to wrong use, to refusals of the system, and when nobody reads what it says.
//!
//! Whatever it is, it is one line that says what, on what and what to do; and never a panic.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use server::{Ended, Server, assert_echoes, lonely_address, run_to_end, switchboard};

#[test]
fn wrong_use_is_one_line_and_exit_code_2() {
    let example = "give HOST:PORT, such as 127.0.0.1:8000";
    let duration = "give a number with a unit (ms, s, m or h), such as 10s, 250ms or 1.5s";
    for (arguments, said) in [
        ("serve --listen 127.0.0.1", format!("--listen 127.0.0.1: no port; {example}")),
        ("serve --listen localhost", "--listen localhost: no port; give HOST:PORT, such as localhost:8000".into()),
        (
            "serve --listen 127.0.0.1:99999",
            "--listen 127.0.0.1:99999: there is no port 99999; give one up to 65535".into(),
        ),
        (
            "serve --listen 127.0.0.1:http",
            "--listen 127.0.0.1:http: port \"http\" is no number; give one up to 65535"
                .into(),
        ),
        ("serve --listen 8000", format!("--listen 8000: no host; {example}")),
        (
            "serve --listen :8000",
            format!("--listen :8000: no host; {example}, or 0.0.0.0:8000 for all addresses of this machine"),
        ),
        (
            "serve --listen ::1",
            "--listen ::1: an IPv6 address stands in brackets before its port; give [::1]:8000".into(),
        ),
        ("serve --listen=", format!("--listen \"\": neither a host nor a port; {example}")),
        ("serve --listen -v", "a value is required for '--listen <ADDR>' but none was supplied; see `switchboard serve --help`".into()),
        ("serve --listen 1.2.3.4.5:1", format!("--listen 1.2.3.4.5:1: \"1.2.3.4.5\" is no IP address and no name of a host; {example}")),
        ("serve --listen unix:", "--listen unix:: no path; give unix:/path, such as unix:/tmp/switchboard.sock".into()),
        ("serve --listen 127.0.0.1:0 --listen x", "--listen x: no port; give HOST:PORT, such as x:8000".into()),
        ("serve --service tea", "--service tea: no such service; give one of echo, upper, line, hello, discard, chargen, daytime, time, boom".into()),
        ("serve --limit 0", "--limit 0: nobody would be served; give 1 or more, or leave it out".into()),
        ("serve --limit -1", "--limit -1: not a count; give a number, such as 500, 10k or 1M".into()),
        ("serve --limit 10x", "--limit 10x: not a count; give a number, such as 500, 10k or 1M".into()),
        ("serve --grace 2x", format!("--grace 2x: not a duration; {duration}")),
        ("serve --grace -1s", format!("--grace -1s: not a duration; {duration}")),
        ("serve --grace 2", format!("--grace 2: a duration without a unit; {duration}")),
        ("serve --idle-timeout 2x", format!("--idle-timeout 2x: not a duration; {duration}")),
        ("serve --idle-timeout 0s", "--idle-timeout 0s: everybody would be idle at once; give more, or leave it out".into()),
        ("serve --threads 0", "--threads 0: give 1 to 48, or auto".into()),
        ("serve --threads 49", "--threads 49: give 1 to 48, or auto".into()),
        ("serve --threads two", "--threads two: not a count; give a number, such as 500, 10k or 1M".into()),
        (
            "serve --engine foo",
            "--engine foo: no such engine; give one of auto, uring, kqueue, epoll, devpoll, poll, select".into(),
        ),
        ("serve --engine=", "--engine \"\": no such engine; give one of auto, uring, kqueue, epoll, devpoll, poll, select".into()),
        ("serve --lisen x", "unexpected argument '--lisen' found; did you mean --listen?; see `switchboard serve --help`".into()),
        ("serve extra", "unexpected argument 'extra' found; see `switchboard serve --help`".into()),
        ("sevre", "unrecognized subcommand 'sevre'; did you mean serve?; see `switchboard --help`".into()),
        ("--json", "unexpected argument '--json' found; see `switchboard --help`".into()),
    ] {
        let ended = run(arguments);
        assert_eq!((ended.stderr.as_str(), ended.code), (format!("error: {said}\n").as_str(), Some(2)), "{arguments}");
        assert_eq!(ended.stdout, "", "{arguments}");
    }
}

#[test]
fn wrong_use_of_models_sizes_and_faults_is_one_line_and_exit_code_2() {
    let duration = "give a number with a unit (ms, s, m or h), such as 10s, 250ms or 1.5s";
    let size = "give a number of bytes, such as 512, 64KiB or 1MB";
    let no_loop = "the model polling has no event loop";
    let drip = "nothing would ever go, or all at once; give more of both";
    for (arguments, said) in [
        (
            "--model polling --engine poll",
            format!("--engine poll: {no_loop} that could run on it; give --model callbacks or tasks"),
        ),
        (
            "--model polling --threads 2",
            format!("--threads 2: {no_loop} to have one on each; give --model callbacks or tasks"),
        ),
        (
            "--pause 10ms",
            "--pause: the model tasks waits until there is something to do; give --model polling or buffered".into(),
        ),
        ("--model polling --pause x", format!("--pause x: not a duration; {duration}")),
        ("--read-size 0", "--read-size 0: nothing would be received; give 1 or more".into()),
        ("--read-size 17MiB", "--read-size 17MiB: too much; give at most 16MiB".into()),
        ("--read-size 0.1KiB", format!("--read-size 0.1KiB: not a whole number of bytes; {size}")),
        ("--read-size -2", format!("--read-size -2: not a size; {size}")),
        ("--backlog x", "--backlog x: not a count; give a number, such as 500, 10k or 1M".into()),
        ("--backlog 2147483648", "--backlog 2147483648: give at most 2147483647".into()),
        ("--delay 5", format!("--delay 5: a duration without a unit; {duration}")),
        ("--jitter -1s", format!("--jitter -1s: not a duration; {duration}")),
        ("--drip 5", "--drip 5: give how many bytes in which time, such as 1/100ms".into()),
        ("--drip x/1s", format!("--drip x/1s: not a size; {size}")),
        ("--drip 5/", format!("--drip 5/: not a duration; {duration}")),
        ("--drip 5/10", format!("--drip 5/10: a duration without a unit; {duration}")),
        ("--drip 0/1s", format!("--drip 0/1s: {drip}")),
        ("--drip 5/0s", format!("--drip 5/0s: {drip}")),
        ("--close-after x", format!("--close-after x: not a size; {size}")),
        ("--close-after 0.5", format!("--close-after 0.5: not a whole number of bytes; {size}")),
        ("--reset-after -1", format!("--reset-after -1: not a size; {size}")),
        (
            "--close-after 1 --reset-after 1",
            "the argument '--close-after <N>' cannot be used with '--reset-after <N>'; see `switchboard serve --help`"
                .into(),
        ),
        (
            "--udp --service line",
            "--udp: the service line is made of lines, which datagrams are not; give another with --service".into(),
        ),
    ] {
        let ended = run(&format!("serve --listen 127.0.0.1:0 {arguments}"));
        let told = (ended.stderr.as_str(), ended.code);
        assert_eq!(told, (format!("error: {said}\n").as_str(), Some(2)), "{arguments}");
        assert_eq!(ended.stdout, "", "{arguments}");
    }
}

#[test]
fn an_engine_this_system_lacks_is_wrong_use() {
    // No system has this one.
    let ended = run("serve --engine devpoll");
    let said = "error: --engine devpoll: this system does not have it; give one of auto, ";
    assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
    assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(2)));
}

#[test]
fn what_is_typed_cannot_break_the_line() {
    for text in [&b"a\nb:80"[..], b"\x1b[31m:80", b"127.0.0.1:8\n", b"\xff:80", b"a\rb"] {
        let mut command = switchboard(&["serve", "--listen"]);
        command.arg(std::ffi::OsStr::from_bytes(text));
        let ended = run_to_end(command);
        assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(2)), "{}", ended.stderr);
        assert!(!ended.stderr.trim_end().contains(char::is_control), "{:?}", ended.stderr);
    }
}

#[test]
fn a_trace_may_have_any_name() {
    let name = [&b"switchboard-\xff-"[..], std::process::id().to_string().as_bytes()].concat();
    let path = std::env::temp_dir().join(std::ffi::OsStr::from_bytes(&name));
    let mut command =
        switchboard(&["simulate", "--seeds", "1", "--clients", "1", "--messages", "1", "--trace"]);
    command.arg(&path);
    let ended = run_to_end(command);
    let trace = std::fs::read(&path).unwrap_or_default();
    std::fs::remove_file(&path).ok();
    assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
    assert!(!trace.is_empty());
}

#[test]
fn what_is_wrong_with_the_faults_of_the_environment_is_wrong_use() {
    let mut command = switchboard(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("SWITCHBOARD_CHAOS", "short=2");
    let ended = run_to_end(command);
    let said = "error: SWITCHBOARD_CHAOS=short=2: probability 2 of fault short is outside 0..=1\n";
    assert_eq!((ended.stderr.as_str(), ended.code), (said, Some(2)));
}

#[test]
fn a_port_in_use_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    assert_refused(
        &run(&format!("serve --listen {address}")),
        &format!(
            "error: cannot listen on {address}: address already in use; stop what listens there, or choose \
             another port with --listen (port 0 takes a free one)\n"
        ),
    );
}

#[test]
fn an_address_of_another_machine_is_told_with_what_to_do() {
    // Of the block for documentation, RFC 5737.
    assert_refused(
        &run("serve --listen 192.0.2.1:8000"),
        "error: cannot listen on 192.0.2.1:8000: not an address of this machine; give one that is with \
         --listen, or 0.0.0.0 for all of them\n",
    );
}

#[test]
fn a_host_that_is_not_found_is_told_with_what_to_do() {
    // Never a host, RFC 6761.
    let ended = run("serve --listen nobody.invalid:8000");
    let said = "error: cannot listen: cannot find the host of nobody.invalid:8000: ";
    assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("; check its name, or give an IP address\n"), "{}", ended.stderr);
    assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(1)));
}

#[test]
fn a_privileged_port_is_told_with_what_to_do() {
    let address = format!("{}:81", lonely_address(0).ip());
    if TcpListener::bind(&address).is_ok() && !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: here anybody may listen on port 81");
    }
    let mut command = switchboard(&["serve", "--listen", &address]);
    if rustix::process::geteuid().is_root() {
        // What root is allowed, nobody is not, unless the system allows it to all.
        let all = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
        if all.is_ok_and(|first| first.trim().parse::<u16>().is_ok_and(|first| first <= 81)) {
            return eprintln!("skipped: here anybody may listen on port 81");
        }
        command.uid(65534).gid(65534);
        let mut probe = switchboard(&["--version"]);
        if probe.uid(65534).gid(65534).stdout(Stdio::null()).status().is_err() {
            return eprintln!("skipped: another user cannot run the command");
        }
    }
    assert_refused(
        &run_to_end(command),
        &format!("error: cannot listen on {address}: permission denied; ports below 1024 need root\n"),
    );
}

#[test]
fn a_host_is_resolved() {
    let server = Server::start(&["--listen", "localhost:0"]);
    assert!(server.address.ip().is_loopback(), "{}", server.ready);
    assert_echoes(&server.connect(), b"hello");
}

#[test]
fn with_no_command_the_help_is_given_and_the_use_is_wrong() {
    let ended = run("");
    assert_eq!((ended.stdout.as_str(), ended.code), ("", Some(2)));
    assert!(ended.stderr.contains("Usage: switchboard <COMMAND>"), "{}", ended.stderr);
}

#[test]
fn help_has_examples_and_version_a_number() {
    for (arguments, example) in [
        ("--help", "\n  switchboard connect 127.0.0.1 8000 "),
        ("serve --help", "\n  telnet 127.0.0.1 8000 "),
        ("connect --help", "\n  switchboard connect localhost 8000 <big.bin >back.bin\n"),
    ] {
        let ended = run(arguments);
        assert_eq!((ended.stderr.as_str(), ended.code), ("", Some(0)));
        assert!(ended.stdout.contains(example), "{}", ended.stdout);
    }
    let ended = run("--version");
    assert_eq!(ended.stdout, concat!("switchboard ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_closed_stdout_is_no_reason_not_to_serve() {
    let address = lonely_address(1);
    // A shell is the way to start something with no stdout at all.
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" >&-", env!("CARGO_BIN_EXE_switchboard"), "serve", "--listen"]);
    shell.arg(address.to_string()).stdin(Stdio::null()).stderr(Stdio::piped());
    assert_serves(Server::spawn(shell, address), 1);

    let address = lonely_address(2);
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut command = switchboard(&["serve", "--json", "--listen", &address.to_string()]);
    command.stdout(writer);
    assert_serves(Server::spawn(command, address), 1);
}

#[test]
fn a_full_stdout_is_told_once_and_is_no_reason_not_to_serve() {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        return eprintln!("skipped: this system has no /dev/full");
    };
    let address = lonely_address(3);
    let mut command = switchboard(&["serve", "--json", "--listen", &address.to_string()]);
    command.stdout(full);
    let stderr = assert_serves(Server::spawn(command, address), 2);
    assert_eq!(
        stderr.lines().next().unwrap(),
        "cannot write on stdout: no space left on device; serving goes on without it"
    );

    let mut command = switchboard(&["--help"]);
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    let ended = Server::spawn(command, address).end();
    assert_refused(&ended, "error: cannot write the answer on stdout: no space left on device\n");
}

#[test]
fn a_closed_or_full_stderr_is_no_reason_not_to_serve() {
    let executable = env!("CARGO_BIN_EXE_switchboard");
    for (number, script) in [(4, "exec \"$0\" \"$@\" 2>&-"), (5, "exec \"$0\" \"$@\" 2>/dev/full")] {
        let address = lonely_address(number).to_string();
        let mut shell = Command::new("sh");
        shell.args(["-c", script, executable, "serve", "-vv", "--listen", &address]);
        shell.stdin(Stdio::null()).stdout(Stdio::null());
        assert_serves(Server::spawn(shell, lonely_address(number)), 0);
    }
}

fn run(arguments: &str) -> Ended {
    run_to_end(switchboard(&arguments.split_whitespace().collect::<Vec<_>>()))
}

fn assert_refused(ended: &Ended, said: &str) {
    assert_eq!((ended.stderr.as_str(), ended.code, ended.stdout.as_str()), (said, Some(1), ""));
}

/// That it serves and ends well, with so many lines on stderr, which are handed back.
fn assert_serves(server: Server, lines: usize) -> String {
    assert_echoes(&server.connect_when_ready(), b"hello");
    let ended = server.stop();
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(0), lines), "{}", ended.stderr);
    ended.stderr
}
