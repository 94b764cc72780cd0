//! `switchboard compare` as its users meet it: that it measures right, what it tells, and that nothing is left of what it started.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use rustix::process::{Pid, Signal, test_kill_process};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use server::{DEADLINE, Ended, Server, run_to_end, switchboard};

/// Short, and so one that says little: what it says is to be right all the same.
const SHORT: &str = "--rounds 1 --duration 150ms --warm-up 30ms";

/// Held by who measures: they all use the same two processors, so that of several at once some would not get to measure anything.
static MEASURING: Mutex<()> = Mutex::new(());

/// Runs it with these arguments, and more that may have blanks in them.
fn compare(arguments: &str, more: &[&str]) -> Ended {
    let words: Vec<_> =
        ["compare"].into_iter().chain(arguments.split_whitespace()).chain(more.iter().copied()).collect();
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    run_to_end(switchboard(&words))
}

/// The same, and what it tells as JSON. Others may be at work on the machine that runs this, which is a code of its own.
fn compare_telling_json(arguments: &str, more: &[&str]) -> Value {
    let ended = compare(&format!("{arguments} --json"), more);
    assert!(matches!(ended.code, Some(0 | 4)), "{ended:?}");
    let told: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    assert_eq!(ended.code == Some(4), !told["doubts"].as_array().unwrap().is_empty(), "{told}");
    told
}

fn row<'a>(told: &'a Value, scenario: usize, contestant: &str) -> &'a Value {
    let rows = told["scenarios"][scenario]["rows"].as_array().unwrap();
    rows.iter().find(|row| row["contestant"] == contestant).unwrap_or_else(|| panic!("{contestant}: {told}"))
}

/// Our own server as somebody else's.
fn ours_as_foreign() -> String {
    format!(
        "ours={} serve --listen 127.0.0.1:{{port}} --service {{service}}",
        env!("CARGO_BIN_EXE_switchboard")
    )
}

/// One that starts as often as everybody is tried at first, and then no more.
fn worn_out(starts: &Scratch) -> String {
    let script = format!(
        "echo >> {file}; [ $(wc -l < {file}) -le 2 ] || {{ echo worn out >&2; sleep 0.3; exit 3; }}; exec {server} serve --listen 127.0.0.1:{{port}}",
        file = starts.path(),
        server = env!("CARGO_BIN_EXE_switchboard")
    );
    format!("worn=sh -c '{script}'")
}

/// A file of this test's own, removed when it is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("switchboard-compare-{}-{name}", process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// The processes whose numbers were written there.
    fn processes(&self) -> Vec<Pid> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        text.split_whitespace().map(|id| Pid::from_raw(id.parse().unwrap()).unwrap()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

fn wait_until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is() {
        assert!(Instant::now() < deadline, "{what}, not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn all_that_was_measured_is_told_as_json() {
    let told = compare_telling_json(
        &format!("{SHORT} --models threads,tasks --engines poll --connections 1,3"),
        &[],
    );
    assert_eq!((&told["event"], &told["format"]), (&"compared".into(), &1.into()));
    assert!(told["date"].as_str().unwrap().starts_with("20"), "{told}");
    assert!(
        told["machine"]["cores"].as_u64().unwrap() > 0 && !told["versions"]["kernel"].is_null(),
        "{told}"
    );
    assert_eq!(
        (told["scenarios"].as_array().unwrap().len(), told["noise"].as_array().unwrap().len()),
        (2, 1)
    );
    for (scenario, contestant) in [(0, "threads"), (0, "tasks/poll"), (1, "threads"), (1, "tasks/poll")] {
        let row = row(&told, scenario, contestant);
        for figure in ["messages_per_second", "p50", "p99", "p999", "cpu", "switches"] {
            assert!(
                row[figure].as_f64().unwrap_or_else(|| panic!("{figure}: {row}")) > 0.0,
                "{figure}: {row}"
            );
        }
        assert_eq!(row["failures"], serde_json::json!({}));
        let turn = &row["rounds"][0];
        let rate = turn["messages"].as_f64().unwrap() / turn["seconds"].as_f64().unwrap();
        assert!((row["messages_per_second"].as_f64().unwrap() / rate - 1.0).abs() < 1e-6, "{row}");
        // A receive and a send at least, where they can be counted; and a reason where not.
        let calls = &row["system_calls"];
        assert!(
            calls["value"].as_f64().is_some_and(|calls| calls > 1.8) || calls["missing"].is_string(),
            "{row}"
        );
    }
    // A thread that waits for its only client gives way at each message; hardly ever is the next there before it waits.
    assert!(row(&told, 0, "threads")["switches"].as_f64().unwrap() > 0.5, "{told}");
    let ratios =
        ["threads", "tasks/poll"].map(|name| row(&told, 0, name)["cpu_ratio"]["median"].as_f64().unwrap());
    assert!(ratios.contains(&1.0) && ratios.iter().all(|ratio| *ratio >= 1.0), "{ratios:?}");
    let idle =
        told["contestants"].as_array().unwrap().iter().map(|one| one["idle"]["value"].as_f64().unwrap());
    assert!(idle.clone().all(|idle| idle > 0.1 && idle < 300.0), "{:?}", idle.collect::<Vec<_>>());
}

#[test]
fn the_table_names_everybody_and_says_what_to_take() {
    let ended = compare(&format!("{SHORT} --models poll,epoll"), &[]);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines[2], "echo, 50 connections, 64 B", "{ended:?}");
    assert!(lines[3].contains("messages/s") && lines[3].ends_with("CPU to the best"), "{ended:?}");
    let mut names: Vec<_> = lines[4..6].iter().map(|line| line.split(' ').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["epoll", "poll"], "{ended:?}");
    assert!(lines[6].starts_with("Take ") && lines[6].ends_with('.'), "{ended:?}");
    assert!(ended.stderr.contains("round 1 of 1: 2 measurements"), "{ended:?}");
}

#[test]
fn lines_for_a_spreadsheet_have_a_field_for_each_name() {
    let ended = compare(&format!("{SHORT} --models epoll --sizes 64,1KiB --csv"), &[]);
    let lines: Vec<Vec<_>> = ended.stdout.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 3, "{ended:?}");
    assert!(lines.iter().all(|line| line.len() == 18), "{ended:?}");
    assert_eq!((lines[1][..4].join(","), lines[2][2]), ("echo,50,64,epoll".to_owned(), "1024"));
}

/// A server that uses two milliseconds of processor time for each message; run by the test below, as a process of its own.
#[test]
fn burning_server() {
    let Ok(port) = env::var("SWITCHBOARD_BURN_ON") else { return };
    let listener = TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    for client in listener.incoming() {
        thread::spawn(move || burn(client.unwrap()));
    }
}

fn burn(mut client: TcpStream) {
    let used = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let mut message = [0; 64];
    while client.read_exact(&mut message).is_ok() {
        let until = used() + BURNT;
        while used() < until {}
        if client.write_all(&message).is_err() {
            return;
        }
    }
}

const BURNT: Duration = Duration::from_millis(2);

#[test]
fn what_a_message_costs_the_server_is_what_it_says() {
    let own = env::current_exe().unwrap();
    let burning = format!(
        "burning=env SWITCHBOARD_BURN_ON={{port}} {} --exact burning_server --nocapture",
        own.display()
    );
    let arguments = "--models none --rounds 1 --duration 400ms --warm-up 50ms --connections 3";
    let told = compare_telling_json(arguments, &["--with", &burning]);
    let row = row(&told, 0, "burning");
    let cpu = row["cpu"].as_f64().unwrap_or_else(|| panic!("{told}"));
    // Receiving and sending come on top; a message that is under way at one end of the window is a part of one.
    assert!((1900.0..2250.0).contains(&cpu), "{cpu} µs: {told}");
}

#[test]
fn a_server_of_ones_own_takes_part_and_is_told_port_and_service() {
    let ours = ours_as_foreign();
    let arguments = format!("{SHORT} --models epoll --services upper,line --connections 2");
    let told = compare_telling_json(&arguments, &["--with", &ours]);
    for scenario in [0, 1] {
        for name in ["epoll", "ours"] {
            let row = row(&told, scenario, name);
            assert!(row["cpu"].as_f64().unwrap() > 0.0 && row["failures"] == serde_json::json!({}), "{row}");
        }
    }
    assert!(told["contestants"][1]["command"].as_array().unwrap().contains(&"{service}".into()), "{told}");
}

#[test]
fn who_cannot_take_part_is_told_at_once_in_one_line() {
    for (within, with, said) in [
        (
            "20s",
            "x=false {port}",
            "error: x ended with code 1 before it listened; it said nothing on stderr\n",
        ),
        (
            "20s",
            "x=sh -c 'echo one >&2; echo the other >&2; exit 3' {port}",
            "error: x ended with code 3 before it listened; the last it said: the other\n",
        ),
        (
            "20s",
            "x=/no/such/program {port}",
            "error: x ended with code 1 before it listened; the last it said: cannot start /no/such/program: no such file or directory\n",
        ),
    ] {
        let ended = compare("--models none --ready-within", &[within, "--with", with]);
        assert_eq!((ended.code, &*ended.stderr, &*ended.stdout), (Some(1), said, ""), "{with}");
    }
}

#[test]
fn who_does_not_listen_in_time_is_told_with_where_it_should() {
    let ended = compare("--models none --ready-within 300ms", &["--with", "x=sleep 60{port}"]);
    let said = &ended.stderr;
    let port = said
        .strip_prefix("error: x does not listen on 127.0.0.1:")
        .and_then(|rest| rest.strip_suffix(" within 300ms; it said nothing on stderr\n"));
    assert!(port.is_some_and(|port| port.parse::<u16>().is_ok()), "{ended:?}");
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
}

#[test]
fn more_connections_than_descriptors_are_refused_before_anybody_is_started() {
    let mut command = Command::new("sh");
    command.arg("-c").arg("ulimit -n 100; exec \"$0\" \"$@\"").arg(env!("CARGO_BIN_EXE_switchboard"));
    command.args(["compare", "--models", "epoll", "--connections", "1,200"]);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let ended = run_to_end(command);
    let said = "error: no room for 200 connections: they take 232 descriptors, and a process may have 100 here; allow more with \
                `ulimit -Hn 232` (as root), or give fewer with --connections\n";
    assert_eq!((ended.code, &*ended.stderr, &*ended.stdout), (Some(1), said, ""));
}

#[test]
fn where_nobody_answered_that_is_the_failure_however_busy_the_machine_is() {
    let starts = Scratch::new("nobody");
    let is_over = AtomicBool::new(false);
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let ended = compare(&format!("{SHORT} --models none"), &["--with", &worn_out(&starts)]);
        is_over.store(true, Ordering::Relaxed);
        ended
    });
    assert!(ended.stdout.contains("not trustworthy: in 1 of 1 rounds others used"), "{ended:?}");
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[test]
fn what_cannot_be_meant_is_wrong_use() {
    for (arguments, said) in [
        ("--models nobody", "--models nobody: no such model; give one of blocking,"),
        ("--models none", "--models none: nobody would take part"),
        ("--models tasks,tasks", "would take part twice"),
        ("--engines steam", "--engines steam: no such engine; give of "),
        ("--services chargen", "--services chargen: it does not answer each message"),
        ("--services line --sizes 2", "--sizes 2: a line of the service line has 3 to 65536 bytes"),
        ("--rounds 0", "--rounds 0: nothing would be measured; give 1 or more"),
        ("--connections 0", "--connections 0: there would be no load"),
        ("--connections 1,,2", "--connections \"\": not a count"),
        ("--sizes 0", "--sizes 0: nothing would be said"),
        ("--duration 1ms", "--duration 1ms: too short to measure anything"),
        ("--with x", "--with x: it has no name; give NAME='COMMAND {port}'"),
        ("--with x=cat", "--with x=cat: it is not told its {port}"),
        ("--with x='{port}", "a quote is not closed"),
        ("--with =cat", "\"\" is no name"),
        ("--json --csv", "cannot be used with"),
        ("--ready-within 0s", "--ready-within 0s: nobody listens in no time; give more"),
        ("--files one", "2 values required"),
        ("--files one other --html page", "cannot be used with '--html <FILE>'"),
        ("--files one other --rounds 5", "cannot be used with '--rounds <N>'"),
        ("--files one other --quick", "cannot be used with '--quick'"),
    ] {
        let ended = compare(arguments, &[]);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments}: {ended:?}");
        assert!(ended.stderr.contains(said) && ended.stderr.lines().count() == 1, "{arguments}: {ended:?}");
    }
}

#[test]
fn a_server_that_serves_one_at_a_time_says_what_it_came_to_and_the_others_go_on() {
    let told = compare_telling_json(&format!("{SHORT} --models blocking,epoll --connections 4"), &[]);
    let scenario = &told["scenarios"][0];
    assert_eq!((&scenario["best"], &scenario["rows"][0]["contestant"]), (&"epoll".into(), &"epoll".into()));
    assert_eq!(row(&told, 0, "blocking")["failures"], serde_json::json!({ "timeout": 3 }), "{told}");
    assert!(told["contestants"][0]["idle"]["missing"].as_str().unwrap().starts_with("1 of 250"), "{told}");
}

#[test]
fn a_server_that_does_not_start_again_is_told_and_the_others_go_on() {
    let starts = Scratch::new("starts");
    let told = compare_telling_json(&format!("{SHORT} --models epoll"), &["--with", &worn_out(&starts)]);
    let trouble = row(&told, 0, "worn")["trouble"].as_str().unwrap();
    assert_eq!(trouble, "ended with code 3 before it listened; the last it said: worn out");
    assert!(row(&told, 0, "epoll")["cpu"].as_f64().unwrap() > 0.0, "{told}");
}

/// A comparison of a server that writes down its number, and that of a child which leaves its group.
fn start_with_runaways(pids: &Scratch) -> Server {
    let script = format!(
        "setsid sleep 300 & echo $! $$ >> {}; exec {} serve --listen 127.0.0.1:{{port}}",
        pids.path(),
        env!("CARGO_BIN_EXE_switchboard")
    );
    let with = format!("runaways=sh -c '{script}'");
    let mut command = switchboard(&[
        "compare",
        "--models",
        "none",
        "--rounds",
        "1000",
        "--duration",
        "50ms",
        "--json",
        "--with",
        &with,
    ]);
    command.stdout(Stdio::piped());
    Server::spawn(command, SocketAddr::from(([127, 0, 0, 1], 0)))
}

#[test]
fn a_signal_has_it_tell_what_it_has_and_leaves_no_process_behind() {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    let pids = Scratch::new("pids");
    let comparison = start_with_runaways(&pids);
    comparison.wait_for_log("round 2 of 1000");
    comparison.signal(Signal::INT);
    let ended = comparison.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["signal"], "SIGINT");
    assert!(row(&told, 0, "runaways")["rounds"].as_array().unwrap().len() >= 2, "{told}");
    let left: Vec<_> = pids.processes().into_iter().filter(|id| test_kill_process(*id).is_ok()).collect();
    assert!(pids.processes().len() >= 6 && left.is_empty(), "{left:?}");
}

#[test]
fn no_child_of_a_server_outlives_a_comparison_that_is_killed() {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    let pids = Scratch::new("children");
    let script = format!(
        "{} serve --listen 127.0.0.1:{{port}} & echo $! $$ >> {}; wait",
        env!("CARGO_BIN_EXE_switchboard"),
        pids.path()
    );
    let with = format!("parent=sh -c '{script}'");
    let mut command = switchboard(&["compare", "--models", "none", "--duration", "10s", "--with", &with]);
    command.stdout(Stdio::piped());
    let comparison = Server::spawn(command, SocketAddr::from(([127, 0, 0, 1], 0)));
    // The first has been ended by then, so that one is at work.
    wait_until("servers start", || pids.processes().len() >= 4);
    comparison.signal(Signal::KILL);
    assert_eq!(comparison.end().code, None);
    wait_until("all have ended", || pids.processes().iter().all(|id| !is_running(*id)));
}

/// Whether it is there, and not only waits for somebody to ask what became of it.
fn is_running(id: Pid) -> bool {
    let about = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).unwrap_or_default();
    about.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[test]
fn no_server_outlives_a_comparison_that_is_killed() {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    let pids = Scratch::new("killed");
    let comparison = start_with_runaways(&pids);
    wait_until("a server starts", || pids.processes().len() >= 2);
    comparison.signal(Signal::KILL);
    assert_eq!(comparison.end().code, None);
    let processes = pids.processes();
    let (servers, runaways): (Vec<_>, Vec<_>) = (
        processes.iter().skip(1).step_by(2).copied().collect(),
        processes.iter().step_by(2).copied().collect(),
    );
    wait_until("the server ends", || servers.iter().all(|id| test_kill_process(*id).is_err()));
    // Who left the group of a server whose parent was killed is beyond anybody's reach but ours.
    for id in runaways {
        rustix::process::kill_process(id, Signal::KILL).ok();
    }
}

#[test]
fn two_result_files_are_compared() {
    let (old, new) = (Scratch::new("old"), Scratch::new("new"));
    let told = compare_telling_json(&format!("{SHORT} --models poll,epoll --connections 2"), &[]);
    // As if eight rounds had agreed, and then all had taken twice the time with one of them.
    let rounds = |factor: f64| {
        let mut told = told.clone();
        for row in told["scenarios"][0]["rows"].as_array_mut().unwrap() {
            let factor = if row["contestant"] == "poll" { factor } else { 1.0 };
            let mut turn = row["rounds"][0].clone();
            turn["cpu"] = (turn["cpu"].as_f64().unwrap() * factor).into();
            row["rounds"] = vec![turn; 8].into();
        }
        told
    };
    fs::write(old.path(), rounds(1.0).to_string()).unwrap();
    fs::write(new.path(), rounds(2.0).to_string()).unwrap();
    let files = format!("--files {} {}", old.path(), new.path());
    let ended = compare(&files, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("2.00 (2.00–2.00)"), "{ended:?}");
    let said = "More CPU for a message than before: poll; no difference that these runs can show: epoll.";
    assert!(ended.stdout.contains(said), "{ended:?}");
    let ended = compare(&format!("{files} --json"), &[]);
    let changes: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(changes["scenarios"][0]["sentence"], said, "{changes}");
}

#[test]
fn files_that_are_no_results_are_told_from_those_that_are() {
    let foreign = Scratch::new("foreign");
    fs::write(foreign.path(), r#"{ "event": "compared", "format": 99 }"#).unwrap();
    for (file, said) in [
        (foreign.path(), "no result of `switchboard compare --json`: it is of format 99"),
        (env!("CARGO_MANIFEST_PATH"), "no result of `switchboard compare --json`: expected value"),
        ("/no/such/file", "cannot read /no/such/file: no such file or directory"),
    ] {
        let ended = compare(&format!("--files {file} {file}"), &[]);
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.contains(said) && ended.stderr.lines().count() == 1, "{ended:?}");
    }
}
