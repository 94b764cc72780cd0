//! A thread and a process for each client, seen from the system: how many there are, what they have, and how they end.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, geteuid, getpgid, getpid, getrlimit, kill_process, setrlimit,
};
use server::{DEADLINE, Server, assert_echoes, assert_ends_after, lonely_address, run_to_end, switchboard};

#[test]
fn a_crowd_is_served_all_at_once() {
    for (model, count) in [("threads", 500), ("processes", 100)] {
        let server = Server::start_json("auto", &["--model", model]);
        let clients: Vec<_> = (0..count).map(|_| server.connect()).collect();
        for round in 0..3 {
            for client in &clients {
                assert_echoes(client, format!("round {round}").as_bytes());
            }
        }
        drop(clients);
        let receipt = server.stop().receipt();
        assert_eq!(receipt["finished"], count, "{receipt}");
        assert_eq!(receipt["most_at_once"], count, "{receipt}");
        assert_eq!((&receipt["received"], &receipt["sent"]), (&(count * 21).into(), &(count * 21).into()));
    }
}

#[test]
fn the_limit_bounds_threads_and_processes_and_nobody_is_lost_by_it() {
    for model in ["threads", "processes"] {
        let server = start(model, &["--limit", "3", "--explain"]);
        let mut clients: Vec<_> = (0..10).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.write_all(b"may I?").unwrap();
        }
        let mut most = 0;
        for mut client in clients {
            let mut answer = [0; 6];
            client.read_exact(&mut answer).expect("everybody has their turn");
            if has_proc() {
                let served = if model == "threads" { threads(&server) - 1 } else { children(&server).len() };
                most = most.max(served);
            }
        }
        assert!(!has_proc() || (1..=3).contains(&most), "{model}: {most}");
        let ended = server.stop();
        assert!(ended.stderr.contains("ended; 10 accepted: 10 finished"), "{}", ended.stderr);
    }
}

#[test]
fn who_cannot_have_a_thread_or_a_process_yet_waits_for_one() {
    for (number, model, what) in [(78, "threads", "thread"), (79, "processes", "process")] {
        let Some(server) = nobodys(model, number) else {
            return eprintln!("skipped: only root can start somebody else's process");
        };
        let mut clients: Vec<_> = (0..30).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.write_all(b"may I?").unwrap();
        }
        server.wait_for_log(&format!(
            "cannot accept for now: there is no {what} to be had (resource temporarily"
        ));
        // In whatever order: who leaves makes room for another.
        thread::scope(|scope| {
            for mut client in clients {
                scope.spawn(move || client.read_exact(&mut [0; 6]).expect("everybody has their turn"));
            }
        });
        let ended = server.stop();
        assert!(!ended.stderr.contains("cannot accept"), "told more than once: {}", ended.stderr);
        assert!(ended.stderr.contains("ended; 31 accepted: 31 finished"), "{}", ended.stderr);
    }
}

#[test]
fn a_process_for_which_there_is_no_descriptor_is_waited_for_and_its_client_is_not_lost() {
    let server = start("processes", &[]);
    server.limit_descriptors(20);
    let mut clients: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"may I?").unwrap();
    }
    server.wait_for_log("cannot accept for now: there is no process to be had (too many open files)");
    thread::scope(|scope| {
        for mut client in clients {
            scope.spawn(move || client.read_exact(&mut [0; 6]).expect("everybody has their turn"));
        }
    });
    let ended = server.stop();
    assert!(ended.stderr.contains("ended; 40 accepted: 40 finished"), "{}", ended.stderr);
}

#[test]
fn a_process_that_is_killed_is_reported_and_takes_nobody_along() {
    let server = start("processes", &[]);
    let bystander = served(&server);
    let victim = served(&server);
    let Some(process) = newest_child(&server) else { return skip() };
    kill_process(process, Signal::KILL).unwrap();
    let failed = format!("client {} failed: its process was killed by signal 9", name(&victim));
    server.wait_for_log(&failed);
    wait_for_the_end(&victim);
    assert_echoes(&bystander, b"I am still here");
    assert_echoes(&server.connect(), b"and so is the door");
    drop(bystander);
    let ended = server.stop();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("3 accepted: 2 finished, 1 failed"), "{}", ended.stderr);
}

#[test]
fn children_are_reaped_as_they_end() {
    let server = start("processes", &[]);
    let clients: Vec<_> = (0..5).map(|_| served(&server)).collect();
    if children(&server).is_empty() {
        return skip();
    }
    assert_eq!(children(&server).len(), clients.len());
    drop(clients);
    wait_until("the children are gone, and no zombies", || children(&server).is_empty());
}

#[test]
fn a_child_has_its_connection_its_parent_and_stderr_and_no_other_descriptor() {
    let server = start("processes", &["--listen", "127.0.0.1:0"]);
    let clients: Vec<_> = (0..3).map(|_| served(&server)).collect();
    let children = children(&server);
    if children.is_empty() {
        return skip();
    }
    assert_eq!(children.len(), clients.len());
    let (mut connections, inherited) = (BTreeSet::new(), descriptors(getpid()));
    for child in &children {
        let mut all = descriptors(*child);
        // What we have had of our own parent, and could not keep to ourselves.
        all.retain(|number, what| *number < 3 || inherited.get(number) != Some(what));
        let standard: Vec<_> = (0..3).map(|number| all[&number].clone()).collect();
        // It has names of its own for the first two; nothing else.
        assert!(all.values().all(|what| standard.contains(what)), "{all:?}");
        assert!(standard[..2].iter().all(|what| what.starts_with("socket:")), "{all:?}");
        connections.insert(standard[0].clone());
        // What the parent has is its own end of the pair, and stderr; once it has heard that the child has begun.
        wait_until("the parent has let go of the connection", || {
            let parents: Vec<_> = descriptors(server.id()).into_values().collect();
            standard[..2].iter().all(|what| !parents.contains(what))
        });
        // Ctrl-C is for the parent.
        assert_ne!(getpgid(Some(*child)).unwrap(), getpgid(Some(server.id())).unwrap());
    }
    assert_eq!(connections.len(), clients.len(), "each has one of its own");
}

#[test]
fn when_the_parent_is_killed_its_children_end_with_it() {
    let server = start("processes", &[]);
    let clients: Vec<_> = (0..3).map(|_| served(&server)).collect();
    let children = children(&server);
    server.signal(Signal::KILL);
    for client in &clients {
        wait_for_the_end(client);
    }
    wait_until("the children have ended", || children.iter().all(|child| !is_running(*child)));
}

#[test]
fn a_child_that_does_not_obey_is_killed_at_the_end() {
    let server = start("processes", &["--grace", "100ms"]);
    let client = served(&server);
    let Some(process) = newest_child(&server) else { return skip() };
    kill_process(process, Signal::STOP).unwrap();
    let ended = server.stop();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("0 failed, 1 cancelled"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("{} cancelled (drain)", name(&client))), "{}", ended.stderr);
}

#[test]
fn a_failure_in_a_child_is_told_once_by_its_parent() {
    let server = start("processes", &["--service", "boom"]);
    let mut client = server.connect();
    client.write_all(b"boom\n").unwrap();
    assert_ends_after(&client, b"boom\n");
    let failed = format!("client {} failed: boom", name(&client));
    drop(client);
    server.wait_for_log(&failed);
    let ended = server.stop();
    assert!(!ended.stderr.contains("boom"), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 accepted: 0 finished, 1 failed"), "{}", ended.stderr);
}

#[test]
fn nobody_can_be_a_child_by_themselves() {
    let ended = run_to_end(switchboard(&["serve", "--child"]));
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.starts_with("error: --child: "), "{}", ended.stderr);
    assert!(!run_to_end(switchboard(&["serve", "--help"])).stdout.contains("--child"));
}

fn start(model: &str, arguments: &[&str]) -> Server {
    let grace: &[_] = if arguments.contains(&"--grace") { &[] } else { &["--grace", "500ms"] };
    Server::start(&[&["--listen", "127.0.0.1:0", "--model", model], grace, arguments].concat())
}

/// A server of a user who has nothing else running, and may have twelve threads, in however many processes.
fn nobodys(model: &str, number: u8) -> Option<Server> {
    if !geteuid().is_root() {
        return None;
    }
    let address = lonely_address(number);
    let listen = address.to_string();
    let mut command = switchboard(&["serve", "--listen", &listen, "--model", model, "--grace", "500ms"]);
    let user = 1_900_000_000 + std::process::id() % 1_000_000 * 100 + u32::from(number);
    command.uid(user).stdout(Stdio::piped());
    // It is passed on to whoever is started now, and binds nobody else here: root has no such limit.
    let usual = getrlimit(Resource::Nproc);
    setrlimit(Resource::Nproc, Rlimit { current: Some(12), ..usual }).unwrap();
    let server = Server::spawn(command, address);
    setrlimit(Resource::Nproc, usual).unwrap();
    assert!(server.is_ready(), "it says when it is ready");
    drop(served(&server));
    Some(server)
}

/// A client of which it is certain that it is being served.
fn served(server: &Server) -> TcpStream {
    let client = server.connect();
    assert_echoes(&client, b"hello");
    client
}

fn name(client: &TcpStream) -> String {
    client.local_addr().unwrap().to_string()
}

/// However it ends.
fn wait_for_the_end(mut client: &TcpStream) {
    let read = client.read(&mut [0]);
    assert!(
        matches!(&read, Ok(0))
            || read.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset),
        "{read:?}"
    );
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in {DEADLINE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Children of a server, zombies among them, by age; none where the system does not tell.
fn children(server: &Server) -> Vec<Pid> {
    let server = server.id().as_raw_nonzero();
    let listed = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|number| Pid::from_raw(number.parse().ok()?)).collect()
}

fn newest_child(server: &Server) -> Option<Pid> {
    children(server).pop()
}

fn threads(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/task", server.id().as_raw_nonzero())).unwrap().count()
}

/// What a process's descriptors are.
fn descriptors(process: Pid) -> BTreeMap<i32, String> {
    let entries = fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero())).unwrap();
    let what = |entry: fs::DirEntry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, fs::read_link(entry.path()).ok()?.to_str()?.to_owned()))
    };
    entries.filter_map(|entry| what(entry.ok()?)).collect()
}

/// Neither gone nor a zombie that nobody has reaped.
fn is_running(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

fn has_proc() -> bool {
    Path::new("/proc/self/task").exists()
}

fn skip() {
    eprintln!("skipped: this system does not tell of the processes of a process");
}
